"""The values in a template: parameters, references and functions put in place.

Source: CloudFormation User Guide, "Intrinsic function reference". What a template refers to and
nobody knows becomes `UNKNOWN`, with a finding that says which `--parameter` gives it.
"""

import base64
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from hedgerow.estate.values import Origin
from hedgerow.kernel import quoted

MAX_DEPTH: Final = 64
"""How deeply values are looked into; it bounds the stack for functions in functions."""

MAX_STEPS: Final = 2_000_000
MAX_MADE: Final = 64 * 1024 * 1024
"""Characters and parts that references may put in place: a small template can name a large text
again and again."""

_PSEUDO_NOTHING: Final = "AWS::NoValue"
_PREFIX: Final = "Fn::"
DYNAMIC: Final = "{{resolve:"
"""Begins what CloudFormation fetches from a store of parameters or secrets."""

_STORED: Final = "AWS::SSM::"
_LISTS: Final = ("CommaDelimitedList", "List<")
_SUFFIXES: Final = {"aws-cn": "amazonaws.com.cn"}
_INDEX: Final = re.compile(r"[0-9]{1,6}")


class Unknown:
    """A value that nobody knows."""

    def __repr__(self) -> str:
        return "UNKNOWN"


_NO_TEXT: Final = (Unknown, dict, list, type(None))
UNKNOWN: Final = Unknown()
NOTHING: Final = Unknown()
"""`AWS::NoValue`: the member is as if it were not written."""

Attributes = Callable[[str, str], Any]
"""What a resource (by logical id) has as attribute; the attribute `Ref` is what `Ref` gives."""


@dataclass
class Values:
    """Puts values in place. `missing` collects the names that nobody knows."""

    template: Mapping[str, Any]
    given: Mapping[str, str]
    origin: Origin
    attributes: Attributes
    stand_ins: Mapping[str, str] = field(default_factory=dict)
    """What parameters are until they are known: certificates, which files can still tell."""

    missing: dict[str, None] = field(default_factory=dict)
    malformed: dict[str, None] = field(default_factory=dict)
    """Sentences on what has no value, whatever a person gives."""

    _lacked: int = 0
    _depth: int = 0
    _steps: int = 0
    _made: int = 0
    _held: dict[str, bool] = field(default_factory=dict)
    _asked: set[str] = field(default_factory=set)

    def of(self, value: Any) -> Any:
        """Return a value with everything in it put in place."""
        self._steps += 1
        if self._depth > MAX_DEPTH or self._steps > MAX_STEPS or self._made > MAX_MADE:
            return self.fault("what refers to what is more than can be read")
        self._depth += 1
        try:
            return self._of(value)
        finally:
            self._depth -= 1

    def _of(self, value: Any) -> Any:
        if isinstance(value, list):
            found = [self.of(one) for one in value]
            return [one for one in found if one is not NOTHING]
        if isinstance(value, str) and DYNAMIC in value:
            return self.given[value] if value in self.given else self._lacks(value)
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            ((name, argument),) = value.items()
            function = _FUNCTIONS.get(name)
            if function is not None:
                return self._called(name, function, argument)
            if name.startswith(_PREFIX):
                return self.fault(f"{quoted(name)} is no function that is known")
        members = {key: self.of(one) for key, one in value.items()}
        return {key: one for key, one in members.items() if one is not NOTHING}

    def _called(self, name: str, function: "Callable[[Values, Any], Any]", argument: Any) -> Any:
        """Return what a function gives; one that is not written as it has to be is noted."""
        before = self._lacked
        found = function(self, argument)
        if found is UNKNOWN and self._lacked == before:
            self.fault(f"{name} of {quoted(str(argument))} is not written as it has to be")
        self.pay(_size(found))
        return found

    def pay(self, size: int) -> bool:
        """Count what is put in place, and tell whether there is room for it."""
        self._made += size
        return self._made <= MAX_MADE

    def fault(self, sentence: str) -> Unknown:
        """Note what makes a value unknown that nobody can give."""
        self._lacked += 1
        self.malformed[sentence] = None
        return UNKNOWN

    def holds(self, condition: Any) -> bool:
        """Tell whether a condition, by name or written out, holds."""
        if isinstance(condition, dict) and list(condition) == ["Condition"]:
            condition = condition["Condition"]
        if not isinstance(condition, str):
            return self.of(condition) is True
        if condition in self._asked:
            self.fault(f"the condition {quoted(condition)} refers to itself")
            return False
        if condition not in self._held:
            self._asked.add(condition)
            self._held[condition] = self._holds(condition)
            self._asked.remove(condition)
        return self._held[condition]

    def _holds(self, condition: str) -> bool:
        written = _section(self.template, "Conditions").get(condition)
        if not isinstance(written, dict):
            self.fault(f"there is no condition {quoted(condition)} that can be read")
            return False
        if self._depth > MAX_DEPTH:
            self.fault("what conditions refer to is more than can be read")
            return False
        self._depth += 1
        try:
            return self.holds(written)
        finally:
            self._depth -= 1

    def ref(self, name: Any) -> Any:
        """Return what `Ref` gives: a parameter, a pseudo parameter, or a resource's own id."""
        if not isinstance(name, str):
            return UNKNOWN
        pseudo = {
            "AWS::AccountId": self.origin.account,
            "AWS::Region": self.origin.region,
            "AWS::Partition": self.origin.partition,
            "AWS::URLSuffix": _SUFFIXES.get(self.origin.partition, "amazonaws.com"),
            _PSEUDO_NOTHING: NOTHING,
        }
        if name in pseudo:
            return pseudo[name]
        parameter = _section(self.template, "Parameters").get(name)
        if isinstance(parameter, dict):
            return self._parameter(name, parameter)
        return self.attribute(name, "Ref")

    def imported(self, name: str) -> Any:
        """Return what another stack exports, which only a person can say."""
        return self.given[name] if name in self.given else self._lacks(name)

    def attribute(self, resource: str, name: str) -> Any:
        """Return what `Fn::GetAtt` gives."""
        written = resource if name == "Ref" else f"{resource}.{name}"
        if written in self.given:
            return self.given[written]
        found = self.attributes(resource, name)
        return self._lacks(written) if found is UNKNOWN else found

    def _parameter(self, name: str, parameter: Mapping[str, Any]) -> Any:
        """Return a parameter's default; that of one from a parameter store is a name there."""
        kind = str(parameter.get("Type"))
        value = self.given.get(name, None if kind.startswith(_STORED) else parameter.get("Default"))
        if value is None or isinstance(value, dict | list):
            return self.stand_ins[name] if name in self.stand_ins else self._lacks(name)
        if kind.rpartition("::Value<")[2].startswith(_LISTS):
            return [one.strip() for one in text_of(value).split(",")]
        return text_of(value)

    def _lacks(self, name: str) -> Unknown:
        self._lacked += 1
        self.missing[name] = None
        return UNKNOWN


def _size(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + sum(len(key) + _size(one) for key, one in value.items())
    if isinstance(value, list):
        return 1 + sum(_size(one) for one in value)
    return len(value) if isinstance(value, str) else 1


def known(value: Any) -> Any:
    """Return a value without what is unknown in it."""
    if isinstance(value, list):
        return [known(one) for one in value if not isinstance(one, Unknown)]
    if isinstance(value, dict):
        return {key: known(one) for key, one in value.items() if not isinstance(one, Unknown)}
    return value


def _section(template: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    section = template.get(name)
    return section if isinstance(section, dict) else {}


def _texts(values: Values, argument: Any) -> list[str] | None:
    """Return a list of texts, None if one of them is not known."""
    found = values.of(argument)
    if not isinstance(found, list) or any(isinstance(one, _NO_TEXT) for one in found):
        return None
    return [text_of(one) for one in found]


def text_of(value: Any) -> str:
    """Return a value as a template writes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _join(values: Values, argument: Any) -> Any:
    if not (isinstance(argument, list) and len(argument) == 2):  # noqa: PLR2004 - its two parts
        return UNKNOWN
    parts = _texts(values, argument[1])
    between = argument[0]
    if parts is None or not isinstance(between, str):
        return UNKNOWN
    if not values.pay(len(between) * len(parts) + sum(map(len, parts))):
        return UNKNOWN
    return between.join(parts)


def _sub(values: Values, argument: Any) -> Any:
    text, more = argument, {}
    if isinstance(argument, list) and len(argument) == 2:  # noqa: PLR2004 - its two parts
        text, more = argument[0], argument[1] if isinstance(argument[1], dict) else {}
    if not isinstance(text, str):
        return UNKNOWN
    pieces: list[str] = []
    rest = text
    while "${" in rest:
        before, _, rest = rest.partition("${")
        name, closed, rest = rest.partition("}")
        pieces.append(before)
        if not closed or name.startswith("!"):
            pieces.append("${" + name.removeprefix("!") + closed)
            continue
        value = values.of(more[name]) if name in more else _named(values, name)
        if isinstance(value, _NO_TEXT) or not values.pay(len(text_of(value)) + 1):
            return UNKNOWN
        pieces.append(text_of(value))
    return "".join((*pieces, rest))


def _named(values: Values, name: str) -> Any:
    resource, dot, attribute = name.partition(".")
    return values.attribute(resource, attribute) if dot else values.ref(name)


def _get_att(values: Values, argument: Any) -> Any:
    parts = argument.split(".", 1) if isinstance(argument, str) else argument
    if not (isinstance(parts, list) and len(parts) == 2):  # noqa: PLR2004 - its two parts
        return UNKNOWN
    return values.attribute(text_of(parts[0]), text_of(values.of(parts[1])))


def _select(values: Values, argument: Any) -> Any:
    found = values.of(argument)
    if isinstance(found, list) and len(found) == 2 and isinstance(found[1], list):  # noqa: PLR2004
        place = text_of(found[0])
        if _INDEX.fullmatch(place) and int(place) < len(found[1]):
            return found[1][int(place)]
    return UNKNOWN


def _split(values: Values, argument: Any) -> Any:
    found = _texts(values, argument)
    if found is None or len(found) != 2 or not found[0]:  # noqa: PLR2004 - its two parts
        return UNKNOWN
    return found[1].split(found[0])


def _find_in_map(values: Values, argument: Any) -> Any:
    place: Any = _section(values.template, "Mappings")
    for step in _texts(values, argument) or [""]:
        place = place.get(step) if isinstance(place, dict) else None
    return UNKNOWN if place is None else place


def _if(values: Values, argument: Any) -> Any:
    if not (isinstance(argument, list) and len(argument) == 3):  # noqa: PLR2004 - its three parts
        return UNKNOWN
    return values.of(argument[1] if values.holds(argument[0]) else argument[2])


def _equals(values: Values, argument: Any) -> Any:
    found = _texts(values, argument)
    return found is not None and len(found) == 2 and found[0] == found[1]  # noqa: PLR2004


def _conditions(values: Values, argument: Any) -> Sequence[bool]:
    return [values.holds(one) for one in argument] if isinstance(argument, list) else [False]


def _base64(values: Values, argument: Any) -> Any:
    found = values.of(argument)
    return base64.b64encode(found.encode()).decode() if isinstance(found, str) else UNKNOWN


def _import_value(values: Values, argument: Any) -> Any:
    return values.imported(text_of(values.of(argument)))


_FUNCTIONS: Final[Mapping[str, Callable[[Values, Any], Any]]] = {
    "Ref": lambda values, argument: values.ref(argument),
    "Fn::GetAtt": _get_att,
    "Fn::Join": _join,
    "Fn::Sub": _sub,
    "Fn::Select": _select,
    "Fn::Split": _split,
    "Fn::FindInMap": _find_in_map,
    "Fn::If": _if,
    "Fn::Equals": _equals,
    "Fn::And": lambda values, argument: all(_conditions(values, argument)),
    "Fn::Or": lambda values, argument: any(_conditions(values, argument)),
    "Fn::Not": lambda values, argument: not any(_conditions(values, argument)),
    "Fn::Base64": _base64,
    "Fn::ImportValue": _import_value,
}
FUNCTION_NAMES: Final = frozenset(_FUNCTIONS)
"""Names under which a single member of an object is no data."""


def reads_as_function(value: Mapping[str, Any]) -> bool:
    """Tell whether an object would be taken for a function."""
    return len(value) == 1 and any(
        name in FUNCTION_NAMES or name.startswith(_PREFIX) for name in value
    )
