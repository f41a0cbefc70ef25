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
from bench.deployment_faults.probe import Guest
from bench.deployment_faults.small_disk import go_inside
from bench.deployment_faults.story import Report, Story
from bench.deployment_faults.world import world


async def play(
    folder: Path,
    numbers: Iterator[int],
    seed: int,
    reports: list[Report],
    *,
    only: str | None,
    is_small: bool,
) -> None:
    """Play runs in one world, as long as there are numbers left; in a new one if it is spoiled."""
    for life in itertools.count():
        async with (
            world(folder / str(life), seed, is_small=is_small) as made,
            Guest(made) as guest,
        ):
            ledger = Ledger()
            for number in numbers:
                chance = random.Random(f"{seed} {number}")  # noqa: S311 - which fault, and where
                story = Story(made, ledger, number, chance, guest=guest)
                # Every second run has the fault that is asked for, and the others none.
                report = await story.play(only if number % 2 else only and "none")
                reports.append(report)
                for wrong in report.wrong:
                    print(_line(report, wrong), file=sys.stderr, flush=True)
                if story.is_spoiled:
                    break
            else:
                return


async def play_all(folder: Path, seed: int, asked: argparse.Namespace) -> list[Report]:
    """Play runs in several worlds at once, each taking the next number."""
    numbers, reports = iter(range(asked.runs)), list[Report]()
    async with asyncio.TaskGroup() as tasks:
        for which in range(asked.worlds):
            playing = play(
                folder / f"world-{which}",
                numbers,
                seed,
                reports,
                only=asked.fault,
                is_small=asked.small_disk,
            )
            tasks.create_task(playing)
    return reports


def main(words: Sequence[str]) -> int:
    """Return 0 if nothing was wrong in any run."""
    parser = argparse.ArgumentParser(prog="python -m bench.deployment_faults")
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--worlds", type=int, default=2)
    parser.add_argument(
        "--fault", choices=KINDS, default=None, help="only this one, in every second run"
    )
    parser.add_argument("--folder", type=Path, default=None, help="where to make new folders")
    parser.add_argument("--json", action="store_true", help="print the reports as JSON")
    parser.add_argument(
        "--small-disk",
        action="store_true",
        help="give the core a small disk, which may then be full; takes a host that lets one mount",
    )
    asked = parser.parse_args(words)
    if asked.small_disk:
        go_inside([sys.executable, "-m", "bench.deployment_faults", *words])
    seed = secrets.randbits(32) if asked.seed is None else asked.seed
    with tempfile.TemporaryDirectory(dir=asked.folder, prefix="faults-") as folder:
        reports = asyncio.run(play_all(Path(folder), seed, asked))
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
