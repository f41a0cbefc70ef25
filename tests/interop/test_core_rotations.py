"""Rotations of the server certificate under load; `bench/rotations.py` does it in full."""

import os
from pathlib import Path

import pytest
from tests.support.rotations import rotate_under_load

DEVICES = int(os.environ.get("HEDGEROW_ROTATION_DEVICES", "60"))
ROTATIONS = int(os.environ.get("HEDGEROW_ROTATIONS", "10"))


@pytest.mark.spec("C05")
@pytest.mark.promise(5)
async def test_rotations_under_load_lose_no_connection_and_no_message(tmp_path: Path) -> None:
    outcome = await rotate_under_load(
        tmp_path, devices=DEVICES, rotations=ROTATIONS, pause_s=0.02, messages_per_s=300
    )
    assert outcome.is_clean, outcome
    assert outcome.rotations == ROTATIONS
    assert outcome.newcomers > ROTATIONS
    assert outcome.acknowledged > DEVICES
