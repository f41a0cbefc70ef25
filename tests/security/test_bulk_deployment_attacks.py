"""Make a bulk deployment read what it must not, or act with a role that was not for it."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st
from tests.support.access import allow, deny, document
from tests.support.api_users import AccountAdministrator, in_thread
from tests.support.bulk import (
    BUCKET,
    KEY,
    URI,
    bucket_of,
    counts_of,
    ended,
    execution_role,
    line,
    line_of,
    put_input,
    reports_of,
    start,
)
from tests.support.cloud import ACCOUNT, REGION, RunningCloud, running_cloud
from tests.support.roles import trust_policy

from hedgerow.aws import AwsError
from hedgerow.cloud.greengrass.bulk_buckets import InputBuckets, InputObject, NoInputFileError
from hedgerow.cloud.greengrass.bulk_input import MAX_INPUT_BYTES

pytestmark = pytest.mark.promise(1)

DESCRIPTORS = Path("/proc/self/fd")
SECRET = b"what is outside"
S3 = f"https://s3.{REGION}.amazonaws.com"


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[RunningCloud]:
    async with running_cloud(tmp_path, combined=False) as running:
        yield running


@pytest.fixture
def buckets(tmp_path: Path) -> InputBuckets:
    """Return the buckets of an account, one with a file, in a folder beside secrets."""
    folder = tmp_path / "cloud" / "buckets"
    (folder / ACCOUNT / BUCKET / "sub").mkdir(parents=True)
    (folder / ACCOUNT / BUCKET / KEY).write_bytes(b"inside")
    (folder / ACCOUNT / "other-bucket").mkdir()
    (folder / "999999999999" / BUCKET).mkdir(parents=True)
    (folder / "999999999999" / BUCKET / "theirs").write_bytes(SECRET)
    (tmp_path / "cloud" / "master.key").write_bytes(SECRET)
    return InputBuckets(folder, ACCOUNT)


@pytest.mark.parametrize(
    "uri",
    [
        "s3://my-bucket/../../../master.key",
        "s3://my-bucket/..",
        "s3://my-bucket/.",
        "s3://my-bucket/",
        "s3://my-bucket",
        "s3://my-bucket//etc/passwd",
        "s3://my-bucket/sub/../../../999999999999/my-bucket/theirs",
        "s3://my-bucket/./MyBulkDeploymentInputFile",
        "s3://../my-bucket/theirs",
        "s3://..",
        "s3:///etc/passwd",
        "s3://my-bucket/a\\..\\b",
        "s3://my-bucket/a\0b",
        "s3://my-bucket/a%2f..%2fb",
        "s3://my-bucket/" + "a" * 256,
        "s3://my-bucket/" + "a/" * 600 + "a",
        "s3://my-bucket/k?versionId=1",
        "s3://my-bucket/k#f",
        "s3://user@my-bucket/k",
        "s3://my-bucket:80/k",
        "s3://my-bucket:port/k",
        "s3://[my-bucket/k",
        "S3.my-bucket/k",
        "file:///etc/passwd",
        "/etc/passwd",
        "my-bucket/k",
        "",
        "http://s3.amazonaws.com/my-bucket/k",
        "https://elsewhere.example/my-bucket/k",
        "https://s3.amazonaws.com.example/my-bucket/k",
        f"{S3}/my-bucket/%2e%2e/%2e%2e/%2e%2e/master.key",
        f"{S3}/my-bucket/..%2f..%2f..%2fmaster.key",
        f"{S3}/%2e%2e/999999999999/my-bucket",
        f"{S3}/my-bucket/%00",
        f"{S3}/my-bucket/%ff",
        f"{S3}/my-bucket",
        f"https://...s3.{REGION}.amazonaws.com/k",
        f"https://..%2f999999999999.s3.{REGION}.amazonaws.com/k",
        "s3://My_Bucket/k",
        "s3://192.168.5.4/k",
    ],
)
def test_an_address_that_leads_elsewhere_is_none(uri: str) -> None:
    with pytest.raises(AwsError) as refused:
        InputObject.of(uri)
    assert refused.value.code == "BadRequestException"


@pytest.mark.parametrize(
    "uri",
    [
        URI,
        f"{S3}/{BUCKET}/{KEY}",
        f"https://s3.amazonaws.com/{BUCKET}/{KEY}",
        f"https://s3-{REGION}.amazonaws.com/{BUCKET}/{KEY}",
        f"https://s3.dualstack.{REGION}.amazonaws.com/{BUCKET}/{KEY}",
        f"https://{BUCKET}.s3.amazonaws.com/{KEY}",
        f"https://{BUCKET}.s3.{REGION}.amazonaws.com/{KEY}",
        f"https://{BUCKET}.s3-{REGION}.amazonaws.com/{KEY}",
        f"{S3}/{BUCKET}/%4dyBulkDeploymentInputFile",
    ],
)
def test_every_form_of_an_address_names_the_same_file(buckets: InputBuckets, uri: str) -> None:
    found = InputObject.of(uri)
    assert (found.bucket, found.key) == (BUCKET, KEY)
    assert buckets.read(found) == b"inside"


@given(
    bucket=st.text("ab./-%\\~", max_size=8) | st.just(BUCKET),
    key=st.text("a./%2eEf\\~ *?#:@", max_size=30),
    service=st.sampled_from(["s3:/", S3]),
)
def test_no_address_becomes_a_path_with_a_way_out(bucket: str, key: str, service: str) -> None:
    try:
        found = InputObject.of(f"{service}/{bucket}/{key}")
    except AwsError:
        return
    parts = [found.bucket, *found.key.split("/")]
    assert not {"", ".", ".."} & set(parts)
    assert "/" not in found.bucket
    path = Path("/buckets", ACCOUNT, *parts)
    assert Path(os.path.normpath(path)) == path
    assert path.is_relative_to(Path("/buckets", ACCOUNT, found.bucket))


def test_no_link_is_followed_and_nothing_but_a_file_is_read(buckets: InputBuckets) -> None:
    own = buckets.folder / ACCOUNT
    master_key = buckets.folder.parent / "master.key"
    (own / BUCKET / "link").symlink_to(master_key)
    (own / BUCKET / "folder").symlink_to(buckets.folder / "999999999999" / BUCKET)
    (own / "linked-bucket").symlink_to(buckets.folder / "999999999999" / BUCKET)
    (own / BUCKET / "inner").symlink_to(own / BUCKET / KEY)
    os.mkfifo(own / BUCKET / "pipe")  # opening it to read would wait for a writer for ever
    for uri in (
        f"s3://{BUCKET}/link",
        f"s3://{BUCKET}/folder/theirs",
        "s3://linked-bucket/theirs",
        f"s3://{BUCKET}/inner",
        f"s3://{BUCKET}/pipe",
        f"s3://{BUCKET}/sub",
        f"s3://{BUCKET}/{KEY}/below",
        f"s3://{BUCKET}/absent",
        "s3://absent/k",
        "s3://other-bucket/theirs",
        f"s3://{BUCKET}/theirs",
    ):
        with pytest.raises(NoInputFileError, match="does not exist"):
            buckets.read(InputObject.of(uri))
    linked = InputBuckets(buckets.folder, "888888888888")
    (buckets.folder / "888888888888").symlink_to(buckets.folder / "999999999999")
    with pytest.raises(NoInputFileError):
        linked.read(InputObject.of(f"s3://{BUCKET}/theirs"))


def test_reading_leaves_no_open_files(buckets: InputBuckets) -> None:
    before = len(list(DESCRIPTORS.iterdir()))
    for _time in range(5):
        assert buckets.read(InputObject.of(URI)) == b"inside"
        for key in ("absent", f"{KEY}/below", "sub"):
            with pytest.raises(NoInputFileError):
                buckets.read(InputObject.of(f"s3://{BUCKET}/{key}"))
    assert len(list(DESCRIPTORS.iterdir())) == before


@pytest.mark.spec("P14")
def test_a_file_of_100_mb_is_not_read(buckets: InputBuckets) -> None:
    path = buckets.folder / ACCOUNT / BUCKET / KEY
    os.truncate(path, MAX_INPUT_BYTES - 1)
    assert len(buckets.read(InputObject.of(URI))) == MAX_INPUT_BYTES - 1
    os.truncate(path, MAX_INPUT_BYTES)
    with pytest.raises(AwsError, match="smaller than 100 MB"):
        buckets.read(InputObject.of(URI))


async def refusal(cloud: RunningCloud, **members: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as refused:
        await cloud.greengrass("start_bulk_deployment", **members)
    error = refused.value.response["Error"]
    message = error.get("Message") or refused.value.response.get("Message", "")
    return error["Code"], str(message)


async def test_a_path_out_of_the_folder_is_refused_at_once(cloud: RunningCloud) -> None:
    role = await execution_role(cloud, {"Version": "2012-10-17", "Statement": [allow("*")]})
    for uri in ("s3://my-bucket/../../../master.key", "s3://../my-bucket/k"):
        code, _ = await refusal(cloud, ExecutionRoleArn=role, InputFileUri=uri)
        assert code == "BadRequestException"
    await start(cloud, role)  # nothing was begun by those


async def test_a_bucket_of_the_same_name_in_another_account_is_another_bucket(
    cloud: RunningCloud,
) -> None:
    put_input(cloud, [line("group", "version")])
    async with cloud.member("intruders") as intruders:
        everything = {"Version": "2012-10-17", "Statement": [allow("*")]}
        role = await execution_role(intruders, everything)
        status = await ended(intruders, await start(intruders, role), "Failed")
        assert status["ErrorDetails"][0]["DetailedErrorCode"] == "404"
        put_input(intruders, [line("group", "version")])
        assert bucket_of(intruders) != bucket_of(cloud)
        assert counts_of(await ended(intruders, await start(intruders, role), "Completed"))[0] == 1


@pytest.mark.spec("P15")
async def test_a_group_of_another_account_is_not_deployed(cloud: RunningCloud) -> None:
    group = await cloud.group("core")
    async with cloud.member("intruders") as intruders:
        put_input(intruders, [line_of(group)])
        everything = {"Version": "2012-10-17", "Statement": [allow("*")]}
        role = await execution_role(intruders, everything)
        bulk_id = await start(intruders, role)
        assert counts_of(await ended(intruders, bulk_id, "Completed")) == (1, 1, 0)
        (report,) = await reports_of(intruders, bulk_id)
        assert report["ErrorDetails"][0]["DetailedErrorCode"] == "IdNotFoundException"
    listed = await cloud.greengrass("list_deployments", GroupId=group.group_id)
    assert listed["Deployments"] == []


@pytest.mark.spec("L07", "P15")
async def test_only_who_may_pass_the_execution_role_starts(cloud: RunningCloud) -> None:
    role = await execution_role(cloud)
    other = await execution_role(cloud, name="other")

    def check(administrator: AccountAdministrator) -> None:
        may = allow("greengrass:*")
        mary = administrator.user("marymajor", may)
        call = {"ExecutionRoleArn": role, "InputFileUri": URI}
        begin = ("greengrass", "start_bulk_deployment")
        refused = mary.refusal(*begin, **call)
        assert refused is not None
        assert f"not authorized to perform: iam:PassRole on resource: {role}" in refused
        to_lambda = {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}
        administrator.rewrite("marymajor", may, allow("iam:PassRole", Condition=to_lambda))
        assert mary.refusal(*begin, **call)
        to_greengrass = {"StringEquals": {"iam:PassedToService": "greengrass.amazonaws.com"}}
        passing = allow("iam:PassRole", on=role, Condition=to_greengrass)
        administrator.rewrite("marymajor", may, passing)
        assert mary.refusal(*begin, **{**call, "ExecutionRoleArn": other})
        assert mary.call("greengrass", "list_bulk_deployments")["BulkDeployments"] == []
        assert mary.call(*begin, **call)["BulkDeploymentId"]

    await in_thread(check, cloud)


@pytest.mark.spec("L11", "P15")
async def test_a_role_that_is_not_greengrasss_is_refused(cloud: RunningCloud) -> None:
    lambdas = await execution_role(
        cloud, name="of-lambda", trust=trust_policy(service="lambda.amazonaws.com")
    )
    code, message = await refusal(cloud, ExecutionRoleArn=lambdas, InputFileUri=URI)
    assert code == "BadRequestException"
    assert "does not trust greengrass.amazonaws.com" in message
    absent = f"arn:aws:iam::{ACCOUNT}:role/absent"
    code, message = await refusal(cloud, ExecutionRoleArn=absent, InputFileUri=URI)
    assert (code, message) == ("BadRequestException", "That role ARN is invalid.")
    async with cloud.member("owners") as owners:
        theirs = await execution_role(owners, trust=trust_policy())
        code, _ = await refusal(cloud, ExecutionRoleArn=theirs, InputFileUri=URI)
        assert code in {"AccessDeniedException", "BadRequestException"}


@pytest.mark.spec("L12")
@pytest.mark.parametrize(
    ("account", "source"),
    [
        ("999999999999", f"arn:aws:greengrass:{REGION}:{ACCOUNT}:*"),
        (ACCOUNT, f"arn:aws:greengrass:{REGION}:999999999999:*"),
        (ACCOUNT, f"arn:aws:greengrass:{REGION}:{ACCOUNT}:/greengrass/groups/*"),
    ],
)
async def test_a_role_held_to_something_else_is_of_no_use(
    cloud: RunningCloud, account: str, source: str
) -> None:
    put_input(cloud, [line("group", "version")])
    role = await execution_role(cloud, trust=trust_policy(account=account, source=source))
    bulk_id = await start(cloud, role)
    status = await ended(cloud, bulk_id, "Failed")
    assert status["ErrorDetails"][0]["DetailedErrorCode"] == "403"
    assert "not authorized to assume the execution role" in status["ErrorMessage"]
    assert counts_of(status) == (0, 0, 0)


@pytest.mark.spec("V02")
async def test_denials_by_tag_time_and_version_hold_for_what_the_role_does(
    cloud: RunningCloud,
) -> None:
    """Greengrass is judged like a caller: also by what is denied, and by the group's tags."""
    plain, tagged, held = [await cloud.group(f"core-{number}") for number in range(3)]
    arn = f"arn:aws:greengrass:{REGION}:{ACCOUNT}:/greengrass/groups"
    await cloud.greengrass(
        "tag_resource", ResourceArn=f"{arn}/{tagged.group_id}", tags={"Env": "prod"}
    )
    deploy = "greengrass:CreateDeployment"
    version = f"{arn}/{held.group_id}/versions/{held.version_id}"
    late = {"DateGreaterThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}}
    prod = {"StringEquals": {"greengrass:ResourceTag/env": "prod"}}
    role = await execution_role(cloud)

    async def invalid_under(*statements: dict[str, Any]) -> list[str]:
        await cloud.call(
            "iam",
            "put_role_policy",
            RoleName="bulk",
            PolicyName="bulk",
            PolicyDocument=document(allow("s3:GetObject"), *statements),
        )
        for group in (plain, tagged, held):
            group.deployment_id = (
                await cloud.greengrass("reset_deployments", GroupId=group.group_id, Force=True)
            )["DeploymentId"]
        put_input(cloud, map(line_of, (plain, tagged, held)))
        bulk_id = await start(cloud, role)
        await ended(cloud, bulk_id, "Completed")
        return [
            report["GroupArn"].split("/")[3]
            for report in reversed(await reports_of(cloud, bulk_id))
            if report["DeploymentStatus"] == "Failure"
        ]

    everything = [plain.group_id, tagged.group_id, held.group_id]
    assert await invalid_under(allow(deploy)) == []
    assert await invalid_under(allow("greengrass:Get*")) == everything
    assert await invalid_under(allow(deploy), deny(deploy, Condition=prod)) == everything[1:2]
    assert await invalid_under(allow(deploy), deny(deploy, on=version)) == everything[2:]
    assert await invalid_under(allow(deploy, on=version)) == everything[:2]
    assert await invalid_under(allow(deploy, Condition=prod)) == [everything[0], everything[2]]
    assert await invalid_under(allow(deploy), deny(deploy, Condition=late)) == everything


@pytest.mark.spec("V02")
async def test_tags_of_a_bulk_deployment_say_who_may_stop_and_see_it(cloud: RunningCloud) -> None:
    role = await execution_role(cloud)
    bulk_id = await start(cloud, role, tags={"env": "beta"})
    await ended(cloud, bulk_id, "Failed")

    def check(administrator: AccountAdministrator) -> None:
        tagged = {"StringEquals": {"aws:ResourceTag/env": "beta"}}
        other = {"StringEquals": {"aws:ResourceTag/env": "prod"}}
        tester = administrator.user("tester", allow("greengrass:*", Condition=tagged))
        for operation in (
            "get_bulk_deployment_status",
            "list_bulk_deployment_detailed_reports",
            "stop_bulk_deployment",
        ):
            administrator.rewrite("tester", allow("greengrass:*", Condition=tagged))
            call = ("greengrass", operation)
            assert tester.refusal(*call, BulkDeploymentId=bulk_id) is None
            administrator.rewrite("tester", allow("greengrass:*", Condition=other))
            assert tester.refusal(*call, BulkDeploymentId=bulk_id)
        starting = allow("greengrass:StartBulkDeployment", "iam:PassRole")
        administrator.rewrite("tester", starting)
        call = ("greengrass", "start_bulk_deployment")
        members = {"ExecutionRoleArn": role, "InputFileUri": URI}
        refused = tester.refusal(*call, **members, tags={"env": "beta"})
        assert refused is not None
        assert "greengrass:TagResource" in refused
        assert tester.refusal(*call, **members) is None

    await in_thread(check, cloud)


async def test_a_role_that_loses_its_permission_meanwhile_deploys_nothing_more(
    cloud: RunningCloud,
) -> None:
    """What waits for another attempt is judged again when its time comes."""
    group = await cloud.group("core")
    await group.deploy(succeed=False)
    put_input(cloud, [line_of(group)])
    bulk_id = await start(cloud, await execution_role(cloud))
    async with asyncio.timeout(20):
        while not await reports_of(cloud, bulk_id):
            pass
    await cloud.call("iam", "delete_role_policy", RoleName="bulk", PolicyName="bulk")
    await group.report("Success")
    status = await ended(cloud, bulk_id, "Completed")
    assert counts_of(status) == (1, 1, 1)
    (report,) = await reports_of(cloud, bulk_id)
    assert report["ErrorDetails"][0]["DetailedErrorCode"] == "AccessDeniedException"
    listed = await cloud.greengrass("list_deployments", GroupId=group.group_id)
    assert [row["DeploymentId"] for row in listed["Deployments"]] == [group.deployment_id]
