"""The command."""

import argparse
import asyncio
import itertools
import random
import secrets
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from bench.deployment_faults import RUNS
from bench.deployment_faults.faults import KINDS
from bench.deployment_faults.judge import Ledger
from bench.deployment_faults.story import Report, Story
from bench.deployment_faults.world import world


async def play(
    folder: Path, numbers: Iterator[int], seed: int, only: str | None, reports: list[Report]
) -> None:
    """Play runs in one world, as long as there are numbers left; in a new one if it is spoiled."""
    for life in itertools.count():
        async with world(folder / str(life), seed) as made:
            ledger = Ledger()
            for number in numbers:
                chance = random.Random(f"{seed} {number}")  # noqa: S311 - which fault, and where
                story = Story(made, ledger, number, chance)
                report = await story.play(only)
                reports.append(report)
                for wrong in report.wrong:
                    print(_line(report, wrong), file=sys.stderr, flush=True)
                if story.is_spoiled:
                    break
            else:
                return


async def play_all(
    folder: Path, runs: int, seed: int, worlds: int, only: str | None
) -> list[Report]:
    """Play runs in several worlds at once, each taking the next number."""
    numbers, reports = iter(range(runs)), list[Report]()
    async with asyncio.TaskGroup() as tasks:
        for which in range(worlds):
            tasks.create_task(play(folder / f"world-{which}", numbers, seed, only, reports))
    return reports


def main(words: Sequence[str]) -> int:
    """Return 0 if nothing was wrong in any run."""
    parser = argparse.ArgumentParser(prog="python -m bench.deployment_faults")
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--worlds", type=int, default=2)
    parser.add_argument("--fault", choices=KINDS, default=None, help="only this one")
    parser.add_argument("--folder", type=Path, default=None, help="where to make new folders")
    parser.add_argument("--json", action="store_true", help="print the reports as JSON")
    asked = parser.parse_args(words)
    seed = secrets.randbits(32) if asked.seed is None else asked.seed
    with tempfile.TemporaryDirectory(dir=asked.folder, prefix="faults-") as folder:
        reports = asyncio.run(play_all(Path(folder), asked.runs, seed, asked.worlds, asked.fault))
    if asked.json:
        print(msgspec.json.encode(reports).decode())
    else:
        print("\n".join(_table(reports, seed)))
    return 1 if any(report.wrong for report in reports) else 0


def _table(reports: Sequence[Report], seed: int) -> Iterator[str]:
    yield f"{'fault':20} {'runs':>5} {'struck':>6} {'success':>7} {'failure':>7} {'wrong':>5}"
    for name in KINDS:
        of_this = [report for report in reports if report.fault.name == name]
        if of_this:
            ends = Counter(report.status for report in of_this)
            struck = sum(report.struck for report in of_this)
            wrong = sum(bool(report.wrong) for report in of_this)
            yield (
                f"{name:20} {len(of_this):5} {struck:6} {ends['Success']:7} {ends['Failure']:7} "
                f"{wrong:5}"
            )
    seconds = sum(report.seconds for report in reports)
    wrong = sum(bool(report.wrong) for report in reports)
    yield f"{len(reports)} runs, {wrong} wrong; seed {seed}; {seconds:.0f} s of runs"


def _line(report: Report, wrong: str) -> str:
    fault = report.fault
    return (
        f"run {report.number} ({report.operation}, {fault.name}, step {fault.step}, "
        f"{fault.seconds:.3f} s): {wrong}"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
