"""Names of resources as templates that an operation's input fills in.

`{member}` is the input's member of that name (`outer.inner` for one inside), `{one|other}` the
first of them that is there, `{member=value}` has a default. `{member!arn}` may also be a whole
ARN, `{member!user}` (group, role, …) is the name of an IAM entity that is written with its path in
front and `{member!user-path}` that path alone, `{member!below}` is `/` and the member, or nothing
where it is not there, `{id!organization}` is an id of organizations, whose form says what it
names. `{region}`, `{account}` and `{caller}` (path and name of the user
who calls) are the caller's. A member that is a list makes one name of each.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

_SLOT: Final = re.compile(r"\{([^{}=]+)(?:=([^{}]*))?\}")
_OF_THE_CALLER: Final = frozenset({"region", "account", "caller"})
_PATH_ALONE: Final = "-path"
_BELOW: Final = "below"
ENTITY_KINDS: Final = frozenset({"user", "group", "role", "instance-profile", "server-certificate"})
_ORGANIZATION_KINDS: Final[Sequence[tuple[re.Pattern[str], str]]] = (
    (re.compile(r"\d{12}"), "account"),
    (re.compile(r"ou-.*"), "ou"),
    (re.compile(r"r-.*"), "root"),
    (re.compile(r"p-.*"), "policy"),
    (re.compile(r"h-.*"), "handshake"),
    (re.compile(r"rt-.*"), "transfer"),
)


@dataclass(frozen=True, slots=True)
class EntityName:
    """An IAM entity as an input names it: by its kind and its name without a path."""

    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Scope:
    """What a template takes from elsewhere than the input.

    `entities` has the names with their paths in front, as `/division/bob`; one that does not
    exist stands under the root path. `caller` is the calling user's, empty for other callers.
    `organization` is the account's organization's id.
    """

    region: str
    account: str
    caller: str = ""
    organization: str = "*"
    entities: Mapping[EntityName, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Member:
    """Where in the input to look, and what is found there: the form after the `!`."""

    path: tuple[str, ...]
    form: str

    @property
    def entity_kind(self) -> str | None:
        """The kind of IAM entity whose name this is, None if it is not one's."""
        kind = self.form.removesuffix(_PATH_ALONE)
        return kind if kind in ENTITY_KINDS else None


@dataclass(frozen=True, slots=True)
class _Slot:
    """What stands between braces: members to try in this order, and what else there is to take."""

    members: tuple[_Member, ...]
    default: str | None

    @property
    def of_the_caller(self) -> str | None:
        """The word that stands for something of the caller's, None for a member of the input."""
        word = self.members[0].path[0]
        return word if word in _OF_THE_CALLER else None


@dataclass(frozen=True, slots=True)
class _Filling:
    """What takes a slot's place; one that `may_be_whole` takes the place of all before it too."""

    text: str
    may_be_whole: bool = False

    def after(self, before: str) -> str:
        """Return the name so far with this behind it, or this alone if it is a whole ARN."""
        if self.may_be_whole and self.text.startswith("arn:"):
            return self.text
        return before + self.text


class Template:
    """A resource's name with slots, compiled once."""

    __slots__ = ("_parts", "_plain", "_prefixes", "members", "names_whole_arns", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self._parts = _parts(text)
        slots = [part for part in self._parts if isinstance(part, _Slot)]
        self.members = tuple(
            ".".join(member.path)
            for slot in slots
            if slot.of_the_caller is None
            for member in slot.members
        )
        self.names_whole_arns = isinstance(self._parts[0], _Slot) or any(
            member.form == "arn" for slot in slots for member in slot.members
        )
        """Whether the name of the account comes from the input, not from us."""
        self._plain = _plain_members(self._parts)
        self._prefixes: dict[tuple[str, str], str] = {}

    def __repr__(self) -> str:
        return f"Template({self.text!r})"

    @property
    def plain(self) -> bool:
        """Whether it takes nothing from the scope but region and account."""
        return self._plain is not None

    def entities(self, call_input: Mapping[str, Any]) -> Sequence[EntityName]:
        """Return the IAM entities whose paths have to be looked up before this is filled."""
        return [
            EntityName(kind, value)
            for part in self._parts
            if isinstance(part, _Slot)
            for member in part.members
            if (kind := member.entity_kind) is not None
            for value in _values(member, call_input) or ()
        ]

    def fill(self, call_input: Mapping[str, Any], scope: Scope) -> Sequence[str] | None:
        """Return the names of the resources; None if the input leaves open which one it is."""
        if self._plain is not None:
            values = tuple([call_input.get(member) for member in self._plain])
            if not all(type(value) is str for value in values):
                return self._fill(call_input, scope)
            return (self._prefix(scope) % values,)
        return self._fill(call_input, scope)

    def _prefix(self, scope: Scope) -> str:
        """Return the whole as a format, with all but the members filled in."""
        key = (scope.region, scope.account)
        known = self._prefixes.get(key)
        if known is None:
            if len(self._prefixes) >= _KNOWN_SCOPES:
                self._prefixes.clear()
            known = "".join(_formatted(part, scope) for part in self._parts)
            self._prefixes[key] = known
        return known

    def _fill(self, call_input: Mapping[str, Any], scope: Scope) -> Sequence[str] | None:
        names = [""]
        for part in self._parts:
            if isinstance(part, str):
                names = [name + part for name in names]
                continue
            fillings = _filled(part, call_input, scope)
            if not fillings:
                return None
            names = [filling.after(name) for name in names for filling in fillings]
        return names


_KNOWN_SCOPES: Final = 1024
"""How many accounts a template remembers its beginning for."""


def _parts(text: str) -> tuple[str | _Slot, ...]:
    parts: list[str | _Slot] = []
    end = 0
    for match in _SLOT.finditer(text):
        if match.start() > end:
            parts.append(text[end : match.start()])
        parts.append(_Slot(tuple(_member(text) for text in match[1].split("|")), match[2]))
        end = match.end()
    if end < len(text):
        parts.append(text[end:])
    return tuple(parts)


def _member(text: str) -> _Member:
    path, _, form = text.partition("!")
    return _Member(tuple(path.split(".")), form)


def _plain_members(parts: Sequence[str | _Slot]) -> tuple[str, ...] | None:
    """Return the members of a template that only puts strings in, None for any other."""
    members = []
    for part in parts:
        if isinstance(part, str):
            continue
        first = part.members[0]
        if part.of_the_caller in ("region", "account"):
            continue
        if len(part.members) > 1 or part.default is not None or first.form or len(first.path) > 1:
            return None
        if part.of_the_caller is not None:
            return None
        members.append(first.path[0])
    return tuple(members)


def _formatted(part: str | _Slot, scope: Scope) -> str:
    if isinstance(part, str):
        return part.replace("%", "%%")
    of_caller = {"region": scope.region, "account": scope.account}.get(part.of_the_caller or "")
    return "%s" if of_caller is None else of_caller


def _filled(slot: _Slot, call_input: Mapping[str, Any], scope: Scope) -> Sequence[_Filling]:
    """Return what stands in a slot: nothing if the input does not say."""
    if slot.of_the_caller is not None:
        of_caller = {"region": scope.region, "account": scope.account, "caller": scope.caller}
        known = of_caller[slot.of_the_caller]
        return (_Filling(known),) if known else ()
    for member in slot.members:
        values = _values(member, call_input)
        if values is not None:
            return [_formed(member, value, scope) for value in values]
    if slot.default is not None:
        return (_Filling(slot.default),)
    if slot.members[0].form == _BELOW:
        return (_Filling(""),)
    return (_Filling(scope.caller),) if slot.members[0].form == "user" and scope.caller else ()


def _formed(member: _Member, value: str, scope: Scope) -> _Filling:
    kind = member.entity_kind
    if kind is not None:
        named = scope.entities.get(EntityName(kind, value), f"/{value}")
        alone = member.form.endswith(_PATH_ALONE)
        return _Filling(named.removesuffix(value) if alone else named)
    if member.form == _BELOW:
        return _Filling(f"/{value}")
    if member.form == "organization":
        return _Filling(_organization_arn(value, scope))
    return _Filling(value, may_be_whole=member.form == "arn")


def _values(member: _Member, call_input: Mapping[str, Any]) -> Sequence[str] | None:
    value: Any = call_input
    for name in member.path:
        value = value.get(name) if isinstance(value, Mapping) else None
    if value is None:
        return None
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [str(each) for each in value]
    return (str(value),)


def _organization_arn(identifier: str, scope: Scope) -> str:
    """Return the ARN of what an id of organizations names."""
    if identifier.startswith("arn:"):
        return identifier
    kinds = (kind for form, kind in _ORGANIZATION_KINDS if form.fullmatch(identifier))
    kind = next(kinds, "*")
    return f"arn:aws:organizations::{scope.account}:{kind}/{scope.organization}/{identifier}"
