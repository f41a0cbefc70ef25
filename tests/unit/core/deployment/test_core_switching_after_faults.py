"""What one fault leaves behind must not turn against the next deployment."""

from pathlib import Path

import pytest
from tests.support.deployed_core import FIRST, SECOND, DeployedCore

from hedgerow.core.deployment.ledger import LedgerFile
from hedgerow.core.deployment.versions import Versions
from hedgerow.kernel import CallerError


@pytest.fixture
async def core(tmp_path: Path) -> DeployedCore:
    core = DeployedCore(tmp_path / "deployment")
    await core.deploy(FIRST)
    return core


async def test_a_reset_that_failed_does_not_take_the_next_deployment_away(
    core: DeployedCore,
) -> None:
    core.active.wipe_fault = CallerError("the disk is full")
    with pytest.raises(CallerError):
        core.reset()
    core.active.wipe_fault = None
    await core.deploy(SECOND)
    assert core.active.wiped == 1  # it was finished first
    core.restart()
    core.switcher.begin()
    assert core.runs == SECOND
    assert core.active.wiped == 0


async def test_nor_does_one_that_cannot_be_finished_before_it(core: DeployedCore) -> None:
    core.active.wipe_fault = CallerError("a file belongs to somebody else")
    with pytest.raises(CallerError):
        core.reset()
    await core.deploy(SECOND)
    core.restart()
    core.switcher.begin()
    assert core.runs == SECOND


async def test_a_switch_is_undone_on_disk_though_nothing_more_can_be_written(
    core: DeployedCore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is said to have failed must not run after the next start."""
    point, write = Versions.point, LedgerFile.write

    def fill_the_disk(versions: Versions, name: str, target: Path) -> None:
        point(versions, name, target)
        if name == "group":
            monkeypatch.setattr(LedgerFile, "write", no_room)
            raise OSError(28, "No space left on device")

    def no_room(ledger: LedgerFile, wanted: object) -> None:
        del ledger, wanted
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Versions, "point", fill_the_disk)
    with pytest.raises(OSError, match="No space left"):
        await core.deploy(SECOND)
    assert core.runs == FIRST
    assert core.folder.running_id() == FIRST
    monkeypatch.setattr(Versions, "point", point)
    monkeypatch.setattr(LedgerFile, "write", write)
    core.restart()
    core.switcher.begin()
    assert core.runs == FIRST
    await core.deploy(SECOND)
    assert core.runs == SECOND
