"""The Condition field of a statement, read.

Sources: IAM User Guide, "Condition operators", "Multivalued context keys" and "AWS global
condition context keys"; a policy variable may stand in values of text and ARN operators only.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final

from hedgerow.kernel import quoted
from hedgerow.policy.comparisons import (
    BytesTest,
    MomentTest,
    NetworkTest,
    NumberTest,
    moment,
    network,
    number,
    octets,
)
from hedgerow.policy.conditions import Condition, Value
from hedgerow.policy.errors import MalformedPolicyError
from hedgerow.policy.fields import require_object, require_text
from hedgerow.policy.operators import IF_EXISTS, OPERATORS, SETS, Kind, Operator
from hedgerow.policy.parse_patterns import ARN_PARTS, arn_parts, read_pattern
from hedgerow.policy.patterns import Pattern, Reading, make_pattern
from hedgerow.policy.variables import CONNECT_ATTRIBUTES, condition_key

_REMEMBERED: Final = 512
_REMEMBERED_LENGTH: Final = 256
_REMEMBERED_VALUES: Final = 8
_NO_SET: Final = "one"
_TRUTH: Final = Reading(wildcards=False, folded=True)


def read_conditions(given: Any, *, device: bool, variables: bool) -> tuple[Condition, ...]:
    """Return the conditions; places in errors begin with `.Condition`."""
    conditions: list[Condition] = []
    blocks = require_object(given, ".Condition", "a condition block is a JSON object")
    for name, block in blocks.items():
        reader = _reader_of(name, device=device, variables=variables)
        keys = require_object(block, reader.place, "an operator takes a JSON object")
        if not keys:
            raise MalformedPolicyError(reader.place, "it names no key to compare")
        for key, values in keys.items():
            common = _as_common(values)
            if common is None:
                conditions.append(reader.condition(key, values))
            else:
                conditions.append(_common(reader, key, common))
    return tuple(conditions)


class _Reader:
    """Reads the conditions of one operator."""

    def __init__(self, name: str, *, device: bool, variables: bool) -> None:
        self.place = f".Condition.{name}"
        self._name = name
        self._device = device
        chosen, colon, rest = name.partition(":")
        self._each = SETS.get(chosen, _NO_SET) if colon else _NO_SET
        plain = rest if colon else name
        self._if_exists = plain.endswith(IF_EXISTS)
        self._operator = self._known(plain.removesuffix(IF_EXISTS), in_set=bool(colon))
        self._reading = Reading(
            wildcards=self._operator.wildcards,
            variables=variables,
            folded=self._operator.folded,
            arn=self._operator.kind == "arn",
            device=device,
        )

    def condition(self, shown: str, given: Any) -> Condition:
        """Read one key with its values."""
        place = f"{self.place}.{shown}"
        shown = self._key(shown)
        listed = given if isinstance(given, list) else [given]
        if not listed:
            raise MalformedPolicyError(place, "it has no value to compare with")
        read = _READERS[self._operator.kind]
        values = tuple([read(self, one, place) for one in listed])
        return Condition(
            name=self._name,
            operator=self._operator,
            key=shown.lower(),
            shown=shown,
            values=values,
            if_exists=self._if_exists,
            each=self._each,  # type: ignore[arg-type]  # SETS has nothing else
            device=self._device,
            plain=None if self._operator.folded else _plain(values),
        )

    def _known(self, plain: str, *, in_set: bool) -> Operator:
        operator = OPERATORS.get(plain)
        if operator is None or (in_set and self._each == _NO_SET):
            known = ", ".join(OPERATORS)
            raise MalformedPolicyError(
                ".Condition",
                f"{quoted(self._name)} is not an operator that can be judged here; use {known}",
            )
        if operator.kind == "presence" and (in_set or self._if_exists):
            raise MalformedPolicyError(
                ".Condition", f"{quoted(self._name)} has no meaning: Null asks whether a key exists"
            )
        return operator

    def _key(self, shown: str) -> str:
        if self._device:
            known = condition_key(shown)
            if known is None:
                raise MalformedPolicyError(
                    self.place,
                    f"{quoted(shown)} is not a key that is known here, so it could never be judged",
                )
            if (known == CONNECT_ATTRIBUTES) is (self._each == _NO_SET):
                raise MalformedPolicyError(
                    self.place,
                    f"ForAllValues and ForAnyValue are for {CONNECT_ATTRIBUTES}, which has several "
                    f"values, and for no other key; {quoted(shown)} is compared here",
                )
            return known
        service, colon, name = shown.partition(":")
        if not (service and colon and name):
            raise MalformedPolicyError(
                self.place, f"{quoted(shown)} is not a condition key; the form is aws:SourceIp"
            )
        return shown

    def text(self, given: Any, place: str) -> Value:
        """Read a value that is compared as text, or as an ARN; IAM takes 7 and true as well."""
        plain = not self._device and isinstance(given, int)
        text = str(given).lower() if plain else require_text(given, place)
        arn = self._operator.kind == "arn"
        read = read_pattern(text, place, self._reading)
        if arn and text != "*" and not _is_arn(text):
            raise MalformedPolicyError(
                place,
                f"{quoted(text)} is not an ARN; write all six parts, as in "
                "arn:aws:greengrass:*:123456789012:*",
            )
        return read

    def truth(self, given: Any, place: str) -> Value:
        """Read true or false."""
        text = str(given).lower() if isinstance(given, bool) else require_text(given, place)
        if text.lower() not in ("true", "false"):
            raise MalformedPolicyError(place, f"{quoted(text)} is neither true nor false")
        return make_pattern(text, _TRUTH)

    def number(self, given: Any, place: str) -> Value:
        """Read a number."""
        is_number = isinstance(given, int | float) and not isinstance(given, bool)
        text = str(given) if is_number else require_text(given, place)
        value = number(text)
        if value is None:
            raise MalformedPolicyError(place, f"{quoted(text)} is not a number")
        return NumberTest(text, self._operator.relation, value)

    def moment(self, given: Any, place: str) -> Value:
        """Read a moment."""
        is_number = isinstance(given, int) and not isinstance(given, bool)
        text = str(given) if is_number else require_text(given, place)
        value = moment(text)
        if value is None:
            raise MalformedPolicyError(
                place,
                f"{quoted(text)} is not a date; write 2026-01-31T10:00:00Z or seconds since 1970",
            )
        return MomentTest(text, self._operator.relation, value)

    def network(self, given: Any, place: str) -> Value:
        """Read a network."""
        text = require_text(given, place)
        value = network(text)
        if value is None:
            raise MalformedPolicyError(
                place, f"{quoted(text)} is neither an address nor a network such as 203.0.113.0/24"
            )
        return NetworkTest(text, value)

    def octets(self, given: Any, place: str) -> Value:
        """Read bytes in base 64."""
        text = require_text(given, place)
        value = octets(text)
        if value is None:
            raise MalformedPolicyError(place, f"{quoted(text)} is not base 64")
        return BytesTest(text, value)


@lru_cache(_REMEMBERED)
def _reader_of(name: str, *, device: bool, variables: bool) -> _Reader:
    return _Reader(name, device=device, variables=variables)


@lru_cache(_REMEMBERED)
def _common(reader: _Reader, key: str, values: tuple[str, ...]) -> Condition:
    """Return a condition with a few short texts; the same ones stand in most policies."""
    return reader.condition(key, list(values))


def _as_common(values: Any) -> tuple[str, ...] | None:
    """Return the values if they are a few short texts, None for anything else."""
    if values.__class__ is str:
        return (values,) if len(values) <= _REMEMBERED_LENGTH else None
    if (
        values.__class__ is list
        and 0 < len(values) <= _REMEMBERED_VALUES
        and set(map(type, values)) == {str}
        and max(map(len, values)) <= _REMEMBERED_LENGTH
    ):
        return tuple(values)
    return None


_READERS: Final[Mapping[Kind, Callable[[_Reader, Any, str], Value]]] = {
    "text": _Reader.text,
    "arn": _Reader.text,
    "number": _Reader.number,
    "moment": _Reader.moment,
    "truth": _Reader.truth,
    "presence": _Reader.truth,
    "network": _Reader.network,
    "bytes": _Reader.octets,
}


def _plain(values: tuple[Value, ...]) -> frozenset[str] | None:
    """Return all values as texts, None if one is more than that."""
    texts: list[str] = []
    for value in values:
        if not isinstance(value, Pattern) or value.exact is None:
            return None
        texts.append(value.exact)
    return frozenset(texts)


def _is_arn(text: str) -> bool:
    """Tell whether a text has the parts of an ARN; a variable may be all of one."""
    parts = arn_parts(text)
    if len(parts) == 1 and text.startswith("${") and text.endswith("}"):
        return True
    return len(parts) == ARN_PARTS and parts[0] == "arn"
