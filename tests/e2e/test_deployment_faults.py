"""Faults at every step of a deployment: the core runs the old or the new group, and says which.

The full count is `python -m bench.deployment_faults`; here it is scaled by
`HEDGEROW_DEPLOYMENT_FAULTS`.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_RUNS = int(os.environ.get("HEDGEROW_DEPLOYMENT_FAULTS", "8"))


@pytest.mark.timeout(120 + 2 * _RUNS)
def test_the_core_runs_the_old_or_the_new_group_whatever_fails(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            sys.executable,
            *("-m", "bench.deployment_faults", "--runs", str(_RUNS), "--worlds", "1"),
            *("--seed", "20261007", "--folder", str(tmp_path)),
        ],
        cwd=_ROOT,
        env={**os.environ, "PYTHONPATH": f"{_ROOT / 'src'}:{_ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert f"{_RUNS} runs, 0 wrong" in done.stdout
