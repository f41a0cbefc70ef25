"""One thing that was looked at."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, what was found, and what to do if it is not good.

    `optional` says what works without it: nothing else depends on it.
    """

    subject: str
    ok: bool
    found: str
    advice: str = ""
    optional: bool = False
