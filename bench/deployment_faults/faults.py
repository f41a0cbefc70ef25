"""Which faults there are, as a table, and how one is drawn."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

import msgspec

Ends = Literal["Success", "Failure", "either"]
DAY_S: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of fault.

    `side` is who is told to have it; `steps` is how many steps there may be before it strikes, and
    `ends` how the deployment has to end if it struck. Without `side` the world does it.
    """

    ends: Ends
    side: Literal["core", "cloud", ""] = ""
    steps: int = 0
    weight: int = 2


KINDS: Final[Mapping[str, Kind]] = {
    "none": Kind("Success"),
    "core-killed": Kind("Success", "core", steps=28, weight=12),
    "core-killed-late": Kind("Success", weight=3),
    "core-killed-twice": Kind("either", "core", steps=28, weight=5),
    "core-stopped": Kind("Success", weight=2),
    "core-off": Kind("Success", weight=3),
    "core-disk-full": Kind("either", "core", steps=26, weight=8),
    "core-disk-small": Kind("either", steps=64, weight=8),
    "core-disk-error": Kind("either", "core", steps=28, weight=6),
    "core-clock-ahead": Kind("either"),
    "core-clock-behind": Kind("either"),
    "cloud-killed": Kind("Success", "cloud", steps=12, weight=10),
    "cloud-killed-late": Kind("Success", weight=3),
    "cloud-disk-full": Kind("either", "cloud", steps=6, weight=6),
    "bad-signature": Kind("Failure", "cloud"),
    "changed-group": Kind("Failure", "cloud"),
    "changed-membership": Kind("Failure", "cloud"),
    "missing-group": Kind("Failure", "cloud"),
    "short-group": Kind("Failure", "cloud"),
    "older-manifest": Kind("Failure", "cloud"),
    "link-cut": Kind("Success", weight=5),
    "link-dark": Kind("Success", weight=2),
    "both-killed": Kind("Success", weight=4),
}


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """One fault: it strikes at the so manieth step from when it is armed, or after some time.

    Of a small disk `step` is how many KiB of it are free.
    """

    name: str = "none"
    step: int = 0
    seconds: float = 0.0
    older: str = ""
    """A deployment whose manifest is given out instead of the right one."""

    @property
    def kind(self) -> Kind:
        """The row of the table."""
        return KINDS[self.name]


def drawn(chance: random.Random, only: str | None = None, *, is_small: bool) -> Fault:
    """Return a fault; that of a small disk only where there is one."""
    names = [name for name in KINDS if is_small or name != "core-disk-small"]
    name = only or chance.choices(names, [KINDS[each].weight for each in names])[0]
    steps = KINDS[name].steps
    return Fault(
        name=name,
        step=chance.randint(1, steps) if steps else 0,
        seconds=chance.random() ** 2 * 0.4,
    )
