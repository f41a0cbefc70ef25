"""The scripts of `managedRespawn`."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.support.update_agent import UpdateStage, new_stage, quiet_log

from hedgerow.core.updates import Replaced, RespawnScripts
from hedgerow.core.updates.journal import Outcome
from hedgerow.kernel import ConfigurationError


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[UpdateStage]:
    made = new_stage(tmp_path)
    made.managed = True
    await made.begin()
    yield made
    await made.core.stop()


def _start(stage: UpdateStage) -> str:
    return f"{stage.installed().program} start"


@pytest.mark.spec("T06")
async def test_the_scripts_run_around_an_update_of_the_core(stage: UpdateStage) -> None:
    notes = stage.write_scripts(post=_start(stage))
    stage.publish("1.1.0")
    outcome = await stage.updater().carry_out(stage.job("1.1.0"))
    assert outcome == Outcome(status="SUCCEEDED")
    assert notes.read_text().split() == ["ggc_pre_update.sh", "ggc_post_update.sh"]


@pytest.mark.spec("T06")
async def test_the_scripts_run_around_an_update_of_the_agent(stage: UpdateStage) -> None:
    notes = stage.write_scripts()
    stage.place.publish("1.1.0", software="ota_agent")
    ended = await stage.updater().carry_out(stage.job("1.1.0", software="ota_agent"))
    assert isinstance(ended, Replaced)
    assert notes.read_text().split() == ["ota_pre_update.sh", "ota_post_update.sh"]


@pytest.mark.spec("T06")
async def test_a_script_that_fails_before_the_update_fails_it(stage: UpdateStage) -> None:
    stage.write_scripts(pre="exit 7", post=_start(stage))
    stage.publish("1.1.0")
    outcome = await stage.updater().carry_out(stage.job("1.1.0"))
    assert isinstance(outcome, Outcome)
    assert outcome.status == "FAILED"
    assert "ggc_pre_update.sh failed with exit code 7" in outcome.reason
    assert stage.installed().current() == "1.0.0"
    assert await stage.running() == "1.0.0"


@pytest.mark.spec("T06")
async def test_a_script_that_fails_after_the_update_takes_it_back(stage: UpdateStage) -> None:
    gate = stage.folder / "failed once"
    post = f"[ -e '{gate}' ] || {{ touch '{gate}'; exit 1; }}\n{_start(stage)}"
    stage.write_scripts(post=post)
    stage.publish("1.1.0")
    outcome = await stage.updater().carry_out(stage.job("1.1.0"))
    assert isinstance(outcome, Outcome)
    assert "ggc_post_update.sh failed" in outcome.reason
    assert stage.installed().current() == "1.0.0"
    assert await stage.running() == "1.0.0"


@pytest.mark.spec("T06")
async def test_without_the_scripts_nothing_is_touched(stage: UpdateStage) -> None:
    stage.publish("1.1.0")
    before = stage.core.holders()
    outcome = await stage.updater().carry_out(stage.job("1.1.0"))
    assert isinstance(outcome, Outcome)
    assert outcome.reason.count("is missing") == 4
    assert stage.core.holders() == before


@pytest.mark.spec("T06")
@pytest.mark.parametrize(
    ("mode", "fault"),
    [(0o755, "others can run"), (0o722, "others can run or change"), (0o600, "cannot be run")],
)
def test_a_script_that_others_can_run_or_change_is_not_run(
    tmp_path: Path, mode: int, fault: str
) -> None:
    stage = new_stage(tmp_path)
    stage.write_scripts()
    scripts = RespawnScripts(stage.root, quiet_log(), owner=os.getuid())
    scripts.require()
    (stage.root / "usr/scripts/ota_pre_update.sh").chmod(mode)
    with pytest.raises(ConfigurationError, match=fault):
        scripts.require()


@pytest.mark.spec("T06")
def test_a_script_that_does_not_belong_to_root_is_not_run(tmp_path: Path) -> None:
    stage = new_stage(tmp_path)
    stage.write_scripts()
    with pytest.raises(ConfigurationError, match="does not belong to root"):
        RespawnScripts(stage.root, quiet_log(), owner=os.getuid() + 1).require()


def test_a_link_is_no_script(tmp_path: Path) -> None:
    stage = new_stage(tmp_path)
    stage.write_scripts()
    script = stage.root / "usr/scripts/ggc_pre_update.sh"
    script.unlink()
    script.symlink_to("/bin/true")
    with pytest.raises(ConfigurationError, match="not a plain file"):
        RespawnScripts(stage.root, quiet_log(), owner=os.getuid()).require()
