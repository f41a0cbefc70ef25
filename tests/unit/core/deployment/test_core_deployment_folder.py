from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.support.clock import ManualClock
from tests.support.cloud_documents import CloudKeys, GroupDouble, thing_arn
from tests.support.local_server import verified

from hedgerow.core.config import CoreFolders
from hedgerow.core.deployment import (
    DeploymentFolder,
    read_running_group,
)

SECOND = "22222222-bbbb-4000-8000-000000000002"


@pytest.fixture
def double() -> GroupDouble:
    double = GroupDouble()
    double.devices = [double.keys.device("A")]
    return double


@pytest.fixture
def folder(tmp_path: Path, double: GroupDouble) -> DeploymentFolder:
    return DeploymentFolder(tmp_path, thing_arn(double.core), [double.keys.root.certificate])


def deploy(folder: DeploymentFolder, double: GroupDouble) -> None:
    group, membership = verified(double)
    folder.stage(group)
    folder.switch(group, membership, before=folder.running_id())
    folder.confirm(group.group.deployment_id)


@pytest.mark.spec("A05")
@pytest.mark.promise(10)
def test_what_was_deployed_is_found_again_without_a_cloud(
    folder: DeploymentFolder, double: GroupDouble
) -> None:
    deploy(folder, double)
    stored = folder.load()
    assert stored.group is not None
    assert stored.group.group == double.group()
    assert stored.membership is not None
    assert stored.membership.certificate_ids == {double.devices[0].certificate_id}
    assert stored.rejected == ()


def test_before_any_deployment_there_is_none(folder: DeploymentFolder) -> None:
    stored = folder.load()
    assert (stored.group, stored.membership, stored.rejected) == (None, None, ())


def test_staging_changes_nothing_of_what_runs(
    folder: DeploymentFolder, double: GroupDouble
) -> None:
    deploy(folder, double)
    double.new_deployment(SECOND)
    folder.stage(verified(double)[0])
    stored = folder.load()
    assert stored.group is not None
    assert stored.group.group.deployment_id != SECOND


@pytest.mark.spec("I16")
def test_a_group_file_replaced_by_braces_starts_a_core_without_a_group(
    folder: DeploymentFolder, double: GroupDouble
) -> None:
    """It is what the administrator wants: the deployment before it is not taken instead."""
    deploy(folder, double)
    double.new_deployment(SECOND)
    deploy(folder, double)
    folder.running_group_file.write_text("{}\n")
    assert folder.load().group is None


def test_a_changed_file_is_passed_over_for_the_last_good_one(
    folder: DeploymentFolder, double: GroupDouble
) -> None:
    deploy(folder, double)
    double.new_deployment(SECOND)
    double.rows = [("cloud", "t", double.devices[0].arn)]
    deploy(folder, double)
    changed = folder.running_group_file.read_bytes().replace(b"cloud", b"cl0ud")
    folder.running_group_file.write_bytes(changed)
    stored = folder.load()
    assert stored.group is not None
    assert stored.group.group.deployment_id != SECOND
    assert "SHA-256" in stored.rejected[0]


def test_the_older_group_runs_with_the_newest_list_of_certificates(
    folder: DeploymentFolder, double: GroupDouble
) -> None:
    """Falling back must not bring a revoked certificate back."""
    device = double.devices[0]
    deploy(folder, double)
    double.revoke(device)
    double.new_deployment(SECOND)
    deploy(folder, double)
    folder.running_group_file.write_bytes(b"damaged")
    stored = folder.load()
    assert stored.group is not None
    assert stored.membership is not None
    assert device.certificate_id not in stored.membership.certificate_ids


def test_only_the_last_two_deployments_are_kept(
    folder: DeploymentFolder, double: GroupDouble, tmp_path: Path
) -> None:
    for number in range(4):
        double.new_deployment(SECOND[:-1] + str(number))
        deploy(folder, double)
    assert sorted(path.name[-1] for path in (tmp_path / "versions").iterdir()) == ["2", "3"]


def test_a_group_folder_of_the_old_software_is_moved_aside(
    folder: DeploymentFolder, double: GroupDouble, tmp_path: Path
) -> None:
    (tmp_path / "group").mkdir()
    (tmp_path / "group/group.json").write_text('{"old": true}')
    assert folder.load().group is None
    deploy(folder, double)
    assert folder.load().group is not None
    assert len(list(tmp_path.glob("group.replaced-*"))) == 1


def test_files_of_a_deployment_are_for_the_owner_only(
    folder: DeploymentFolder, double: GroupDouble, tmp_path: Path
) -> None:
    deploy(folder, double)
    files = [path for path in tmp_path.rglob("*") if path.is_file() and not path.is_symlink()]
    assert files
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}


def test_a_signers_certificate_that_has_expired_since_does_not_stop_local_work(
    tmp_path: Path,
) -> None:
    """It was checked against the clock when it came; the clock at a later start may be off."""
    keys = CloudKeys("long ago", ManualClock(datetime(2020, 1, 1, tzinfo=UTC)))
    double = GroupDouble(keys=keys, created_at=datetime(2020, 1, 2, tzinfo=UTC))
    folder = DeploymentFolder(tmp_path, thing_arn(double.core), [keys.root.certificate])
    deploy(folder, double)
    assert folder.load().group is not None


def test_the_serial_floor_outlives_a_reset(folder: DeploymentFolder, double: GroupDouble) -> None:
    double.serial = 7
    deploy(folder, double)
    folder.begin_wiping(verified(double)[0].manifest)
    folder.clear()
    folder.end_wiping()
    assert folder.load().group is None
    assert folder.newest() == double.created_at
    assert folder.serial_floor(double.group_id) == 7
    assert folder.serial_floor("another") == 0


def test_a_lost_record_is_learned_anew_from_the_signed_documents(
    folder: DeploymentFolder, double: GroupDouble, tmp_path: Path
) -> None:
    """It must not strand a core, and not open it to what is older than what lies there."""
    double.serial = 7
    deploy(folder, double)
    for slot in tmp_path.glob("ledger.*"):
        slot.write_bytes(b"damaged")
    again = DeploymentFolder(tmp_path, thing_arn(double.core), [double.keys.root.certificate])
    again.recover()
    stored = again.load()
    assert stored.group is not None
    assert stored.membership is not None
    assert again.lost is not None
    assert again.serial_floor(double.group_id) == 7
    assert again.newest() == double.created_at


def test_one_damaged_slot_of_the_record_costs_nothing(
    folder: DeploymentFolder, double: GroupDouble, tmp_path: Path
) -> None:
    double.serial = 7
    deploy(folder, double)
    for name in ("ledger.a", "ledger.b"):
        whole = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(b"\0torn")
        again = DeploymentFolder(tmp_path, thing_arn(double.core), [double.keys.root.certificate])
        assert again.load().group is not None
        assert again.serial_floor(double.group_id) == 7
        assert again.lost is None
        (tmp_path / name).write_bytes(whole)


def test_tools_can_read_the_running_group(tmp_path: Path, double: GroupDouble) -> None:
    folders = CoreFolders(root=tmp_path, write=tmp_path / "ggc")
    assert read_running_group(folders) is None
    folder = DeploymentFolder(
        folders.deployment, thing_arn(double.core), [double.keys.root.certificate]
    )
    deploy(folder, double)
    assert read_running_group(folders) == double.group()
    folder.running_group_file.write_text("{}")
    assert read_running_group(folders) is None


def test_the_reported_deployment_is_remembered(folder: DeploymentFolder) -> None:
    assert folder.reported() == ""
    folder.mark_reported(SECOND)
    assert folder.reported() == SECOND
