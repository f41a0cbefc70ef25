"""The one wildcard matcher: `*` is any text, `?` any one character, everything else is itself.

A pattern is cut at its stars into segments of fixed length, and each segment is looked for from
where the one before it ended: no way back, no regular expression, time in proportion to the
subject whatever the pattern. What takes the place of a variable is always plain text: a `*` in
it matches a `*` only.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final


class Wildcard(Enum):
    """A character of a pattern that stands for others."""

    ANY = "*"
    ONE = "?"


@dataclass(frozen=True, slots=True)
class Variable:
    """A place that a value of the request takes; `name` is as in `variables`."""

    name: str


Token = str | Wildcard | Variable

_PLAIN: Final = {"*", "?", "$"}
_WILDCARDS: Final = {"*": Wildcard.ANY, "?": Wildcard.ONE}
_MQTT_WILDCARDS: Final = "+#"


class UnclosedVariableError(ValueError):
    """A `${` has no `}`."""


def tokens(text: str, *, wildcards: bool = True, variables: bool = True) -> Iterator[Token]:
    """Cut the text of a pattern into plain text, wildcards and variables.

    `${*}`, `${?}` and `${$}` are those characters themselves. Raises `UnclosedVariableError`.
    """
    plain = ""
    position = 0
    while position < len(text):
        character = text[position]
        token: Token
        if variables and text.startswith("${", position):
            end = text.find("}", position)
            if end < 0:
                raise UnclosedVariableError(text[position:])
            name = text[position + 2 : end]
            token = name if name in _PLAIN else Variable(name)
            position = end + 1
        else:
            token = _WILDCARDS.get(character, character) if wildcards else character
            position += 1
        if isinstance(token, str):
            plain += token
            continue
        if plain:
            yield plain
            plain = ""
        yield token
    if plain:
        yield plain


@dataclass(frozen=True, slots=True)
class Segment:
    """Text of fixed length; at the offsets in `holes` any character will do."""

    text: str
    holes: tuple[int, ...] = ()

    def fits(self, subject: str, at: int) -> bool:
        """Tell whether the subject has this segment exactly there."""
        if not self.holes:
            return subject.startswith(self.text, at)
        if len(subject) - at < len(self.text):
            return False
        start = 0
        for hole in (*self.holes, len(self.text)):
            if not subject.startswith(self.text[start:hole], at + start):
                return False
            start = hole + 1
        return True

    def find(self, subject: str, start: int, end: int) -> int:
        """Return where the segment first occurs within `subject[start:end]`, or -1."""
        if not self.holes:
            return subject.find(self.text, start, end)
        return self._find_with_holes(subject, start, end)

    def _find_with_holes(self, subject: str, start: int, end: int) -> int:
        """Search all alignments at once, one bit each (shift-and)."""
        everywhere = sum(1 << hole for hole in self.holes)
        fitting: dict[str, int] = {}
        for offset, character in enumerate(self.text):
            fitting[character] = fitting.get(character, everywhere) | 1 << offset
        complete = 1 << (len(self.text) - 1)
        alignments = 0
        for position in range(start, end):
            alignments = (alignments << 1 | 1) & fitting.get(subject[position], everywhere)
            if alignments & complete:
                return position - len(self.text) + 1
        return -1


class Pattern:
    """A compiled pattern; `source` is the text it was made from."""

    __slots__ = ("_exact", "_segments", "_tokens", "folded", "source", "variables")

    def __init__(self, source: str, parts: Sequence[Token], *, folded: bool = False) -> None:
        self.source = source
        self.folded = folded
        self.variables = tuple(part.name for part in parts if isinstance(part, Variable))
        self._tokens = tuple(
            part.lower() if folded and isinstance(part, str) else part for part in parts
        )
        self._segments = () if self.variables else _segments(self._tokens)
        self._exact = (
            self._segments[0].text
            if len(self._segments) == 1 and not self._segments[0].holes
            else None
        )

    def __repr__(self) -> str:
        return f"Pattern({self.source!r})"

    def matches(
        self, subject: str, values: Mapping[str, str], *, when_missing: bool = False
    ) -> bool:
        """Tell whether the pattern matches, with the variables' values put in.

        Where a variable has no value, the pattern matches nothing; with `when_missing`, it
        matches whatever it would match with some value.
        """
        if self.folded:
            subject = subject.lower()
        if self._exact is not None:
            return subject == self._exact
        if not self.variables:
            return _match(self._segments, subject)
        bound = self._bind(values, when_missing=when_missing)
        return bound is not None and _match(bound, subject)

    def without_value(self, values: Mapping[str, str]) -> tuple[str, ...]:
        """Return the names of the variables that have no value that may be put in."""
        return tuple(name for name in self.variables if _usable(values.get(name)) is None)

    def _bind(self, values: Mapping[str, str], *, when_missing: bool) -> tuple[Segment, ...] | None:
        bound: list[Token] = []
        for part in self._tokens:
            if not isinstance(part, Variable):
                bound.append(part)
                continue
            value = _usable(values.get(part.name))
            if value is not None:
                bound.append(value.lower() if self.folded else value)
            elif when_missing:
                bound.append(Wildcard.ANY)
            else:
                return None
        return _segments(bound)


def _usable(value: str | None) -> str | None:
    """Return the value unless it is an MQTT wildcard in disguise.

    A client chooses its own client id. If `+` could take the place of `${iot:ClientId}` in a
    topic filter, a client named `+` could listen to everybody.
    """
    if not value or any(character in value for character in _MQTT_WILDCARDS):
        return None
    return value


def _segments(parts: Sequence[Token]) -> tuple[Segment, ...]:
    """Cut at the stars; stars in a row count as one."""
    segments: list[Segment] = []
    text = ""
    holes: list[int] = []
    previous: Token | None = None
    for part in parts:
        if part is Wildcard.ANY:
            if previous is not Wildcard.ANY:
                segments.append(Segment(text, tuple(holes)))
                text, holes = "", []
        elif part is Wildcard.ONE:
            holes.append(len(text))
            text += "?"
        elif isinstance(part, str):
            text += part
        previous = part
    segments.append(Segment(text, tuple(holes)))
    return tuple(segments)


def _match(segments: Sequence[Segment], subject: str) -> bool:
    """Match segments with a star between each two of them.

    INVARIANT: taking the first place a middle segment fits never loses a match, because the
    star after it can cover whatever a later place would have skipped.
    """
    first, last = segments[0], segments[-1]
    if len(segments) == 1:
        return len(subject) == len(first.text) and first.fits(subject, 0)
    position, end = len(first.text), len(subject) - len(last.text)
    if end < position or not (first.fits(subject, 0) and last.fits(subject, end)):
        return False
    for segment in segments[1:-1]:
        found = segment.find(subject, position, end)
        if found < 0:
            return False
        position = found + len(segment.text)
    return True
