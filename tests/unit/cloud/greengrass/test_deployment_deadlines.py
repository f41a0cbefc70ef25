from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from tests.support.clock import ManualClock
from tests.support.estate import Estate, estate, until
from tests.support.registry import HOME, Device, issued

from hedgerow.aws import AwsError
from hedgerow.cloud.events import EVENT
from hedgerow.cloud.greengrass import deployments
from hedgerow.cloud.greengrass.allowance import DEADLINE_TAG, allowed_minutes, in_words
from hedgerow.cloud.greengrass.deadlines import LOOK_EVERY, DeadlineKeeper
from hedgerow.cloud.greengrass.documents import GROUP
from hedgerow.cloud.greengrass.tagging import add_tags
from hedgerow.cloud.iot.arns import thing_arn
from hedgerow.contract import DeploymentStatusReport
from hedgerow.kernel import SystemClock


@pytest.fixture
async def greengrass(tmp_path: Path) -> AsyncIterator[Estate]:
    async with estate(tmp_path) as made:
        yield made


def keeper(greengrass: Estate, later: timedelta) -> DeadlineKeeper:
    """Return one that looks at some later time."""
    return DeadlineKeeper(
        greengrass.registrar.store,
        HOME,
        index=greengrass.index,
        deployer=greengrass.deployer,
        clock=ManualClock(SystemClock().now() + later),
    )


async def tagged(greengrass: Estate, group_id: str, text: str) -> None:
    arn = f"arn:aws:greengrass:{HOME.region}:{HOME.account}:/greengrass/groups/{group_id}"
    request = {"ResourceArn": arn, "tags": {DEADLINE_TAG: text}}
    await greengrass.write(lambda tx: add_tags(tx, HOME, request))


async def group_of(greengrass: Estate) -> tuple[str, str, Device]:
    core = issued()
    await greengrass.registrar.enrol("core", core)
    await greengrass.service_role()
    group_id = await greengrass.group()
    return group_id, await greengrass.simple_version(group_id, ("core", core), {}), core


async def report(
    greengrass: Estate, core: Device, group_id: str, deployment_id: str, status: str
) -> None:
    own = await greengrass.desk.own_group(greengrass.admit(core), group_id)
    said = DeploymentStatusReport(status=status)  # type: ignore[arg-type]
    await greengrass.desk.report(own, deployment_id, thing_arn(HOME, "core"), said)


async def events(greengrass: Estate, deployment_id: str) -> list[str]:
    records = await greengrass.registrar.store.all(EVENT, HOME.account)
    details = [record.document.detail for record in records]
    return [each["status"] for each in details if each["deployment-id"] == deployment_id]


async def test_a_core_that_does_not_report_does_not_hold_its_group_for_ever(
    greengrass: Estate,
) -> None:
    """And the core that comes back takes the deployment all the same, which is then told."""
    group_id, version_id, core = await group_of(greengrass)
    deployment_id = await greengrass.deploy(group_id, version_id)
    await keeper(greengrass, timedelta(hours=23, minutes=59)).look()
    status = await greengrass.status(group_id, deployment_id)
    assert status["DeploymentStatus"] == "InProgress"
    await keeper(greengrass, timedelta(hours=24, seconds=1)).look()
    status = await greengrass.status(group_id, deployment_id)
    assert status["DeploymentStatus"] == "Failure"
    assert "did not report how the deployment went within 1 day" in status["ErrorMessage"]
    own = await greengrass.desk.own_group(greengrass.admit(core), group_id)
    assert await greengrass.desk.manifest(own, deployment_id)
    await report(greengrass, core, group_id, deployment_id, "InProgress")
    status = await greengrass.status(group_id, deployment_id)
    assert (status["DeploymentStatus"], bool(status["ErrorMessage"])) == ("Failure", True)
    await report(greengrass, core, group_id, deployment_id, "Success")
    status = await greengrass.status(group_id, deployment_id)
    assert status["DeploymentStatus"] == "Success"
    assert await events(greengrass, deployment_id) == [
        "Building",
        "InProgress",
        "Failure",
        "Success",
    ]


@pytest.mark.spec("P08")
async def test_an_overdue_deployment_makes_room_for_the_next(greengrass: Estate) -> None:
    group_id, version_id, core = await group_of(greengrass)
    overdue = await greengrass.deploy(group_id, version_id)
    with pytest.raises(AwsError) as caught:
        await greengrass.deploy(group_id, version_id)
    assert caught.value.code == "ConcurrentDeployment"
    await keeper(greengrass, timedelta(days=2)).look()
    newer = await greengrass.deploy(group_id, version_id)
    await report(greengrass, core, group_id, newer, "Success")
    assert (await greengrass.status(group_id, newer))["DeploymentStatus"] == "Success"
    assert (await greengrass.status(group_id, overdue))["DeploymentStatus"] == "Failure"


async def test_the_deadline_is_the_groups_tag_at_the_time_of_the_call(greengrass: Estate) -> None:
    group_id, version_id, _ = await group_of(greengrass)
    await tagged(greengrass, group_id, "90")
    deployment_id = await greengrass.deploy(group_id, version_id)
    await tagged(greengrass, group_id, "43200")
    looking = keeper(greengrass, timedelta(minutes=89, seconds=59.5))
    due = await looking.look()
    assert due - looking._clock.now() < timedelta(seconds=1)
    await keeper(greengrass, timedelta(minutes=91)).look()
    status = await greengrass.status(group_id, deployment_id)
    assert "within 90 minutes" in status["ErrorMessage"]


async def test_a_reset_has_the_groups_deadline_too(greengrass: Estate) -> None:
    group_id, version_id, core = await group_of(greengrass)
    deployed = await greengrass.deploy(group_id, version_id)
    await report(greengrass, core, group_id, deployed, "Success")
    await tagged(greengrass, group_id, "120")
    reset = await greengrass.reset(group_id)
    await keeper(greengrass, timedelta(minutes=121)).look()
    status = await greengrass.status(group_id, reset)
    assert status["DeploymentStatus"] == "Failure"
    assert "within 2 hours" in status["ErrorMessage"]
    await report(greengrass, core, group_id, reset, "Success")
    status = await greengrass.status(group_id, reset)
    assert status["DeploymentStatus"] == "Success"


@pytest.mark.parametrize("text", ["0", "-1", "", "1.5", "1 day", "43201", "99999999999", "²"])
async def test_a_tag_that_is_no_deadline_is_refused_with_what_to_do(
    greengrass: Estate, text: str
) -> None:
    group_id, version_id, _ = await group_of(greengrass)
    await tagged(greengrass, group_id, text)
    with pytest.raises(AwsError, match="a number of minutes from 1 to 43200") as caught:
        await greengrass.deploy(group_id, version_id)
    assert caught.value.code == "BadRequestException"


async def test_a_deployment_whose_build_was_cut_off_is_built_again(greengrass: Estate) -> None:
    group_id, version_id, _ = await group_of(greengrass)
    request = {
        "GroupId": group_id,
        "DeploymentType": "NewDeployment",
        "GroupVersionId": version_id,
    }
    begun = await greengrass.write(lambda tx: deployments.begin(tx, HOME, request))
    await greengrass.deployer.start()

    async def is_on_its_way() -> bool:
        status = await greengrass.status(group_id, begun["DeploymentId"])
        return bool(status["DeploymentStatus"] == "InProgress")

    await until(greengrass.registrar.store, is_on_its_way)
    force = {"GroupId": group_id, "Force": True}
    cut_off = await greengrass.write(lambda tx: deployments.reset(tx, HOME, force))
    await keeper(greengrass, LOOK_EVERY / 2).look()
    status = await greengrass.status(group_id, cut_off["DeploymentId"])
    assert status["DeploymentStatus"] == "Building"
    await keeper(greengrass, LOOK_EVERY * 2).look()

    async def is_done() -> bool:
        status = await greengrass.status(group_id, cut_off["DeploymentId"])
        return bool(status["DeploymentStatus"] == "Success")

    await until(greengrass.registrar.store, is_done)


async def test_one_that_is_never_built_says_so_in_the_end(greengrass: Estate) -> None:
    group_id, version_id, _ = await group_of(greengrass)
    request = {
        "GroupId": group_id,
        "DeploymentType": "NewDeployment",
        "GroupVersionId": version_id,
    }
    begun = await greengrass.write(lambda tx: deployments.begin(tx, HOME, request))
    await keeper(greengrass, timedelta(days=2)).look()
    status = await greengrass.status(group_id, begun["DeploymentId"])
    assert status["DeploymentStatus"] == "Failure"
    assert "could not be built within 1 day" in status["ErrorMessage"]


@pytest.mark.spec("S01")
async def test_every_state_is_an_event_and_a_repeated_report_is_none(greengrass: Estate) -> None:
    group_id, version_id, core = await group_of(greengrass)
    first = await greengrass.deploy(group_id, version_id)
    for status in ("InProgress", "InProgress", "Success", "Success"):
        await report(greengrass, core, group_id, first, status)
    assert await events(greengrass, first) == ["Building", "InProgress", "Success"]
    second = await greengrass.deploy(group_id, version_id)
    await report(greengrass, core, group_id, second, "Failure")
    assert await events(greengrass, second) == ["Building", "InProgress", "Failure"]
    forced = await greengrass.reset(group_id, force=True)
    assert await events(greengrass, forced) == ["Building", "InProgress", "Success"]
    records = await greengrass.registrar.store.all(EVENT, HOME.account)
    assert {record.document.topic for record in records} == {
        f"$aws/events/greengrass/deployments/{group_id}"
    }
    assert {record.document.detail["deployment-type"] for record in records} == {
        "NewDeployment",
        "ForceResetDeployment",
    }


async def test_what_cannot_be_built_is_an_event_too(greengrass: Estate) -> None:
    core = issued()
    await greengrass.registrar.enrol("core", core)
    group_id = await greengrass.group()
    version_id = await greengrass.simple_version(group_id, ("core", core), {})
    deployment_id = await greengrass.deploy(group_id, version_id)
    assert await events(greengrass, deployment_id) == ["Building", "Failure"]
    group = await greengrass.registrar.store.get(GROUP, HOME.account, group_id)
    assert group is not None


def test_lengths_of_time_are_said_in_the_largest_whole_unit() -> None:
    said = [in_words(timedelta(minutes=minutes)) for minutes in (1, 59, 60, 90, 120, 1440, 4320)]
    assert said == ["1 minute", "59 minutes", "1 hour", "90 minutes", "2 hours", "1 day", "3 days"]
    assert allowed_minutes({}) == 1440
