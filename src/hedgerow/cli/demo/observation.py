"""What a step of the demonstration expected, and what it saw."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Observation:
    """One line of the closing table."""

    title: str
    expected: str
    observed: str
    ok: bool
