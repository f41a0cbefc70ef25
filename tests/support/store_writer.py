"""A process that writes to a store and says what was acknowledged, made to be killed.

It imports everything once; each line on its input starts a child that writes until it is killed.
The child prints its process id, then the number of every transaction that was committed.
"""

import asyncio
import os
import random
import sys
from pathlib import Path

import msgspec

from hedgerow.kernel import SystemClock
from hedgerow.store import Kind, MasterKey, Store

ACCOUNT = "111122223333"
COUNTER_ID = "counter"


class Half(msgspec.Struct, frozen=True):
    """Half of what one transaction writes."""

    number: int
    filling: str


class Counter(msgspec.Struct, frozen=True):
    """The number of the last transaction."""

    number: int


LEFT = Kind("left", Half)
RIGHT = Kind("right", Half)
COUNTER = Kind("counter", Counter)


def filling(number: int) -> str:
    """Return a text of 0 to 60,000 characters that depends on the number only."""
    return "x" * random.Random(number).randrange(60_000)  # noqa: S311 - only its length matters


def main() -> None:
    """Start a child for each line of input, and tell when it has ended."""
    folder = Path(sys.argv[1])
    for _ in sys.stdin:
        child = os.fork()
        if child == 0:
            asyncio.run(_write_for_ever(folder))
        os.waitpid(child, 0)
        _say("ended")


async def _write_for_ever(folder: Path) -> None:
    _say(f"pid {os.getpid()}")
    key = MasterKey.from_file(folder / "master.key")
    store = await Store.open(folder / "state.db", key, SystemClock())
    found = await store.get(COUNTER, ACCOUNT, COUNTER_ID)
    number = found.document.number if found else 0
    while True:
        number += 1
        await _write(store, number)
        _say(str(number))


async def _write(store: Store, number: int) -> None:
    async with store.transaction() as transaction:
        half = Half(number, filling(number))
        await transaction.insert(LEFT, ACCOUNT, str(number), half, name=f"left {number}")
        counter = await transaction.get(COUNTER, ACCOUNT, COUNTER_ID)
        if counter is None:
            await transaction.insert(COUNTER, ACCOUNT, COUNTER_ID, Counter(number))
        else:
            await transaction.update(counter, Counter(number))
        await transaction.insert(RIGHT, ACCOUNT, str(number), half, parent=str(number))


def _say(line: str) -> None:
    os.write(1, line.encode() + b"\n")


if __name__ == "__main__":
    main()
