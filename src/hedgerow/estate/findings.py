"""What is said of an estate before anything is written, one sentence each, with its place.

The codes are stable: people filter by them, and `docs/import.md` lists them.
"""

from typing import Literal

import msgspec

Weight = Literal["maps", "changes", "unsafe", "blocks"]
"""`maps`: taken over as it is. `changes`: something is not as it was. `unsafe`: taken over, and
something to mend. `blocks`: nothing is written while this stands."""

WEIGHTS: tuple[Weight, ...] = ("blocks", "unsafe", "changes", "maps")
"""From what has to be read first to what need not be read."""


class Finding(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One thing to know: its weight, a code, where it is (a file, a thing, an ARN), a sentence."""

    weight: Weight
    code: str
    place: str
    message: str


def blocks(code: str, place: str, message: str) -> Finding:
    """Return a finding that nothing is written with."""
    return Finding(weight="blocks", code=code, place=place, message=message)


def unsafe(code: str, place: str, message: str) -> Finding:
    """Return a finding of something to mend."""
    return Finding(weight="unsafe", code=code, place=place, message=message)


def changes(code: str, place: str, message: str) -> Finding:
    """Return a finding of something that is not as it was."""
    return Finding(weight="changes", code=code, place=place, message=message)


def maps(code: str, place: str, message: str) -> Finding:
    """Return a finding of something that is taken over as it is."""
    return Finding(weight="maps", code=code, place=place, message=message)
