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

from bench.kill9.sessions import Sessions
from bench.kill9.zygote import FailedError, Subject, run

SUBJECTS: dict[str, Callable[[Path], Subject]] = {"sessions": Sessions}


def main(words: list[str]) -> int:
    """Return 0 if nothing was lost or invented and every start worked."""
    parser = argparse.ArgumentParser(prog="python -m bench.kill9")
    parser.add_argument("subjects", nargs="*", choices=[[], *SUBJECTS], default=[])
    parser.add_argument("--cycles", type=int, default=10_000, help="in all")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--folder", type=Path, default=None, help="where (a new one inside it)")
    asked = parser.parse_args(words)
    names = asked.subjects or list(SUBJECTS)
    seed = secrets.randbits(32) if asked.seed is None else asked.seed
    assert threading.active_count() == 1, "a fork takes one thread along"
    print(f"seed {seed}", flush=True)
    with tempfile.TemporaryDirectory(dir=asked.folder, prefix="kill9-") as folder:
        for name in names:
            subject = SUBJECTS[name](Path(folder) / name)
            chance = random.Random(f"{seed} {name}")  # noqa: S311 - where the kills fall
            try:
                tally = run(subject, asked.cycles // len(names), chance)
            except FailedError as error:
                print(f"FAILED (seed {seed}): {error}")
                return 1
            print(
                f"{name}: {tally.cycles} kills, {tally.early} of them during the start; "
                f"{tally.acknowledged} acknowledged, 0 lost, 0 invented; {tally.seconds:.1f} s",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    os._exit(code)
