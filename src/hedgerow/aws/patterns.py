"""The models' regular expressions, made safe to run on what callers send.

They are Java's, so Unicode classes are spelt out. Python's matcher tries again on failure, which
can take time exponential in the input where repetitions are nested; such an expression is not
used at all (`compile_pattern` returns None, and a test lists those that this concerns: none of the
services that Hedgerow has). The rest take polynomial time, and long input is refused first.
"""

import re
import sys
import unicodedata
import warnings
from functools import cache, lru_cache
from re import _constants, _parser  # type: ignore[attr-defined]  # the only parser there is
from typing import Any

MAX_PATTERN_INPUT = 2048
_UNICODE_CLASS = re.compile(r"\\([pP])(?:\{(?:Is)?(\w+)\}|(\w))")
_POSIX = {
    "Graph": "\\x21-\\x7e",
    "Print": "\\x20-\\x7e",
    "Alpha": "a-zA-Z",
    "Alnum": "a-zA-Z0-9",
    "Digit": "0-9",
    "ASCII": "\\x00-\\x7f",
    "Cntrl": "\\x00-\\x1f\\x7f",
    "Upper": "A-Z",
    "Lower": "a-z",
    "Space": " \\t\\n\\x0b\\f\\r",
    "Punct": "\\x21-\\x2f\\x3a-\\x40\\x5b-\\x60\\x7b-\\x7e",
}
_REPEATS = (_constants.MAX_REPEAT, _constants.MIN_REPEAT)
_LOOKS = (_constants.ASSERT, _constants.ASSERT_NOT, _constants.GROUPREF)


class SafePattern:
    """An expression that a whole value must match. `linear` says that its length is no matter."""

    __slots__ = ("_expression", "linear")

    def __init__(self, expression: "re.Pattern[str]", *, linear: bool) -> None:
        self._expression = expression
        self.linear = linear

    def matches(self, text: str) -> bool:
        """Whether the whole text matches; too long a text does not."""
        if len(text) > MAX_PATTERN_INPUT and not self.linear:
            return False
        return self._expression.fullmatch(text) is not None


@lru_cache(maxsize=4096)
def compile_pattern(pattern: str) -> SafePattern | None:
    """Return the model's pattern ready for use, or None if it is not safe or not Python's."""
    try:
        # Java takes a hyphen next to a class such as \w for itself; Python wants it escaped.
        spelt = re.sub(r"(\\[wdsWDS])-(?=[^\]])", r"\1\\-", pattern)
        spelt = _UNICODE_CLASS.sub(_spell_class, spelt)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            tree = _parser.parse(spelt, re.ASCII)
            if not _is_safe(tree, inside_repeat=False):
                return None
            return SafePattern(re.compile(spelt, re.ASCII), linear=_repeats(tree) <= 1)
    except (re.error, OverflowError):
        return None


def _is_safe(tree: Any, *, inside_repeat: bool) -> bool:
    """Whether a repetition has one way only to match, and nothing looks around or back.

    What is repeated may hold no choice: no repetition of another length, no alternatives.
    """
    for operator, argument in tree:
        if operator in _LOOKS or (operator is _constants.BRANCH and inside_repeat):
            return False
        if operator in _REPEATS:
            low, high, inner = argument
            if inside_repeat and low != high:
                return False
            if not _is_safe(inner, inside_repeat=inside_repeat or high - low > 1):
                return False
        elif not all(_is_safe(part, inside_repeat=inside_repeat) for part in _parts(argument)):
            return False
    return True


def _repeats(tree: Any) -> int:
    """Count the repetitions: with one only, matching takes time linear in the input."""
    count = 0
    for operator, argument in tree:
        if operator in _REPEATS:
            count += 1 + _repeats(argument[2])
        else:
            count += sum(_repeats(part) for part in _parts(argument))
    return count


def _parts(argument: Any) -> list[Any]:
    """Return the expressions inside an operator's argument: of a group, of alternatives."""
    if isinstance(argument, _parser.SubPattern):
        return [argument]
    if isinstance(argument, tuple | list):
        return [part for inner in argument for part in _parts(inner)]
    return []


def _spell_class(found: "re.Match[str]") -> str:
    name = found[2] or found[3]
    inside = _POSIX.get(name) or _category_ranges(name)
    before = found.string[: found.start()]
    in_brackets = before.count("[") - before.count("\\[") > before.count("]") - before.count("\\]")
    if found[1] == "P":
        if in_brackets:
            raise re.error("a negated class in brackets")
        return f"[^{inside}]"
    return inside if in_brackets else f"[{inside}]"


@cache
def _categories() -> dict[str, list[tuple[int, int]]]:
    """Return the ranges of every Unicode category, in one pass over all characters."""
    ranges: dict[str, list[tuple[int, int]]] = {}
    start, current = 0, unicodedata.category("\0")
    for point in range(1, sys.maxunicode + 1):
        category = unicodedata.category(chr(point))
        if category != current:
            ranges.setdefault(current, []).append((start, point - 1))
            start, current = point, category
    ranges.setdefault(current, []).append((start, sys.maxunicode))
    return ranges


def _category_ranges(name: str) -> str:
    chosen = [
        span
        for category, spans in _categories().items()
        if category.startswith(name)
        for span in spans
    ]
    if not chosen:
        raise re.error(f"no such class: {name}")
    return "".join(f"\\U{low:08x}-\\U{high:08x}" for low, high in chosen)
