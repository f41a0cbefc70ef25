"""Processes are killed at random moments: nothing acknowledged is lost, nothing is invented.

The full count is `python -m bench.kill9`; here it is scaled by `HEDGEROW_KILLS`.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_KILLS = int(os.environ.get("HEDGEROW_KILLS", "75"))


@pytest.mark.timeout(60 + _KILLS)
@pytest.mark.parametrize("subject", ["sessions", "spool", "store"])
def test_what_was_acknowledged_survives_any_number_of_kills(subject: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [
            sys.executable,
            *("-m", "bench.kill9", subject),
            *("--cycles", str(_KILLS), "--folder", str(tmp_path)),
        ],
        cwd=_ROOT,
        env={**os.environ, "PYTHONPATH": f"{_ROOT / 'src'}:{_ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert f"{subject}: {_KILLS} kills" in done.stdout
    assert "0 lost, 0 invented" in done.stdout
