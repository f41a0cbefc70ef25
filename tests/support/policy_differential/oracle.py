"""Puts many cases to the oracle, in one process of its own."""

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

from tests.support.policy_differential.cases import effect_by_oracle

_JUDGE: Final = Path(__file__).with_name("judge.cjs")
_SECONDS: Final = 50


class Simulated(Protocol):
    """What can be put to the oracle."""

    def simulation(self) -> str:
        """Return the case as the oracle reads it, on one line."""


def verdicts(folder: Path, cases: Sequence[Simulated]) -> list[str]:
    """Return what the oracle says of each case, in our words; a text otherwise if it failed."""
    judged = subprocess.run(
        ["node", str(_JUDGE), str(folder)],
        input="".join(case.simulation() + "\n" for case in cases),
        check=True,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=_SECONDS,
    )
    said = judged.stdout.splitlines()
    if len(said) != len(cases):
        raise AssertionError(f"{len(said)} verdicts on {len(cases)} cases: {judged.stderr[:500]}")
    return [effect_by_oracle(verdict) for verdict in said]
