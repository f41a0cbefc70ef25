"""`hedgerow core provision` makes everything or nothing."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from click.testing import Result
from tests.support.cloud import RunningCloud
from tests.support.commands import commanded_cloud, hedgerow

KINDS = ("core", "device", "function", "subscription")


@pytest.fixture
async def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[RunningCloud]:
    async with commanded_cloud(tmp_path / "cloud", monkeypatch) as made:
        yield made


async def estate(cloud: RunningCloud) -> dict[str, list[str]]:
    """Return the names and ids of all that provisioning can make in the account."""
    things = (await cloud.iot("list_things"))["things"]
    certificates = (await cloud.iot("list_certificates"))["certificates"]
    policies = (await cloud.iot("list_policies"))["policies"]
    found = {
        "things": [each["thingName"] for each in things],
        "certificates": [each["certificateId"] for each in certificates],
        "policies": [each["policyName"] for each in policies],
        "groups": [each["Id"] for each in (await cloud.greengrass("list_groups"))["Groups"]],
    }
    for kind in KINDS:
        listed = (await cloud.greengrass(f"list_{kind}_definitions"))["Definitions"]
        found[kind] = [each["Id"] for each in listed]
    return found


async def provision(folder: Path, *words: str) -> Result:
    """Run the command; its files go into the folder `new`."""
    where = ("--root", str(folder / "new" / "root"), "--devices-dir", str(folder / "new" / "d"))
    command = ["core", "provision", *where, *words]
    return await hedgerow(*command)


def files(folder: Path) -> list[Path]:
    return [path for path in (folder / "new").rglob("*") if path.is_file()]


LINE = ("--name", "line", "--device", "press")


async def changes(cloud: RunningCloud) -> list[str]:
    """Return the operations that changed something, as the trail has them."""
    asked = [{"AttributeKey": "ReadOnly", "AttributeValue": "false"}]
    found = await cloud.call("cloudtrail", "lookup_events", LookupAttributes=asked)
    return [event["EventName"] for event in found["Events"]]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((*LINE, "--row", "pres", "a", "cloud"), "--row names 'pres'"),
        (("--name", "line 7"), "'line 7' cannot be a thing's name"),
        (("--name", "line", "--device", "a press"), "'a press' cannot be a thing's name"),
        (("--name", "line", "--device", "line"), "'line' is named twice"),
        ((*LINE, "--sync-shadow", "pres"), "neither the core nor a --device"),
    ],
)
async def test_a_mistake_is_told_before_anything_is_made(
    cloud: RunningCloud, tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    before = await changes(cloud)
    done = await provision(tmp_path, *words)
    assert done.exit_code == 1
    assert said in done.output
    assert await changes(cloud) == before
    assert files(tmp_path) == []


@pytest.mark.parametrize("place", ["root/certs", "d/press"])
async def test_a_folder_in_use_is_told_before_anything_is_made(
    cloud: RunningCloud, tmp_path: Path, place: str
) -> None:
    used = tmp_path / "new" / place
    used.mkdir(parents=True)
    (used / "old.cert.pem").touch()
    before = await changes(cloud)
    done = await provision(tmp_path, *LINE)
    assert done.exit_code == 1
    assert "already holds a certificate" in done.output
    assert await changes(cloud) == before


@pytest.mark.promise(6)
async def test_what_was_made_is_taken_back_when_a_later_step_fails(
    cloud: RunningCloud, tmp_path: Path
) -> None:
    """Also the thing, the policies and the group; what was there before stays."""
    await cloud.iot("create_thing", thingName="press")
    before = await estate(cloud)
    rows = ("--row", "press", "a", "cloud", "--row", "press", "a/#/b", "line")
    done = await provision(tmp_path, *LINE, *rows, "--sync-shadow", "line")
    assert done.exit_code == 1
    assert "could not be taken back" not in done.output
    assert await estate(cloud) == before
    assert files(tmp_path) == []


async def allow_fitter(cloud: RunningCloud, *denied: str) -> None:
    """Let the fitter do everything but these actions."""
    statements = [{"Effect": "Allow", "Action": "*", "Resource": "*"}]
    statements += [{"Effect": "Deny", "Action": each, "Resource": "*"} for each in denied]
    policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
    one = {"UserName": "fitter", "PolicyName": "own"}
    await cloud.call("iam", "put_user_policy", **one, PolicyDocument=policy)


async def as_fitter(cloud: RunningCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run commands as a user who may do everything but deploy."""
    await cloud.call("iam", "create_user", UserName="fitter")
    await allow_fitter(cloud, "greengrass:CreateDeployment")
    key = (await cloud.call("iam", "create_access_key", UserName="fitter"))["AccessKey"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])


@pytest.mark.promise(6)
@pytest.mark.parametrize("group_there", [False, True])
async def test_a_deployment_that_is_refused_takes_everything_back(
    cloud: RunningCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, group_there: bool
) -> None:
    """And the same command does it all once it may."""
    await cloud.service_role()
    if group_there:
        await cloud.greengrass("create_group", Name="line-group")
    await as_fitter(cloud, monkeypatch)
    before = await estate(cloud)
    done = await provision(tmp_path, *LINE)
    assert done.exit_code == 1
    assert "greengrass:CreateDeployment" in done.output
    assert "could not be taken back" not in done.output
    assert await estate(cloud) == before
    assert not (tmp_path / "new").exists()
    await allow_fitter(cloud)
    again = await provision(tmp_path, *LINE)
    assert again.exit_code == 0, again.output


async def latest(cloud: RunningCloud, group_id: str) -> dict[str, str]:
    """Return what the latest version of a group points at."""
    group = await cloud.greengrass("get_group", GroupId=group_id)
    version = await cloud.greengrass(
        "get_group_version", GroupId=group_id, GroupVersionId=group["LatestVersion"]
    )
    found: dict[str, str] = version["Definition"]
    return found


@pytest.mark.promise(6)
async def test_a_device_whose_group_cannot_be_deployed_is_taken_back(
    cloud: RunningCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The group's latest version is again what it was."""
    made = await provision(tmp_path, "--name", "line", "--no-deploy")
    assert made.exit_code == 0, made.output
    group_id = (await cloud.greengrass("list_groups"))["Groups"][0]["Id"]
    await as_fitter(cloud, monkeypatch)
    before, content = await estate(cloud), await latest(cloud, group_id)
    command = ["device", "provision", "--name", "late", "--dir", str(tmp_path / "late")]
    command += ["--group", "line-group", "--row", "late", "a", "cloud", "--sync-shadow"]
    done = await hedgerow(*command)
    assert done.exit_code == 1
    assert "greengrass:CreateDeployment" in done.output
    assert "could not be taken back" not in done.output
    assert await estate(cloud) == before
    assert await latest(cloud, group_id) == content
    assert not (tmp_path / "late").exists()
