"""boto3 and the AWS CLI's own validator, unchanged, against the record of a running cloud."""

import argparse
import asyncio
import base64
import contextlib
import functools
import gzip
import io
import json
import shutil
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from awscli.customizations.cloudtrail.validation import (  # type: ignore[import-untyped]
    CloudTrailValidateLogs,
)
from botocore import xform_name
from botocore.exceptions import ClientError
from click.testing import CliRunner
from tests.support.clock import ManualClock
from tests.support.cloud import ACCOUNT, REGION, RunningCloud, born_cloud, running_cloud
from tests.support.trail import delivering, digest_files, log_files, put_records, raw_records

from hedgerow.cli import main
from hedgerow.cloud.app import CloudApp
from hedgerow.cloud.cloudtrail import Intervals


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[RunningCloud]:
    async with running_cloud(tmp_path) as running:
        yield running


async def trail(cloud: RunningCloud, operation: str, **members: Any) -> dict[str, Any]:
    """Call cloudtrail as the administrator."""
    return await cloud.call("cloudtrail", operation, **members)


async def looked_up(cloud: RunningCloud, attribute: str, value: str) -> list[dict[str, Any]]:
    """Look events up by an attribute."""
    attributes = [{"AttributeKey": attribute, "AttributeValue": value}]
    answer = await trail(cloud, "lookup_events", LookupAttributes=attributes)
    events: list[dict[str, Any]] = answer["Events"]
    return events


async def code_of(call: Callable[[], Any]) -> str:
    """Make a call that has to fail, and return the error's code."""
    with pytest.raises(ClientError) as raised:
        await asyncio.to_thread(call)
    code: str = raised.value.response["Error"]["Code"]
    return code


def event_of(shown: Mapping[str, Any]) -> Any:
    return json.loads(shown["CloudTrailEvent"])


@pytest.mark.spec("R08")
async def test_every_call_is_in_the_history_with_who_what_when_and_where_from(
    cloud: RunningCloud,
) -> None:
    made = await cloud.greengrass(
        "create_core_definition", Name="cores", InitialVersion={"Cores": []}
    )
    await cloud.greengrass("get_core_definition", CoreDefinitionId=made["Id"])
    created, read = reversed(await looked_up(cloud, "EventSource", "greengrass.amazonaws.com"))
    event = event_of(created)
    assert event["eventName"] == "CreateCoreDefinition"
    assert event["requestParameters"] == {"Name": "cores", "InitialVersion": "***"}
    assert event["responseElements"]["Id"] == made["Id"]
    assert event["userIdentity"]["type"] == "IAMUser"
    assert event["userIdentity"]["accountId"] == ACCOUNT
    assert (event["awsRegion"], event["sourceIPAddress"]) == (REGION, "127.0.0.1")
    assert event["userAgent"].startswith("Boto3/")
    assert (event["readOnly"], event_of(read)["readOnly"]) == (False, True)
    assert len(event["requestID"]) == len(event["eventID"]) == 36
    assert created["Username"] == event["userIdentity"]["userName"]
    assert created["Resources"] == [
        {"ResourceType": "AWS::Greengrass::CoreDefinition", "ResourceName": made["Id"]}
    ]
    assert event["additionalEventData"]["decision"]


@pytest.mark.spec("R08")
async def test_every_operation_of_greengrass_leaves_its_event(cloud: RunningCloud) -> None:
    """Whatever becomes of the call: most of these name nothing that exists."""
    client = await asyncio.to_thread(cloud.client, "greengrass")
    model = client.meta.service_model

    def call_all() -> None:
        for name in model.operation_names:
            shape = model.operation_model(name).input_shape
            members = {member: _least(shape.members[member]) for member in shape.required_members}
            with contextlib.suppress(ClientError):
                getattr(client, xform_name(name))(**members)

    await asyncio.to_thread(call_all)
    history = await asyncio.to_thread(cloud.client, "cloudtrail")
    attributes = [{"AttributeKey": "EventSource", "AttributeValue": "greengrass.amazonaws.com"}]
    pages = history.get_paginator("lookup_events").paginate(LookupAttributes=attributes)
    events = await asyncio.to_thread(lambda: [event for page in pages for event in page["Events"]])
    assert sorted(event["EventName"] for event in events) == sorted(model.operation_names)
    reading = {event["EventName"] for event in events if event["ReadOnly"] == "true"}
    assert reading == {name for name in model.operation_names if name.startswith(("Get", "List"))}


def _least(shape: Any) -> Any:
    """Return the least value that botocore sends for a required member."""
    kinds = {"structure": dict, "list": list, "map": dict, "integer": int, "boolean": bool}
    made = kinds.get(shape.type_name)
    return (shape.enum[0] if shape.enum else "x") if made is None else made()


@pytest.mark.spec("R09")
async def test_denied_and_malformed_calls_are_in_the_history(cloud: RunningCloud) -> None:
    greengrass = await asyncio.to_thread(cloud.client, "greengrass")
    wrong = await code_of(lambda: greengrass.associate_service_role_to_account(RoleArn="nonsense"))
    stranger = await asyncio.to_thread(
        lambda: cloud.client("greengrass", aws_secret_access_key="wrong")
    )
    unproven = await code_of(stranger.list_groups)
    events = await looked_up(cloud, "EventName", "AssociateServiceRoleToAccount")
    event = event_of(events[0])
    assert event["errorCode"] == wrong
    assert event["responseElements"] == {"Message": event["errorMessage"]}
    event = event_of((await looked_up(cloud, "EventName", "UnidentifiedCall"))[0])
    assert event["errorCode"] == unproven
    assert event["userIdentity"]["type"] == "Unknown"
    assert event["recipientAccountId"] == ACCOUNT


@pytest.mark.spec("R09")
async def test_a_call_that_policies_deny_is_in_the_history_with_the_decision(
    cloud: RunningCloud,
) -> None:
    await cloud.call("iam", "create_user", UserName="nobody")
    key = (await cloud.call("iam", "create_access_key", UserName="nobody"))["AccessKey"]
    nobody = await asyncio.to_thread(
        lambda: cloud.client(
            "greengrass",
            aws_access_key_id=key["AccessKeyId"],
            aws_secret_access_key=key["SecretAccessKey"],
        )
    )
    denied = await code_of(nobody.list_groups)
    (shown,) = await looked_up(cloud, "AccessKeyId", key["AccessKeyId"])
    event = event_of(shown)
    assert (event["errorCode"], event["eventName"]) == (denied, "ListGroups")
    assert event["userIdentity"]["userName"] == "nobody"
    assert event["additionalEventData"]["decision"]
    made = event_of((await looked_up(cloud, "EventName", "CreateAccessKey"))[0])
    assert made["requestParameters"] == {"userName": "nobody"}
    assert made["responseElements"]["accessKey"]["secretAccessKey"] == "***"


@pytest.mark.spec("R10")
async def test_who_comes_from_another_account_is_in_the_history_of_both(
    cloud: RunningCloud,
) -> None:
    async with cloud.member("plant") as member:
        await member.iot("create_thing", thingName="lamp")
        theirs = [event_of(shown) for shown in await looked_up(member, "EventName", "AssumeRole")]
        done = event_of((await looked_up(member, "EventName", "CreateThing"))[0])
        ours = [event_of(shown) for shown in await looked_up(cloud, "EventName", "AssumeRole")]
    (theirs_only,), (ours_only,) = theirs, ours
    assert theirs_only["sharedEventID"] == ours_only["sharedEventID"]
    assert theirs_only["eventID"] != ours_only["eventID"]
    assert theirs_only["userIdentity"]["type"] == "AWSAccount"
    assert "additionalEventData" not in theirs_only, "our policies are not theirs to know"
    assert theirs_only["userIdentity"]["accountId"] == ACCOUNT
    assert theirs_only["recipientAccountId"] != ACCOUNT == ours_only["recipientAccountId"]
    assert ours_only["userIdentity"]["type"] == "IAMUser"
    assert done["userIdentity"]["type"] == "AssumedRole"
    issuer = done["userIdentity"]["sessionContext"]["sessionIssuer"]
    assert issuer["userName"] == "OrganizationAccountAccessRole"
    assert await looked_up(cloud, "EventName", "CreateThing") == []


@pytest.mark.promise(8)
async def test_a_device_that_is_refused_is_in_the_history(cloud: RunningCloud) -> None:
    device = await cloud.enrol_device("lamp")
    async with cloud.https(device.identity) as https:
        answer = await https.get("/things/other/shadow")
        assert answer.status == 403
    event = event_of((await looked_up(cloud, "EventName", "DeviceRequestRefused"))[0])
    assert event["userIdentity"]["type"] == "Certificate"
    assert event["userIdentity"]["principalId"] in device.certificate_arn
    assert event["serviceEventDetails"] == {"method": "GET", "path": "/things/other/shadow"}


@pytest.mark.promise(8)
async def test_a_handshake_that_is_refused_is_in_the_history(cloud: RunningCloud) -> None:
    """Without a client certificate; it belongs to no account, so to the cloud's first one."""
    context = ssl.create_default_context(cadata=cloud.roots_pem)
    port = cloud.endpoints.device_mqtt_port
    with contextlib.suppress(OSError):  # the alert can come before or after the handshake's end
        reader, writer = await asyncio.open_connection("localhost", port, ssl=context)
        with contextlib.suppress(OSError):
            await reader.read()
        writer.close()
    event = event_of((await looked_up(cloud, "EventName", "TlsHandshakeRefused"))[0])
    assert event["errorMessage"] == "PEER_DID_NOT_RETURN_A_CERTIFICATE"
    assert event["sourceIPAddress"] == "127.0.0.1"
    assert (event["userIdentity"], event["eventType"]) == ({"type": "Unknown"}, "AwsServiceEvent")


async def test_pages_of_history_have_every_event_once_newest_first(cloud: RunningCloud) -> None:
    for number in range(12):
        await cloud.iot("create_thing", thingName=f"thing-{number}")
    client = await asyncio.to_thread(cloud.client, "cloudtrail")
    attributes = [{"AttributeKey": "EventName", "AttributeValue": "CreateThing"}]
    pages = client.get_paginator("lookup_events").paginate(
        LookupAttributes=attributes, PaginationConfig={"PageSize": 5}
    )
    found = await asyncio.to_thread(lambda: [page["Events"] for page in pages])
    assert [len(page) for page in found] == [5, 5, 2]
    names = [event_of(event)["requestParameters"]["thingName"] for page in found for event in page]
    assert names == [f"thing-{number}" for number in reversed(range(12))]


async def test_wrong_lookups_have_awss_errors(cloud: RunningCloud) -> None:
    client = await asyncio.to_thread(cloud.client, "cloudtrail")
    two = [{"AttributeKey": "EventName", "AttributeValue": "x"}] * 2
    lookup = client.lookup_events
    assert await code_of(lambda: lookup(LookupAttributes=two)) == "InvalidLookupAttributesException"
    assert await code_of(lambda: lookup(NextToken="made-up")) == "InvalidNextTokenException"
    late = {"StartTime": 2_000_000_000, "EndTime": 1_000_000_000}
    assert await code_of(lambda: lookup(**late)) == "InvalidTimeRangeException"
    assert await code_of(lambda: lookup(EventCategory="insight")) == "InvalidEventCategoryException"


@pytest.mark.spec("R08")
async def test_a_trail_delivers_and_what_it_delivered_verifies(
    cloud: RunningCloud, tmp_path: Path
) -> None:
    made = await trail(
        cloud,
        "create_trail",
        Name="main",
        S3BucketName="audit",
        S3KeyPrefix="plant/one",
        EnableLogFileValidation=True,
    )
    arn = made["TrailARN"]
    assert arn == f"arn:aws:cloudtrail:{REGION}:{ACCOUNT}:trail/main"
    await trail(cloud, "start_logging", Name=arn)
    await cloud.iot("create_thing", thingName="lamp")
    await cloud.greengrass("create_core_definition", InitialVersion={"Cores": []})
    await trail(cloud, "stop_logging", Name=arn)
    async with asyncio.timeout(10):
        while "LatestDigestDeliveryTime" not in await trail(cloud, "get_trail_status", Name=arn):
            pass
    bucket = cloud.data_dir / "deliveries" / ACCOUNT / "audit"
    assert (bucket / "plant" / "one" / "AWSLogs" / ACCOUNT / "CloudTrail" / REGION).is_dir()
    records = {
        record["eventName"]: record
        for file in log_files(bucket)
        for record in json.loads(gzip.decompress(file.read_bytes()))["Records"]
    }
    assert {"StartLogging", "CreateThing", "StopLogging"} <= records.keys()
    (shown,) = await looked_up(cloud, "EventName", "CreateCoreDefinition")
    assert records["CreateCoreDefinition"] == event_of(shown)
    public = tmp_path / "public.pem"
    runner = CliRunner()
    public.write_text(runner.invoke(main, ["trail", "key", "--data", str(cloud.data_dir)]).output)
    command = ["trail", "verify", str(bucket), "--public-key", str(public), "--account", ACCOUNT]
    done = await asyncio.to_thread(runner.invoke, main, command)
    assert (done.exit_code, "all as they were delivered" in done.output) == (0, True), done.output
    file = log_files(bucket)[0]
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    done = await asyncio.to_thread(runner.invoke, main, command)
    assert (done.exit_code, "ChangedFile" in done.output) == (1, True)


async def test_where_and_how_often_trails_deliver_is_for_the_administrator_to_say(
    tmp_path: Path,
) -> None:
    data_dir = tmp_path / "cloud"
    await asyncio.to_thread(shutil.copytree, born_cloud(), data_dir)
    elsewhere, second = tmp_path / "another-disk", timedelta(seconds=1)
    app = await CloudApp.open(
        data_dir,
        host="127.0.0.1",
        api_port=0,
        device_https_port=0,
        device_mqtt_port=0,
        deliveries=elsewhere,
        trail_intervals=Intervals(logs=second, digests=second),
    )
    await app.start()
    running = RunningCloud(app, data_dir)
    try:
        await trail(
            running, "create_trail", Name="m-1", S3BucketName="audit", EnableLogFileValidation=True
        )
        await trail(running, "start_logging", Name="m-1")
        bucket = elsewhere / ACCOUNT / "audit"
        async with asyncio.timeout(15):
            while len(digest_files(bucket)) < 2:  # noqa: ASYNC110 - files have no events
                await asyncio.sleep(0.05)
    finally:
        running.close_clients()
        await app.stop()
    assert log_files(bucket)
    assert not (data_dir / "deliveries").exists()


async def test_trails_are_described_changed_tagged_and_deleted(cloud: RunningCloud) -> None:
    made = await trail(
        cloud,
        "create_trail",
        Name="main",
        S3BucketName="audit",
        TagsList=[{"Key": "plant", "Value": "one"}],
    )
    arn = made["TrailARN"]
    (described,) = (await trail(cloud, "describe_trails"))["trailList"]
    assert described == {
        "Name": "main",
        "S3BucketName": "audit",
        "IncludeGlobalServiceEvents": True,
        "IsMultiRegionTrail": False,
        "HomeRegion": REGION,
        "TrailARN": arn,
        "LogFileValidationEnabled": False,
        "HasCustomEventSelectors": False,
        "HasInsightSelectors": False,
        "IsOrganizationTrail": False,
    }
    await trail(cloud, "update_trail", Name="main", EnableLogFileValidation=True)
    assert (await trail(cloud, "get_trail", Name=arn))["Trail"]["LogFileValidationEnabled"]
    assert [row["Name"] for row in (await trail(cloud, "list_trails"))["Trails"]] == ["main"]
    assert not (await trail(cloud, "get_trail_status", Name="main"))["IsLogging"]
    await trail(cloud, "add_tags", ResourceId=arn, TagsList=[{"Key": "line", "Value": "2"}])
    await trail(cloud, "remove_tags", ResourceId=arn, TagsList=[{"Key": "plant"}])
    (tags,) = (await trail(cloud, "list_tags", ResourceIdList=[arn]))["ResourceTagList"]
    assert tags == {"ResourceId": arn, "TagsList": [{"Key": "line", "Value": "2"}]}
    selectors = await trail(cloud, "get_event_selectors", TrailName="main")
    assert selectors["EventSelectors"][0]["ReadWriteType"] == "All"
    await trail(cloud, "delete_trail", Name="main")
    client = await asyncio.to_thread(cloud.client, "cloudtrail")
    assert await code_of(lambda: client.get_trail(Name="main")) == "TrailNotFoundException"


WRONG_TRAILS: tuple[tuple[dict[str, Any], str], ...] = (
    ({"Name": "m"}, "InvalidTrailNameException"),
    ({"Name": "a..b"}, "InvalidTrailNameException"),
    ({"Name": "192.168.5.4"}, "InvalidTrailNameException"),
    ({"S3BucketName": "../../etc"}, "InvalidS3BucketNameException"),
    ({"S3BucketName": "a..b"}, "InvalidS3BucketNameException"),
    ({"S3KeyPrefix": "../up"}, "InvalidS3PrefixException"),
    ({"S3KeyPrefix": "/etc"}, "InvalidS3PrefixException"),
    ({"S3KeyPrefix": "a//b"}, "InvalidS3PrefixException"),
    ({"SnsTopicName": "topic"}, "UnsupportedOperationException"),
    ({"KmsKeyId": "key"}, "UnsupportedOperationException"),
    (
        {"IsMultiRegionTrail": True, "IncludeGlobalServiceEvents": False},
        "InvalidParameterCombinationException",
    ),
    ({"TagsList": [{"Key": "aws:x", "Value": "y"}]}, "InvalidTagParameterException"),
)


async def test_wrong_trails_have_awss_errors(cloud: RunningCloud) -> None:
    client = await asyncio.to_thread(cloud.client, "cloudtrail")
    for members, code in WRONG_TRAILS:
        good = {"Name": "main", "S3BucketName": "audit", **members}
        assert await code_of(functools.partial(client.create_trail, **good)) == code, members


async def test_the_public_key_is_listed_as_validators_want_it(cloud: RunningCloud) -> None:
    (key,) = (await trail(cloud, "list_public_keys"))["PublicKeyList"]
    told = CliRunner().invoke(main, ["trail", "key", "--data", str(cloud.data_dir), "--json"])
    assert json.loads(told.output)["fingerprint"] == key["Fingerprint"]


class Keys(list[str]):
    """The keys of a listing, as the CLI asks for them."""

    def search(self, _expression: str) -> "Keys":
        return self


class FolderAsS3:
    """Gives a delivery folder to the AWS CLI as S3 would, with signatures as metadata."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get_client(self, _bucket: str) -> "FolderAsS3":
        return self

    def get_paginator(self, _operation: str) -> "FolderAsS3":
        return self

    def paginate(self, *, Bucket: str, Marker: str, Prefix: str) -> Any:  # noqa: N803 - S3's names
        bucket = self._folder / Bucket
        keys = (path.relative_to(bucket).as_posix() for path in bucket.rglob("*.json.gz"))
        return Keys(key for key in sorted(keys) if key > Marker and key.startswith(Prefix))

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803 - likewise
        path = self._folder / Bucket / Key
        if not path.exists():
            raise ClientError({"Error": {"Code": "NoSuchKey"}}, "GetObject")
        signature = path.with_name(path.name + ".signature")
        metadata = {}
        if signature.exists():
            metadata["signature"] = signature.read_text().split("\n", maxsplit=1)[0]
            metadata["signature-algorithm"] = "SHA256withRSA"
        return {"Body": io.BytesIO(path.read_bytes()), "Metadata": metadata}


class ValidateLogs(CloudTrailValidateLogs):  # type: ignore[misc]  # awscli has no types
    """`aws cloudtrail validate-logs` over a folder, and with keys that were listed before."""

    def __init__(self, folder: Path, keys: Mapping[str, Any]) -> None:
        super().__init__(None)
        self.s3_client_provider = FolderAsS3(folder)
        self.cloudtrail_client = self
        self._keys = keys

    def list_public_keys(self, **_range: Any) -> Mapping[str, Any]:
        return self._keys

    def setup_services(self, _globals: Any) -> None:
        self._source_region = REGION
        self.organization_client = None

    def run(self) -> int:
        arguments = argparse.Namespace(
            trail_arn=f"arn:aws:cloudtrail:{REGION}:{ACCOUNT}:trail/main",
            verbose=True,
            s3_bucket="audit",
            s3_prefix=None,
            account_id=None,
            start_time="2026-10-07T00:00:00Z",
            end_time="2026-10-07T23:00:00Z",
        )
        status: int = self._run_main(arguments, None)
        return status


@pytest.mark.spec("R11")
async def test_the_aws_command_lines_own_validation_agrees(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with delivering(tmp_path, ManualClock()) as estate:
        await estate.api(
            "CreateTrail", Name="main", S3BucketName="audit", EnableLogFileValidation=True
        )
        await estate.api("StartLogging", Name="main")
        await estate.later(minutes=6)
        estate.calls(3)
        await estate.later(hours=1)
        await estate.later(hours=1)
        (key,) = (await estate.api("ListPublicKeys"))["PublicKeyList"]
    keys = {"PublicKeyList": [{**key, "Value": base64.b64encode(key["Value"])}]}
    assert ValidateLogs(estate.folder, keys).run() == 0
    told = capsys.readouterr().out
    assert "2/2 digest files valid" in told
    assert "2/2 log files valid" in told
    file = log_files(estate.folder / "audit")[0]
    put_records(file, raw_records(file)[1:])
    assert ValidateLogs(estate.folder, keys).run() == 1
    assert "1/2 log files valid, 1/2 log files INVALID" in capsys.readouterr().out


@pytest.mark.spec("R09")
@pytest.mark.promise(8)
async def test_what_never_became_a_call_is_in_the_history_too(cloud: RunningCloud) -> None:
    context = ssl.create_default_context(cadata=cloud.roots_pem)
    port = cloud.endpoints.api_port
    reader, writer = await asyncio.open_connection("localhost", port, ssl=context)
    writer.write(b"NONSENSE\r\n\r\n")
    await reader.read()
    writer.close()
    device = await cloud.enrol_device("lamp")
    async with cloud.https(device.identity) as https:
        assert (await https.post("/things/lamp/shadow", b"x" * 300_000)).status == 413
    event = event_of((await looked_up(cloud, "EventName", "UnidentifiedCall"))[0])
    assert (event["errorCode"], event["sourceIPAddress"]) == ("BadRequest", "127.0.0.1")
    event = event_of((await looked_up(cloud, "EventName", "DeviceRequestRefused"))[0])
    assert event["errorCode"] == "413"
    assert event["userIdentity"]["principalId"] in device.certificate_arn
