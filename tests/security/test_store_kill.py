"""Killing the process at any moment loses nothing that was acknowledged and leaves nothing half."""

import asyncio
import os
import random
import signal
import sys
import time
from pathlib import Path

import pytest
from tests.support.clock import ManualClock
from tests.support.store_writer import ACCOUNT, COUNTER, COUNTER_ID, LEFT, RIGHT, filling

from hedgerow.store import MasterKey, Store

_ROUNDS = 15
_ROOT = Path(__file__).parents[2]


async def _line(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    return (await process.stdout.readline()).decode().strip()


def _spin(seconds: float) -> None:
    """Let a random little time pass, so that the kill hits a random step of the writer."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


async def _write_and_kill(process: asyncio.subprocess.Process, chance: random.Random) -> int:
    """Start a writer, kill it, and return the last number it had acknowledged (0: none)."""
    assert process.stdin is not None
    process.stdin.write(b"start\n")
    await process.stdin.drain()
    _, _, pid = (await _line(process)).partition("pid ")
    last = 0
    for _ in range(chance.choice([0, 1, 2, 5, 12])):
        last = int(await _line(process))
    _spin(chance.random() * (0.05 if last == 0 else 0.01))
    os.kill(int(pid), signal.SIGKILL)
    while (line := await _line(process)) != "ended":
        last = int(line)
    return last


async def _require_whole(folder: Path, acknowledged: int) -> int:
    """Check everything that is stored; return the number of the last transaction."""
    key = MasterKey.from_file(folder / "master.key")
    store = await Store.open(folder / "state.db", key, ManualClock())
    try:
        counter = await store.get(COUNTER, ACCOUNT, COUNTER_ID)
        number = counter.document.number if counter else 0
        assert number >= acknowledged
        left = await store.all(LEFT, ACCOUNT)
        right = await store.all(RIGHT, ACCOUNT)
    finally:
        await store.close()
    expected = [(one, filling(one)) for one in range(1, number + 1)]
    assert [(half.document.number, half.document.filling) for half in left] == expected
    assert [half.document for half in right] == [half.document for half in left]
    return number


@pytest.mark.promise(7)
async def test_a_store_killed_at_random_moments_has_every_acknowledged_write_whole(
    tmp_path: Path,
) -> None:
    MasterKey.create_file(tmp_path / "master.key")
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.support.store_writer",
        str(tmp_path),
        cwd=_ROOT,
        env={**os.environ, "PYTHONPATH": f"{_ROOT / 'src'}:{_ROOT}"},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    chance = random.Random(20261007)  # noqa: S311 - where the kills fall, not a secret
    written = 0
    try:
        for _ in range(_ROUNDS):
            acknowledged = await _write_and_kill(process, chance)
            written = await _require_whole(tmp_path, max(acknowledged, written))
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()
    assert written > _ROUNDS
