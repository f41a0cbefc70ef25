"""The fuzzers, briefly: what they found before, and a little of what they look for.

Long runs are `python -m bench.fuzz.coverage` and `python -m bench.fuzz.live`.
"""

import os
import random
from pathlib import Path

import pytest
from bench.fuzz import codec, live, paths

_CASES = Path(__file__).parents[1] / "golden" / "mqtt-fuzz"
_SCALE = int(os.environ.get("HEDGEROW_FUZZ_SCALE", "1"))


def _kept(target: str) -> list[bytes]:
    lines = (_CASES / f"{target}.txt").read_text().splitlines()
    return [bytes.fromhex(line) for line in lines if not line.startswith("#")]


def test_what_the_fuzzer_reached_in_the_codec_holds() -> None:
    for data in _kept("codec"):
        codec.check(data)


async def test_what_the_fuzzer_reached_in_the_fast_paths_holds() -> None:
    for data in _kept("paths"):
        await paths.compare(data)


async def test_bytes_next_to_those_hold_too() -> None:
    """Mutations of what was reached, always the same ones; scaled by `HEDGEROW_FUZZ_SCALE`."""
    chance = random.Random(4)  # noqa: S311 - repeatable, not secret
    for data in _mutated("codec", 10_000 * _SCALE, chance):
        codec.check(data)
    for data in _mutated("paths", 80 * _SCALE, chance):
        await paths.compare(data)


def _mutated(target: str, count: int, chance: random.Random) -> list[bytes]:
    kept = _kept(target)
    made = []
    for _ in range(count):
        data = bytearray(chance.choice(kept) or b"\0")
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(data))
            data[at : at + chance.randint(0, 2)] = chance.randbytes(chance.randint(0, 2))
            data = data or bytearray(b"\0")
        made.append(bytes(data))
    return made


@pytest.mark.timeout(60 * _SCALE + 60)
async def test_hostile_clients_harm_nobody(tmp_path: Path) -> None:
    findings = await live.fuzz(1.0 * _SCALE, 20, folder=tmp_path)
    assert findings.faults == []
    assert findings.rounds > 0
    assert findings.messages_checked > 0
