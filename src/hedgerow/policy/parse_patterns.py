"""Actions, resources and other patterns of a policy's text, read or refused with their place."""

import string
from collections.abc import Collection, Sequence
from functools import lru_cache
from typing import Final

from hedgerow.kernel import quoted
from hedgerow.policy.errors import MalformedPolicyError
from hedgerow.policy.patterns import Pattern, Reading, make_pattern
from hedgerow.policy.tokens import UnclosedVariableError
from hedgerow.policy.variables import is_placeholder

ARN_PARTS: Final = 6
LIST_KEYS: Final = frozenset(
    {
        "aws:calledvia",
        "aws:principalorgpaths",
        "aws:principalservicenameslist",
        "aws:resourceorgpaths",
        "aws:sourceorgpaths",
        "aws:tagkeys",
        "sts:transitivetagkeys",
    }
)
"""Keys that hold several values."""
_ARN_COLONS: Final = ARN_PARTS - 1
_SERVICE_CHARACTERS: Final = frozenset(string.ascii_letters + string.digits + "-")
_OPERATION_CHARACTERS: Final = _SERVICE_CHARACTERS | frozenset("*?")
_REMEMBERED_ACTIONS: Final = 2048

_ACTIONS: Final = Reading(folded=True)
_RESOURCES: Final = {
    (variables, device): Reading(variables=variables, arn=True, device=device)
    for variables in (True, False)
    for device in (True, False)
}
ANY_RESOURCE: Final = make_pattern("*", Reading(arn=True))


def resource_reading(*, variables: bool, device: bool) -> Reading:
    """Return how resources are read."""
    return _RESOURCES[variables, device]


def read_pattern(text: str, place: str, reading: Reading) -> Pattern:
    """Return the pattern a text is, or raise `MalformedPolicyError`."""
    try:
        pattern = make_pattern(text, reading)
    except UnclosedVariableError:
        raise MalformedPolicyError(place, f"a ${{ in {quoted(text)} has no }}") from None
    for variable in pattern.variables:
        known = (
            is_placeholder(variable.shown) and variable.default is None
            if reading.device
            else _is_key(variable.name)
        )
        if not known:
            shown = quoted("${" + variable.shown + "}")
            raise MalformedPolicyError(place, f"{shown} is not a policy variable")
        if variable.name in LIST_KEYS:
            shown = quoted("${" + variable.shown + "}")
            raise MalformedPolicyError(
                place, f"{shown} cannot be a policy variable: the key has several values"
            )
    return pattern


def read_resource(reading: Reading, text: str) -> Pattern:
    """Return the pattern of a resource, or raise `MalformedPolicyError` without a place."""
    if text == "*":
        return ANY_RESOURCE
    variable = "${" in text
    pattern = read_pattern(text, "", reading) if variable else make_pattern(text, reading)
    parts = arn_parts(text) if variable else text.split(":", _ARN_COLONS)
    if len(parts) < ARN_PARTS or parts[0] != "arn" or not (parts[1] and parts[2] and parts[5]):
        form = "iot:region:account:topic/name" if reading.device else "service:region:account:name"
        raise MalformedPolicyError(
            "",
            f"{quoted(text)} is not a resource; the form is arn:aws:{form}, "
            "wildcards are allowed within each part, and * alone is every resource",
        )
    if not reading.device and (
        "*" in parts[2] or "?" in parts[2] or (variable and _is_variable_in_head(parts))
    ):
        raise MalformedPolicyError(
            "",
            f"{quoted(text)} has a wildcard for the service or a variable before its fifth colon; "
            "AWS leaves open what that matches, so write it out",
        )
    return pattern


def _is_variable_in_head(parts: Sequence[str]) -> bool:
    return any("${" in part for part in parts[:_ARN_COLONS])


def arn_parts(text: str) -> list[str]:
    """Cut an ARN pattern at its first five colons that are not within a `${…}`."""
    variable = text.find("${")
    if variable < 0 or text.count(":", 0, variable) >= _ARN_COLONS:
        return text.split(":", _ARN_COLONS)
    parts = [""]
    depth = 0
    for position, character in enumerate(text):
        if character == ":" and not depth and len(parts) < ARN_PARTS:
            parts.append("")
            continue
        if text.startswith("${", position):
            depth = 1
        elif character == "}":
            depth = 0
        parts[-1] += character
    return parts


@lru_cache(_REMEMBERED_ACTIONS)
def _action(text: str) -> Pattern | None:
    service, colon, operation = text.partition(":")
    if text != "*" and not (
        colon
        and service
        and operation
        and _SERVICE_CHARACTERS.issuperset(service)
        and _OPERATION_CHARACTERS.issuperset(operation)
    ):
        return None
    return make_pattern(text, _ACTIONS)


def read_action(services: Collection[str], text: str) -> Pattern:
    """Return the pattern of an action, or raise `MalformedPolicyError` without a place."""
    pattern = _action(text)
    if pattern is None:
        raise MalformedPolicyError(
            "", f"{quoted(text)} is not an action; the form is iot:Publish, iot:* or *"
        )
    if services and text.partition(":")[0].lower() not in services:
        raise MalformedPolicyError(
            "", f"{quoted(text)} has no meaning here; name actions of {', '.join(services)}"
        )
    return pattern


def _is_key(name: str) -> bool:
    service, colon, rest = name.partition(":")
    return bool(service and colon and rest) and "$" not in name and "{" not in name
