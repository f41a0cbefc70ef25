"""The command."""

import argparse
import os
import random
import secrets
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec

from bench.kill9 import CYCLES
from bench.kill9.sessions import Sessions
from bench.kill9.spool import Spooled
from bench.kill9.store import Stored
from bench.kill9.zygote import FailedError, Subject, Tally, run

SUBJECTS: dict[str, Callable[[Path], Subject]] = {
    "sessions": Sessions,
    "spool": Spooled,
    "store": Stored,
}


def main(words: list[str]) -> int:
    """Return 0 if nothing was lost or invented and every start worked."""
    parser = argparse.ArgumentParser(prog="python -m bench.kill9")
    parser.add_argument("subjects", nargs="*", help=", ".join(SUBJECTS))
    parser.add_argument("--cycles", type=int, default=CYCLES, help="of each subject")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--folder", type=Path, default=None, help="where to make a new folder")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    asked = parser.parse_args(words)
    names = asked.subjects or list(SUBJECTS)
    if unknown := set(names) - set(SUBJECTS):
        parser.error(f"no subject {', '.join(sorted(unknown))}")
    seed = secrets.randbits(32) if asked.seed is None else asked.seed
    assert threading.active_count() == 1, "a fork takes one thread along"
    tallies: list[Tally] = []
    with tempfile.TemporaryDirectory(dir=asked.folder, prefix="kill9-") as folder:
        for name in names:
            chance = random.Random(f"{seed} {name}")  # noqa: S311 - where the kills fall
            try:
                tally = run(SUBJECTS[name](Path(folder) / name), asked.cycles, chance)
            except FailedError as error:
                print(f"FAILED (seed {seed}): {error}", file=sys.stderr)
                return 1
            tallies.append(tally)
            if not asked.json:
                print(sentence(tally), flush=True)
    if asked.json:
        print(msgspec.json.encode(tallies).decode())
    return 0


def sentence(tally: Tally) -> str:
    """Return what a run came to, in words."""
    return (
        f"{tally.name}: {tally.cycles} kills, {tally.early} of them during the start; "
        f"{tally.acknowledged} acknowledged, 0 lost, 0 invented; {tally.seconds:.1f} s"
    )


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    os._exit(code)
