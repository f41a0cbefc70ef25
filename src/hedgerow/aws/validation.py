"""A model's constraints on input that has the right types: required, lengths, ranges, words.

Checks are compiled once per shape; where a shape has nothing to check, nothing is run. The
sentences are AWS's own, since people search for them.
"""

from collections.abc import Callable
from typing import Any

from botocore.model import Shape

from hedgerow.aws.errors import BrokenConstraintError
from hedgerow.aws.patterns import compile_pattern
from hedgerow.kernel import quoted

MAX_FAULTS = 20
Faults = list[str]
Check = Callable[[Any, str, Faults], None]
_WORD = "Member must "


class Checks:
    """Makes the check of a shape, once per shape."""

    def __init__(self) -> None:
        self._made: dict[str, Check | None] = {}

    def check(self, shape: Shape) -> Check | None:
        """Return what puts the faults of a value on a list, or None if there can be none."""
        if shape.name not in self._made:
            # A shape inside itself is checked by looking the finished check up, later.
            self._made[shape.name] = lambda value, place, faults: self._later(
                shape.name, value, place, faults
            )
            self._made[shape.name] = self._make(shape)
        return self._made[shape.name]

    def _later(self, name: str, value: Any, place: str, faults: Faults) -> None:
        check = self._made[name]
        if check is not None:
            check(value, place, faults)

    def _make(self, shape: Shape) -> Check | None:
        parts = [
            part
            for part in (_bounds(shape), _words(shape), _pattern(shape), self._inside(shape))
            if part is not None
        ]
        if not parts:
            return None
        if len(parts) == 1:
            return parts[0]

        def check(value: Any, place: str, faults: Faults) -> None:
            for part in parts:
                part(value, place, faults)

        return check

    def _inside(self, shape: Shape) -> Check | None:
        if shape.type_name == "structure":
            return None if shape.is_document_type else self._structure(shape)
        if shape.type_name == "list":
            return self._list(shape)
        return self._map(shape) if shape.type_name == "map" else None

    def _structure(self, shape: Shape) -> Check | None:
        required = [(name, lower_first(name)) for name in shape.required_members]
        made = ((name, self.check(member)) for name, member in shape.members.items())
        members = [(name, lower_first(name), check) for name, check in made if check is not None]
        union = shape.is_tagged_union
        if not (required or members or union):
            return None

        def check(value: Any, place: str, faults: Faults) -> None:
            for name, shown in required:
                if name not in value:
                    faults.append(_fault("null", f"{place}{shown}", "not be null"))
            for name, shown, inner in members:
                if name in value and len(faults) < MAX_FAULTS:
                    inner(value[name], f"{place}{shown}", faults)
            if union and len(value) != 1:
                faults.append(_fault("***", place or "input", "have exactly one of its fields set"))

        return _dotted(check)

    def _list(self, shape: Shape) -> Check | None:
        inner = self.check(shape.member)
        if inner is None:
            return None

        def check(value: Any, place: str, faults: Faults) -> None:
            for number, item in enumerate(value, 1):
                if len(faults) >= MAX_FAULTS:
                    return
                inner(item, f"{place}.{number}.member", faults)

        return check

    def _map(self, shape: Shape) -> Check | None:
        key_check, value_check = self.check(shape.key), self.check(shape.value)
        if key_check is None and value_check is None:
            return None

        def check(value: Any, place: str, faults: Faults) -> None:
            for key, item in value.items():
                if len(faults) >= MAX_FAULTS:
                    return
                if key_check is not None:
                    key_check(key, place, faults)
                if value_check is not None:
                    value_check(item, f"{place}.{quoted(key)[1:-1]}.member", faults)

        return check


def validate(check: Check | None, value: Any) -> None:
    """Run a check on an operation's input, or raise `BrokenConstraintError` with every fault."""
    if check is None:
        return
    faults: Faults = []
    check(value, "", faults)
    if faults:
        count = len(faults)
        raise BrokenConstraintError(
            f"{count} validation error{'s' if count > 1 else ''} detected: {'; '.join(faults)}"
        )


def lower_first(name: str) -> str:
    """Return a member's name as AWS's messages have it: `thingName`."""
    return name[:1].lower() + name[1:]


def _dotted(check: Check) -> Check:
    def with_dot(value: Any, place: str, faults: Faults) -> None:
        check(value, f"{place}." if place else "", faults)

    return with_dot


def _fault(shown: str, place: str, constraint: str) -> str:
    return f"Value {shown} at '{place}' failed to satisfy constraint: {_WORD}{constraint}"


def _shown(shape: Shape, value: Any) -> str:
    if shape.metadata.get("sensitive") or shape.type_name == "blob":
        return "'***'"
    if shape.type_name in ("list", "map", "structure"):
        return f"of {len(value)} items"
    return quoted(str(value))


def _bounds(shape: Shape) -> Check | None:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if low is None and high is None:
        return None
    counted = shape.type_name in ("string", "list", "map", "blob")
    measured = "length" if counted else "value"

    def check(value: Any, place: str, faults: Faults) -> None:
        size = len(value) if counted else value
        if low is not None and size < low:
            words = f"have {measured} greater than or equal to {low}"
            faults.append(_fault(_shown(shape, value), place, words))
        if high is not None and size > high:
            words = f"have {measured} less than or equal to {high}"
            faults.append(_fault(_shown(shape, value), place, words))

    return check


def _words(shape: Shape) -> Check | None:
    words = shape.metadata.get("enum")
    if not words:
        return None
    known = frozenset(words)

    def check(value: Any, place: str, faults: Faults) -> None:
        if value not in known:
            text = f"satisfy enum value set: [{', '.join(words)}]"
            faults.append(_fault(_shown(shape, value), place, text))

    return check


def _pattern(shape: Shape) -> Check | None:
    text = shape.metadata.get("pattern")
    pattern = compile_pattern(text) if text else None
    if pattern is None:
        return None
    high = shape.metadata.get("max")

    def check(value: Any, place: str, faults: Faults) -> None:
        if high is not None and len(value) > high:
            return  # said already, and the longer a text the more a pattern may cost
        if not pattern.matches(value):
            words = f"satisfy regular expression pattern: {text}"
            faults.append(_fault(_shown(shape, value), place, words))

    return check
