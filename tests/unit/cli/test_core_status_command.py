"""`hedgerow core status`, `why deployment` and `doctor` of a core's deployments."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from tests.support.cloud_documents import GroupDouble, thing_arn
from tests.support.core import running_core, until
from tests.support.core_offline import deploy_offline, offline_root
from tests.support.local_server import verified

from hedgerow.cli import main
from hedgerow.core.config import load_config
from hedgerow.core.deployment import DeploymentFolder

SECOND = "22222222-bbbb-4000-8000-000000000002"


@pytest.fixture
def double() -> GroupDouble:
    return GroupDouble()


@pytest.fixture
def root(tmp_path: Path, double: GroupDouble) -> Path:
    return offline_root(tmp_path, double)


def hedgerow(*words: str | Path) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def status(root: Path) -> Any:
    return json.loads(hedgerow("core", "status", "--root", root, "--json").output)


def why(root: Path) -> Any:
    return json.loads(hedgerow("why", "deployment", "--root", root, "--json").output)


def doctor(root: Path) -> dict[str, Any]:
    said = json.loads(hedgerow("doctor", "--root", root, "--json").output)
    return {finding["subject"]: finding for finding in said}


def folder_of(root: Path, double: GroupDouble) -> DeploymentFolder:
    roots = [double.keys.root.certificate]
    return DeploymentFolder(load_config(root).folders.deployment, thing_arn(double.core), roots)


async def test_a_core_that_runs_tells_what_it_runs(root: Path, double: GroupDouble) -> None:
    async with running_core(root) as core:
        await until(lambda: core.agent.state.mode == "running")
        said = await asyncio.to_thread(hedgerow, "core", "status", "--root", root)
        data = await asyncio.to_thread(status, root)
    assert said.exit_code == 0
    assert double.deployment_id in said.output
    assert "the group is served" in said.output
    assert "cannot connect" in said.output
    assert data["deployment"]["mode"] == "running"


def test_of_a_core_that_is_off_it_tells_what_a_start_would_do(
    root: Path, double: GroupDouble
) -> None:
    said = hedgerow("core", "status", "--root", root)
    assert said.exit_code == 1
    assert f"would run deployment {double.deployment_id}" in said.output
    found = status(root)
    assert found["status"] == "off"
    assert found["deployment"]["startsWith"] == double.deployment_id


def test_a_whole_deployment_is_what_the_core_runs(root: Path, double: GroupDouble) -> None:
    answer = why(root)
    assert answer["allowed"] is True
    assert double.deployment_id in answer["steps"][-2]["says"]
    assert doctor(root)["deployment"]["ok"]
    assert doctor(root)["room for deployments"]["ok"]


def test_an_undone_deployment_is_named_with_its_reason(root: Path, double: GroupDouble) -> None:
    double.new_deployment(SECOND)
    folder = folder_of(root, double)
    group, membership = verified(double)
    folder.stage(group)
    folder.switch(group, membership, before=folder.running_id())
    folder.go_back(SECOND, "health check failed: the health API: no answer")
    cause = why(root)["cause"]
    assert cause["code"] == "health-check-failed"
    assert SECOND in cause["says"]
    assert "the health API: no answer" in cause["says"]
    assert not doctor(root)["deployment undone"]["ok"]
    assert "no answer" in hedgerow("core", "status", "--root", root).output


def test_a_damaged_deployment_gives_way_to_the_one_before(root: Path, double: GroupDouble) -> None:
    first = double.deployment_id
    double.new_deployment(SECOND)
    deploy_offline(root, double)
    (root / "ggc/deployment/group/group.json").write_bytes(b"damaged")
    cause = why(root)["cause"]
    assert cause["code"] == "previous"
    assert "the one before it is run" in cause["says"]
    assert first in doctor(root)["deployment"]["found"]
    assert status(root)["deployment"]["startsWith"] == first


def test_a_core_that_can_run_nothing_is_told_to_be_rescued(root: Path) -> None:
    (root / "ggc/deployment/group/group.json").write_bytes(b"damaged")
    assert why(root)["cause"]["code"] == "rescue"
    assert not doctor(root)["deployment"]["ok"]
    assert "would serve no group" in hedgerow("core", "status", "--root", root).output


def test_an_emptied_group_is_what_somebody_wanted(root: Path) -> None:
    (root / "ggc/deployment/group/group.json").write_text("{}")
    assert why(root)["cause"]["code"] == "emptied"
    assert doctor(root)["deployment"]["ok"]


def test_an_interrupted_reset_is_named(root: Path, double: GroupDouble) -> None:
    double.new_deployment(SECOND, "ResetDeployment")
    folder_of(root, double).begin_wiping(verified(double)[0].manifest)
    assert why(root)["cause"]["code"] == "reset-under-way"
    assert status(root)["deployment"]["resetUnderWay"] is True


def test_looking_changes_nothing(root: Path) -> None:
    for slot in (root / "ggc/deployment").glob("ledger.*"):
        slot.write_bytes(b"damaged")
    before = {p: p.read_bytes() for p in (root / "ggc/deployment").rglob("*") if p.is_file()}
    assert "damaged" in doctor(root)["record of deployments"]["found"]
    why(root)
    status(root)
    assert before == {p: p.read_bytes() for p in before}


def test_a_root_without_a_configuration_is_an_answer_of_why(tmp_path: Path) -> None:
    assert why(tmp_path)["cause"]["code"] == "unusable"
    said = hedgerow("core", "status", "--root", tmp_path)
    assert said.exit_code == 1
    assert "hedgerow core provision" in said.output
