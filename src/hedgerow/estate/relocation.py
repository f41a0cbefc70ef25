"""ARNs of one account and region turned into those of another, wherever they stand in a text.

Policies name ARNs with wildcards, with policy variables, and percent-encoded inside other ARNs; all
of these are followed. A wildcard stays what it is: relocation never makes a policy reach further.
"""

import json
import re
from collections.abc import Callable
from typing import Any, Final

import msgspec

from hedgerow.estate.values import Definition, Estate, Group, Origin, Policy

_AWS: Final = "aws"


def relocated(estate: Estate, target: Origin) -> Estate:
    """Return the estate with the ARNs of its origin as those of `target`."""
    if estate.origin == target:
        return estate
    move = mover(estate.origin, target)
    return msgspec.structs.replace(
        estate,
        origin=target,
        policies=tuple(_policy(policy, move) for policy in estate.policies),
        groups=tuple(_group(group, move) for group in estate.groups),
    )


def mover(origin: Origin, target: Origin) -> Callable[[str], str]:
    """Return what turns the ARNs of `origin` in a text into those of `target`."""
    form = re.compile(
        r"\barn(?P<colon>:|%3[Aa])(?P<partition>aws[a-z-]*)(?P=colon)(?P<service>[a-z0-9*-]+)"
        rf"(?P=colon)(?P<region>{re.escape(origin.region)}|\*|)(?P=colon)"
        rf"(?P<account>{re.escape(origin.account)}|\*|)(?P=colon)"
    )

    def moved(match: re.Match[str]) -> str:
        own_region = match["region"] == origin.region
        own_account = match["account"] == origin.account
        if not (own_region or own_account):
            return match[0]
        return match["colon"].join(
            (
                "arn",
                _AWS,
                match["service"],
                target.region if own_region else match["region"],
                target.account if own_account else match["account"],
                "",
            )
        )

    return lambda text: form.sub(moved, text)


def _policy(policy: Policy, move: Callable[[str], str]) -> Policy:
    """Return the policy moved; a text in which nothing moves stays as it was written."""
    try:
        document = json.loads(policy.document)
    except (ValueError, RecursionError):
        return policy
    moved = _moved(document, move)
    if moved == document:
        return policy
    return Policy(name=policy.name, document=json.dumps(moved))


def _group(group: Group, move: Callable[[str], str]) -> Group:
    return msgspec.structs.replace(
        group,
        role_arn=move(group.role_arn),
        definitions=tuple(_definition(one, move) for one in group.definitions),
    )


def _definition(definition: Definition, move: Callable[[str], str]) -> Definition:
    return msgspec.structs.replace(definition, content=_moved(definition.content, move))


def _moved(value: Any, move: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return move(value)
    if isinstance(value, list):
        return [_moved(one, move) for one in value]
    if isinstance(value, dict):
        return {key: _moved(one, move) for key, one in value.items()}
    return value
