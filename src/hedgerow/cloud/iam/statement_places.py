"""Where the statements of a policy stand in its text, by line and column. Pure."""

from dataclasses import dataclass
from json import JSONDecoder

_DECODER = JSONDecoder()
_SPACE = " \t\r\n"


@dataclass(frozen=True, slots=True)
class Place:
    """From the first character to the one after the last; lines and columns begin with 1."""

    start_line: int
    start_column: int
    end_line: int
    end_column: int


def statement_places(text: str) -> tuple[Place, ...]:
    """Return the place of each statement of a text that `parse_policy` has understood."""
    at = _after(text, text.index("{") + 1)
    while text[at] != "}":
        name, at = _DECODER.raw_decode(text, at)
        at = _after(text, _after(text, at) + 1)
        if name == "Statement":
            return tuple(_place(text, start, end) for start, end in _spans(text, at))
        _, at = _DECODER.raw_decode(text, at)
        at = _past_comma(text, at)
    return ()


def _spans(text: str, at: int) -> list[tuple[int, int]]:
    if text[at] != "[":
        _, end = _DECODER.raw_decode(text, at)
        return [(at, end)]
    spans: list[tuple[int, int]] = []
    at = _after(text, at + 1)
    while text[at] != "]":
        _, end = _DECODER.raw_decode(text, at)
        spans.append((at, end))
        at = _past_comma(text, end)
    return spans


def _past_comma(text: str, at: int) -> int:
    at = _after(text, at)
    return _after(text, at + 1) if text[at] == "," else at


def _after(text: str, at: int) -> int:
    """Return the next position that is not white space."""
    while text[at] in _SPACE:
        at += 1
    return at


def _place(text: str, start: int, end: int) -> Place:
    return Place(*_line_and_column(text, start), *_line_and_column(text, end))


def _line_and_column(text: str, at: int) -> tuple[int, int]:
    return text.count("\n", 0, at) + 1, at - (text.rfind("\n", 0, at) + 1) + 1
