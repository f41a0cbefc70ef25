"""The one wildcard matcher: a pattern cut at its stars into segments of fixed length.

Each segment is looked for from where the one before it ended: no way back, no regular
expression, time in proportion to the subject whatever the pattern. What took the place of a
variable is plain text: a `*` in it matches a `*` only.
"""

from collections.abc import Sequence

from hedgerow.policy.tokens import Token, Wildcard


class Segment:
    """Text of fixed length; at the offsets in `holes` any character will do."""

    __slots__ = ("_complete", "_everywhere", "_fitting", "holes", "length", "text")

    def __init__(self, text: str, holes: tuple[int, ...] = ()) -> None:
        self.text = text
        self.holes = holes
        self.length = len(text)
        self._fitting: dict[str, int] | None = None
        self._everywhere = 0
        self._complete = 0

    def fits(self, subject: str, at: int) -> bool:
        """Tell whether the subject has this segment exactly there."""
        if not self.holes:
            return subject.startswith(self.text, at)
        if len(subject) - at < self.length:
            return False
        start = 0
        for hole in self.holes:
            if hole > start and not subject.startswith(self.text[start:hole], at + start):
                return False
            start = hole + 1
        return subject.startswith(self.text[start:], at + start)

    def find(self, subject: str, start: int, end: int) -> int:
        """Return where the segment first occurs within `subject[start:end]`, or -1."""
        if not self.holes:
            return subject.find(self.text, start, end)
        if len(self.holes) == self.length:
            return start if end - start >= self.length else -1
        return self._find_with_holes(subject, start, end)

    def _find_with_holes(self, subject: str, start: int, end: int) -> int:
        """Search all alignments at once, one bit each (shift-and)."""
        if end - start < self.length:
            return -1
        fitting = self._fitting if self._fitting is not None else self._prepare()
        everywhere, complete = self._everywhere, self._complete
        alignments = 0
        for position in range(start, end):
            alignments = (alignments << 1 | 1) & fitting.get(subject[position], everywhere)
            if alignments & complete:
                return position - self.length + 1
        return -1

    def _prepare(self) -> dict[str, int]:
        everywhere = 0
        for hole in self.holes:
            everywhere |= 1 << hole
        fitting: dict[str, int] = {}
        for offset, character in enumerate(self.text):
            fitting[character] = fitting.get(character, everywhere) | 1 << offset
        self._everywhere, self._complete = everywhere, 1 << (self.length - 1)
        self._fitting = fitting
        return fitting


def cut(parts: Sequence[Token]) -> tuple[Segment, ...]:
    """Cut at the stars; stars in a row count as one. Variables must have been bound."""
    segments: list[Segment] = []
    text: list[str] = []
    length = 0
    holes: list[int] = []
    previous: Token | None = None
    for part in parts:
        if part is Wildcard.ANY:
            if previous is not Wildcard.ANY:
                segments.append(Segment("".join(text), tuple(holes)))
                text, holes, length = [], [], 0
        elif part is Wildcard.ONE:
            holes.append(length)
            text.append("?")
            length += 1
        elif isinstance(part, str):
            text.append(part)
            length += len(part)
        previous = part
    segments.append(Segment("".join(text), tuple(holes)))
    return tuple(segments)


def cut_text(text: str) -> tuple[Segment, ...]:
    """Cut a text in which `*` and `?` are wildcards and nothing else is special."""
    first, *others = text.split("*")
    if not others:
        return (_segment(first),)
    last = others.pop()
    return (_segment(first), *[_segment(one) for one in others if one], _segment(last))


def _segment(text: str) -> Segment:
    if "?" not in text:
        return Segment(text)
    return Segment(text, tuple([at for at, character in enumerate(text) if character == "?"]))


def least_length(segments: Sequence[Segment]) -> int:
    """Return how long a subject is at least that the segments match."""
    return sum(segment.length for segment in segments)


def match(segments: Sequence[Segment], subject: str, least: int) -> bool:
    """Match segments with a star between each two of them; `least` is their least length.

    INVARIANT: taking the first place a middle segment fits never loses a match, because the
    star after it can cover whatever a later place would have skipped.
    """
    first = segments[0]
    if len(segments) == 1:
        return len(subject) == first.length and first.fits(subject, 0)
    if len(subject) < least:
        return False
    last = segments[-1]
    position, end = first.length, len(subject) - last.length
    if not (first.fits(subject, 0) and last.fits(subject, end)):
        return False
    for segment in segments[1:-1]:
        found = segment.find(subject, position, end)
        if found < 0:
            return False
        position = found + segment.length
    return True
