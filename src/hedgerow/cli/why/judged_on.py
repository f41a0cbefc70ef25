"""Which resources an action can be judged on: the forms that the table of permissions gives them.

A policy can allow an action on a name that no call is ever judged on; that helps nobody.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from hedgerow.cloud.access import Target, operations_of
from hedgerow.cloud.access.templates import ENTITY_KINDS

_SLOT: Final = re.compile(r"\{([^}]+)\}")
_ONE_NAME: Final = "[^/]+"
_ANY_NAME: Final = ".+"
_WITH_SLASHES: Final = frozenset({"topic"})
"""Members whose names can have a slash in them."""
_FLAT_SERVICES: Final = ("arn:aws:greengrass:", "arn:aws:iot:")
"""Services whose names have no slash in them; IAM's have paths, and others are free."""
_OF_THE_CALLER: Final[Mapping[str, str]] = {"region": "[^:]*", "account": "[^:]*"}
_WHOLE: Final[Sequence[tuple[re.Pattern[str], str]]] = (
    (re.compile(r"[rR]ole(Arn)?$"), "arn:aws:iam::[^:]*:role/.+"),
    (re.compile(r"PolicyArn$"), "arn:aws:iam::[^:]*:policy/.+"),
    (
        re.compile(r"[rR]esourceArn$"),
        "arn:aws:(?:greengrass:[^:]*:[^:]*:/greengrass/.+|(?!greengrass:).+)",
    ),
)
"""Members that are a whole ARN: how they end, and what such an ARN looks like."""
_ANY_ARN: Final = "arn:.+"
_CALLER: Final = "caller"


@dataclass(frozen=True, slots=True)
class Form:
    """The form of a resource's name, compiled once."""

    target: Target
    _pattern: re.Pattern[str]

    @classmethod
    def of(cls, target: Target) -> "Form":
        """Return the form that a target of the table gives to names."""
        return cls(target, re.compile(_expression(target.name.text)))

    def fits(self, resource: str) -> bool:
        """Tell whether a call can be judged on this name."""
        return self._pattern.fullmatch(resource) is not None

    def within(self, resource: str) -> str | None:
        """Return what of a longer name a call can be judged on, None if it begins otherwise."""
        found = self._pattern.match(resource)
        return None if found is None else found[0]

    def carrier(self, resource: str) -> str | None:
        """Return what carries the tags of a resource of this form; None if nothing does."""
        if self.target.tagged is None or not self.fits(resource):
            return None
        return Form.of(Target(self.target.tagged)).within(resource)

    def with_name(self, name: str, known: Mapping[str, str]) -> str | None:
        """Return the resource of this name, None if the form asks for several names."""
        text = self.target.name.text
        members = [slot for slot in _SLOT.findall(text) if slot not in known]
        if len(members) != 1 or not text.startswith("arn:"):
            return None
        slash = "" if f"/{{{members[0]}}}" in text else "/"
        filled = _SLOT.sub(lambda slot: known.get(slot[1], slash + name), text)
        return filled if self.fits(filled) else None


def forms_of(action: str) -> tuple[Form, ...]:
    """Return every form of resource that calls which need this action are judged on."""
    wanted = action.lower()
    targets = [
        target
        for _, row in operations_of(action)
        for need in row.needs
        if need.action.lower() == wanted
        for target in need.targets
    ]
    return tuple({target.name.text: Form.of(target) for target in targets}.values())


def meant(forms: Sequence[Form], resource: str, known: Mapping[str, str]) -> str | None:
    """Return the one resource that was probably meant by a name that is never asked for."""
    candidates = list(dict.fromkeys(_candidates(forms, resource, known)))
    return candidates[0] if candidates else None


def _candidates(forms: Sequence[Form], resource: str, known: Mapping[str, str]) -> Iterator[str]:
    for form in forms:
        within = form.within(resource)
        if within is not None:
            yield within
    last = resource.rpartition(":")[2].rpartition("/")[2]
    for form in forms:
        named = form.with_name(last, known)
        if named is not None:
            yield named


def _expression(template: str) -> str:
    """Return the regular expression of a template's names."""
    whole = _SLOT.fullmatch(template)
    if whole is not None:
        return _of_whole(whole[1])
    flat = template.startswith(_FLAT_SERVICES)
    parts, end = [], 0
    for slot in _SLOT.finditer(template):
        parts += [_literal(template[end : slot.start()]), _of_slot(slot[1], flat=flat)]
        end = slot.end()
    return "".join((*parts, _literal(template[end:])))


def _literal(text: str) -> str:
    return ".*".join(re.escape(part) for part in text.split("*"))


def _of_whole(member: str) -> str:
    return next((arn for ends, arn in _WHOLE if ends.search(member)), _ANY_ARN)


def _of_slot(slot: str, *, flat: bool) -> str:
    if slot in _OF_THE_CALLER:
        return _OF_THE_CALLER[slot]
    member, _, default = slot.partition("=")
    if default == "/" or member.endswith("-path"):
        return "/(?:.+/)?"
    if member == _CALLER or member.partition("!")[2] in ENTITY_KINDS:
        return "/.+"
    return _ONE_NAME if flat and member not in _WITH_SLASHES else _ANY_NAME
