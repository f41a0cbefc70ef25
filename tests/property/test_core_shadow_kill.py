"""A core that is killed at any moment has every shadow that it acknowledged, whole.

More kills: `HEDGEROW_SHADOW_KILLS=10000`.
"""

import asyncio
import os
import random
import signal
import sys
import time
from pathlib import Path

from tests.support.core_shadows import group_of
from tests.support.shadow_writer import last_number, served

KILLS = int(os.environ.get("HEDGEROW_SHADOW_KILLS", "25"))
_ROOT = Path(__file__).parents[2]


async def test_no_acknowledged_change_is_lost_and_none_is_there_in_part(tmp_path: Path) -> None:
    group = group_of("A")
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.support.shadow_writer",
        str(tmp_path),
        cwd=_ROOT,
        env={**os.environ, "PYTHONPATH": f"{_ROOT / 'src'}:{_ROOT}"},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    chance = random.Random(20261007)  # noqa: S311 - where the kills fall, not a secret
    written = 0
    try:
        for _ in range(KILLS):
            acknowledged = await _write_and_kill(process, chance)
            shadows = served(tmp_path, group)
            number = last_number(shadows)
            shadows._database.close()
            assert shadows._database.damage is None
            assert number >= max(acknowledged, written)
            assert number <= max(acknowledged, written) + 1, "something was invented"
            written = number
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()
    assert written > KILLS


async def _line(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    return (await process.stdout.readline()).decode().strip()


async def _write_and_kill(process: asyncio.subprocess.Process, chance: random.Random) -> int:
    """Start a writer, kill it, and return the last number it had acknowledged (0: none)."""
    assert process.stdin is not None
    process.stdin.write(b"start\n")
    await process.stdin.drain()
    _, _, pid = (await _line(process)).partition("pid ")
    last = 0
    for _ in range(chance.choice([0, 1, 5, 40])):
        last = int(await _line(process))
    end = time.monotonic() + chance.random() * 0.01  # so that the kill hits a random step
    while time.monotonic() < end:
        pass
    os.kill(int(pid), signal.SIGKILL)
    while (line := await _line(process)) != "ended":
        last = int(line)
    return last
