from dataclasses import replace
from pathlib import Path

import pytest

from hedgerow.core.deployment import Demand, require_room
from hedgerow.core.deployment.room import FolderState, faults, observe, shortcomings
from hedgerow.kernel import CallerError

MIB = 1_048_576
GOOD = FolderState(
    path=Path("/greengrass/ggc"),
    is_writable=True,
    is_read_only=False,
    is_foreign=False,
    is_loose=False,
    free_bytes=100 * MIB,
    free_files=1000,
)


def found(size: int = 0, **changes: object) -> list[str]:
    demand = Demand(Path("/greengrass/ggc/deployment"), size, "the deployment")
    return list(faults(demand, replace(GOOD, **changes)))  # type: ignore[arg-type]  # by name


def test_a_good_folder_has_no_faults() -> None:
    assert found() == []
    assert found(96 * MIB) == []
    assert found(free_files=None) == []


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"is_read_only": True}, "read-only"),
        ({"is_writable": False}, "may not write in /greengrass/ggc"),
        ({"is_foreign": True}, "belongs to another user"),
        ({"is_loose": True}, "chmod go-w /greengrass/ggc"),
        ({"free_bytes": 4 * MIB - 1}, "where 4.0 MiB are free"),
        ({"free_files": 15}, "no room for more files"),
    ],
)
def test_each_fault_is_a_sentence_that_says_what_to_do(
    changes: dict[str, object], word: str
) -> None:
    (said,) = found(**changes)  # type: ignore[arg-type]  # by name
    assert word in said


def test_all_faults_are_told_at_once() -> None:
    assert len(found(is_foreign=True, is_loose=True, free_bytes=0, free_files=0)) == 4


def test_the_nearest_folder_that_is_there_is_looked_at(tmp_path: Path) -> None:
    state = observe(tmp_path / "ggc" / "deployment")
    assert state.path == tmp_path
    assert state.is_writable
    assert state.free_bytes > 0
    tmp_path.chmod(0o777)
    assert observe(tmp_path).is_loose
    tmp_path.chmod(0o1777)
    assert not observe(tmp_path).is_loose
    tmp_path.chmod(0o700)


def test_a_demand_that_cannot_be_met_is_refused(tmp_path: Path) -> None:
    demands = (Demand(tmp_path, 2**60, "a"), Demand(tmp_path, 2**61, "b"))
    with pytest.raises(CallerError, match=r"a needs .*; b needs"):
        require_room(demands)
    assert shortcomings((Demand(tmp_path, 0, "c"),)) == ()
