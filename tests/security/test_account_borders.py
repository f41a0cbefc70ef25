"""Accounts beside each other: nothing of one is seen, changed or reached from another."""

import asyncio
import functools
import gzip
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ParamValidationError
from tests.support.account_borders import (
    CANARY,
    Reach,
    Victim,
    know_organization,
    rows_of,
    sent_texts,
    settled,
    trust_document,
    victim_of,
)
from tests.support.cloud import (
    EnrolledThing,
    RunningCloud,
    in_boto3_words,
    running_cloud,
)
from tests.support.cloud_edge import MqttDevice, Received

from hedgerow.cloud.app import Layout
from hedgerow.contract import (
    artifact_path,
    connectivity_path,
    deployment_path,
    discovery_path,
    shadow_http_path,
)

EVERYTHING = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
    }
)
SHADOW = b'{"state":{"reported":{"on":1}}}'
CARELESS = Config(
    parameter_validation=False, inject_host_prefix=False, retries={"total_max_attempts": 1}
)
OWN_WORDS = frozenset({"cloudtrail:LookupEvents"})
"""What answers with things that the attacker has said before."""


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[RunningCloud]:
    async with running_cloud(tmp_path, combined=False) as running:
        yield running


@pytest.fixture
async def other(cloud: RunningCloud) -> AsyncIterator[RunningCloud]:
    async with cloud.member("other") as running:
        yield running


@asynccontextmanager
async def administrator_of(cloud: RunningCloud) -> AsyncIterator[RunningCloud]:
    """Give a user who may do everything in an account."""
    call = functools.partial(cloud.call, "iam")
    await call("create_user", UserName="thief")
    administrator = "arn:aws:iam::aws:policy/AdministratorAccess"
    await call("attach_user_policy", UserName="thief", PolicyArn=administrator)
    key = (await call("create_access_key", UserName="thief"))["AccessKey"]
    credentials = {
        "aws_access_key_id": key["AccessKeyId"],
        "aws_secret_access_key": key["SecretAccessKey"],
    }
    entered = RunningCloud(cloud.app, cloud.data_dir, cloud.account, credentials)
    try:
        yield entered
    finally:
        entered.close_clients()


@dataclass
class Attack:
    """Calls with one account's credentials, and what they gave away of the victim."""

    victim: Victim
    leaks: list[str] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    silent: list[str] = field(default_factory=list)

    def on(self, service: str, client: Any, built: frozenset[str]) -> None:
        """Try every operation of a service."""
        reach, model = Reach(self.victim), client.meta.service_model
        for name in model.operation_names:
            operation = model.operation_model(name)
            inputs = reach.inputs(operation, thorough=name in built)
            heard = [self._heard(f"{service}:{name}", client, name, sent) for sent in inputs]
            if not any(heard):
                self.silent.append(f"{service}:{name}")

    def _heard(self, label: str, client: Any, name: str, sent: Any) -> bool:
        """Make a call; say whether the cloud has answered it."""
        try:
            answer = client._make_api_call(name, sent)
            self.outcomes["answered"] += 1
        except ClientError as error:
            answer = error.response
            self.outcomes[answer["Error"]["Code"]] += 1
        except (ParamValidationError, ValueError, TypeError, KeyError):
            return False
        answer.pop("ResponseMetadata", None)
        self._judge(label, sent_texts(sent), _text(answer))
        return True

    def _judge(self, label: str, sent: str, answer: str) -> None:
        if CANARY in answer or "Canary" in answer:
            self.leaks.append(f"{label} {sent} gave the canary: {answer[:300]}")
        if label in OWN_WORDS:
            return
        for secret in self.victim.identifiers:
            if secret in answer and secret not in sent:
                self.leaks.append(f"{label} {sent} gave {secret}")


def _text(answer: Any) -> str:
    """Return an answer as one text, streams read to their end."""
    readable = {
        name: value.read().decode(errors="replace") if hasattr(value, "read") else value
        for name, value in answer.items()
    }
    return sent_texts(readable)


@pytest.mark.promise(1)
@pytest.mark.spec("L19")
@pytest.mark.timeout(120)
@pytest.mark.parametrize("attacker", ["a member", "the management account"])
async def test_no_operation_of_any_service_reaches_into_another_account(
    cloud: RunningCloud, other: RunningCloud, attacker: str
) -> None:
    theirs, own = (cloud, other) if attacker == "a member" else (other, cloud)
    victim = await victim_of(theirs)
    operations = dict(cloud.app._rooms.accounts.operations_of(own.account))
    if attacker == "a member":
        await know_organization(victim)
    else:
        del operations["organizations"]  # by which a member is listed and closed, as it should be
    before = await settled(cloud, theirs.account)
    assert len(before) > 40
    attack = Attack(victim)
    async with administrator_of(own) as thief:
        for service, built in operations.items():
            client = await asyncio.to_thread(thief.client, service, config=CARELESS)
            await asyncio.to_thread(attack.on, service, client, frozenset(built))
    assert attack.leaks == []
    assert rows_of(cloud.data_dir, theirs.account) == before
    assert attack.silent == []
    assert attack.outcomes["answered"] > 50, attack.outcomes


async def refused(cloud: RunningCloud, service: str, operation: str, **members: Any) -> str:
    """Return the code that a call is refused with."""
    with pytest.raises(ClientError) as error:
        await cloud.call(service, operation, **members)
    return str(error.value.response["Error"]["Code"])


async def make_role(cloud: RunningCloud, name: str, trusted: str) -> str:
    """Make a role that may do everything in its account; return its ARN."""
    iam = "iam"
    role = await cloud.call(
        iam, "create_role", RoleName=name, AssumeRolePolicyDocument=trust_document(trusted)
    )
    await cloud.call(
        iam, "put_role_policy", RoleName=name, PolicyName="all", PolicyDocument=EVERYTHING
    )
    return str(role["Role"]["Arn"])


@pytest.mark.promise(1)
async def test_names_are_free_in_every_account_and_mean_its_own_things(
    cloud: RunningCloud, other: RunningCloud
) -> None:
    for one in (cloud, other):
        await one.iot(
            "create_thing", thingName="pump", attributePayload={"attributes": {"a": one.account}}
        )
        await one.call("iam", "create_user", UserName="alice")
    for one in (cloud, other):
        thing = await one.iot("describe_thing", thingName="pump")
        assert thing["attributes"] == {"a": one.account}
        assert thing["thingArn"].split(":")[4] == one.account
        (user,) = [
            user
            for user in (await one.call("iam", "list_users"))["Users"]
            if user["UserName"] == "alice"
        ]
        assert user["Arn"] == f"arn:aws:iam::{one.account}:user/alice"
    await other.iot("delete_thing", thingName="pump")
    assert await cloud.iot("describe_thing", thingName="pump")


@pytest.mark.promise(1)
@pytest.mark.spec("L19")
async def test_a_role_is_entered_from_another_account_only_if_it_trusts_that_account(
    cloud: RunningCloud, other: RunningCloud
) -> None:
    closed = await make_role(cloud, "closed", f"arn:aws:iam::{cloud.account}:root")
    opened = await make_role(cloud, "opened", f"arn:aws:iam::{other.account}:root")
    code = await refused(other, "sts", "assume_role", RoleArn=closed, RoleSessionName="thief")
    assert code == "AccessDenied"
    guest = await other.call("sts", "assume_role", RoleArn=opened, RoleSessionName="guest")
    entered = RunningCloud(
        cloud.app, cloud.data_dir, cloud.account, in_boto3_words(guest["Credentials"])
    )
    try:
        identity = await entered.call("sts", "get_caller_identity")
        assert identity["Arn"] == f"arn:aws:sts::{cloud.account}:assumed-role/opened/guest"
        await entered.iot("create_thing", thingName="made-by-guest")
    finally:
        entered.close_clients()
    assert [thing["thingName"] for thing in (await cloud.iot("list_things"))["things"]] == [
        "made-by-guest"
    ]
    assert (await other.iot("list_things"))["things"] == []


@pytest.mark.promise(1)
async def test_a_role_of_another_account_is_passed_to_no_service(
    cloud: RunningCloud, other: RunningCloud
) -> None:
    """Not even one that trusts the service for everybody: that would make it a confused deputy."""
    trust = json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"Service": "greengrass.amazonaws.com"},
                    "Action": "sts:AssumeRole",
                }
            ],
        }
    )
    await cloud.call("iam", "create_role", RoleName="open", AssumeRolePolicyDocument=trust)
    arn = f"arn:aws:iam::{cloud.account}:role/open"
    group = (await other.greengrass("create_group", Name="g"))["Id"]
    for operation, members in {
        "associate_service_role_to_account": {},
        "associate_role_to_group": {"GroupId": group},
    }.items():
        code = await refused(other, "greengrass", operation, RoleArn=arn, **members)
        assert code == "AccessDeniedException"
    await cloud.greengrass("associate_service_role_to_account", RoleArn=arn)


@pytest.mark.promise(1)
async def test_a_group_is_made_of_its_own_account_s_parts(
    cloud: RunningCloud, other: RunningCloud
) -> None:
    victim = await cloud.enrol_device("sensor")
    theirs = await cloud.greengrass(
        "create_device_definition", InitialVersion={"Devices": [victim.member()]}
    )
    group = (await other.greengrass("create_group", Name="g"))["Id"]
    code = await refused(
        other,
        "greengrass",
        "create_group_version",
        GroupId=group,
        DeviceDefinitionVersionArn=theirs["LatestVersionArn"],
    )
    assert code in {"BadRequestException", "AccessDeniedException"}
    for kind in ("device", "core"):
        code = await refused(
            other,
            "greengrass",
            f"create_{kind}_definition",
            InitialVersion={f"{kind.title()}s": [victim.member()]},
        )
        assert code in {"BadRequestException", "AccessDeniedException"}


@pytest.mark.promise(1)
async def test_a_session_s_parts_work_together_only(
    cloud: RunningCloud, other: RunningCloud
) -> None:
    session = await cloud.call("sts", "get_session_token")
    foreign = in_boto3_words(session["Credentials"])
    mixed = {**other.credentials, "aws_session_token": foreign["aws_session_token"]}
    client = await asyncio.to_thread(cloud.client, "sts", **mixed)
    with pytest.raises(ClientError) as error:
        await asyncio.to_thread(client.get_caller_identity)
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


@asynccontextmanager
async def mqtt(cloud: RunningCloud, thing: EnrolledThing) -> AsyncIterator[MqttDevice]:
    """Connect a device to the cloud's broker."""
    device = MqttDevice(
        cloud.endpoints.device_mqtt_port, thing.identity, thing.name, roots=cloud.roots_pem
    )
    code, reason = await device.connect()
    assert code == 0, reason
    try:
        yield device
    finally:
        await device.close()


@pytest.mark.promise(3)
async def test_messages_stay_in_their_account_whatever_policies_allow(
    cloud: RunningCloud, other: RunningCloud
) -> None:
    """The devices have one name, one topic and every permission, and are both connected."""
    here, there = [await one.enrol("pump", EVERYTHING) for one in (cloud, other)]
    async with mqtt(cloud, here) as mine, mqtt(other, there) as theirs:
        for device in (mine, theirs):
            assert (await device.subscribe("#", 1))[0] <= 1
            assert (await device.subscribe("$aws/things/pump/shadow/#", 1))[0] <= 1
        await mine.publish("t", CANARY.encode())
        await cloud.call("iot-data", "update_thing_shadow", thingName="pump", payload=SHADOW)
        await cloud.call("iot-data", "publish", topic="t", qos=1, payload=CANARY.encode())
        await theirs.publish("t", b"own", qos=1)
        await theirs.publish("end", b"own", qos=1)
        heard: list[Received] = []
        while not heard or heard[-1].topic != "end":
            heard.append(await theirs.received())
        assert [(message.topic, message.payload) for message in heard] == [
            ("t", b"own"),
            ("end", b"own"),
        ]
        assert (await mine.received()).payload == CANARY.encode()


@pytest.mark.promise(2)
async def test_a_device_reaches_nothing_of_another_account_over_https(
    cloud: RunningCloud, other: RunningCloud
) -> None:
    victim = await cloud.enrol_device("sensor")
    group = await cloud.group("core", victim)
    await group.deploy()
    await cloud.call("iot-data", "update_thing_shadow", thingName="core", payload=SHADOW)
    thief = await other.enrol("core", EVERYTHING)
    calls = [
        discovery_path("sensor"),
        discovery_path("core"),
        deployment_path(group.group_id, group.deployment_id),
        artifact_path(group.group_id, group.deployment_id, "group.json"),
        artifact_path(group.group_id, group.deployment_id, "membership.json"),
        shadow_http_path("core"),
        shadow_http_path("sensor"),
    ]
    async with other.https(thief.identity) as connection:
        answers = [await connection.get(path) for path in calls]
        assert [answer.status for answer in answers] == [403, 404, 403, 403, 403, 404, 404]
        own = await connection.put(connectivity_path("core"), b'{"ConnectivityInfo":[]}')
        assert own.status == 200
        assert (await connection.put(connectivity_path("sensor"), b"{}")).status == 403
    everything = b"".join(answer.body for answer in answers)
    assert victim.identity.certificate_id.encode() not in everything
    async with cloud.https(victim.identity) as connection:
        assert (await connection.get(discovery_path("sensor"))).status == 200


@pytest.mark.promise(2)
async def test_a_certificate_registered_in_two_accounts_belongs_to_the_first(
    cloud: RunningCloud, other: RunningCloud
) -> None:
    """Somebody who copies a device's certificate into an account of theirs gains nothing by it."""
    stranded = await cloud.enrol_foreign("pump", EVERYTHING)
    copied = await other.iot(
        "register_certificate_without_ca",
        certificatePem=stranded.identity.certificate_pem,
        status="ACTIVE",
    )
    await other.iot("create_thing", thingName="pump")
    await other.iot("create_policy", policyName="p", policyDocument=EVERYTHING)
    arn = copied["certificateArn"]
    await other.iot("attach_policy", policyName="p", target=arn)
    await other.iot("attach_thing_principal", thingName="pump", principal=arn)
    body = json.dumps({"state": {"reported": {"canary": CANARY}}}).encode()
    async with cloud.https(stranded.identity) as connection:
        assert (await connection.post(shadow_http_path("pump"), body)).status == 200
    assert await cloud.call("iot-data", "get_thing_shadow", thingName="pump")
    code = await refused(other, "iot-data", "get_thing_shadow", thingName="pump")
    assert code == "ResourceNotFoundException"
    await cloud.iot(
        "update_certificate", certificateId=copied["certificateId"], newStatus="REVOKED"
    )
    async with cloud.https(stranded.identity) as connection:
        assert (await connection.post(shadow_http_path("pump"), body)).status == 401


@pytest.mark.promise(4)
async def test_closing_an_account_ends_its_devices_and_credentials_and_nobody_else_s(
    cloud: RunningCloud, other: RunningCloud
) -> None:
    here, there = [await one.enrol("pump", EVERYTHING) for one in (cloud, other)]
    async with mqtt(cloud, here) as mine, mqtt(other, there) as theirs:
        await cloud.call("organizations", "close_account", AccountId=other.account)
        await theirs.ended()
        assert (await mine.publish("t"))[0] <= 16
    code = await refused(other, "sts", "get_caller_identity")
    assert code == "InvalidClientTokenId"
    device = MqttDevice(
        cloud.endpoints.device_mqtt_port, there.identity, "pump", roots=cloud.roots_pem
    )
    code_of_connect, _ = await device.connect()
    assert code_of_connect != 0
    await device.close()
    session = await cloud.call(
        "sts",
        "assume_role",
        RoleArn=f"arn:aws:iam::{other.account}:role/OrganizationAccountAccessRole",
        RoleSessionName="late",
    )
    late = RunningCloud(
        cloud.app, cloud.data_dir, other.account, in_boto3_words(session["Credentials"])
    )
    assert await refused(late, "iot", "list_things") == "UnrecognizedClientException"
    late.close_clients()


@pytest.mark.promise(8)
async def test_an_account_s_trail_has_its_own_calls_and_no_others(
    cloud: RunningCloud, other: RunningCloud
) -> None:
    await cloud.iot("create_thing", thingName="shared-name")
    assert await refused(cloud, "iot", "describe_thing", thingName=CANARY) != ""
    await refused(other, "iot", "describe_thing", thingName="own")
    for one in (cloud, other):
        events = (await one.call("cloudtrail", "lookup_events"))["Events"]
        records = [json.loads(event["CloudTrailEvent"]) for event in events]
        assert len(records) >= 1
        assert {record["recipientAccountId"] for record in records} == {one.account}
        foreign = [each for each in records if each["userIdentity"]["accountId"] != one.account]
        assert {record["eventName"] for record in foreign} <= {"AssumeRole"}
    assert len(foreign) == 1, "who entered the account from outside"
    assert CANARY not in json.dumps(records)
    assert "own" in json.dumps(records)


@pytest.mark.promise(8)
async def test_buckets_of_one_name_are_another_folder_in_every_account(
    cloud: RunningCloud, other: RunningCloud
) -> None:
    for one in (cloud, other):
        call = functools.partial(one.call, "cloudtrail")
        await call("create_trail", Name="all", S3BucketName="shared", EnableLogFileValidation=True)
        await call("start_logging", Name="all")
        await one.iot("create_thing", thingName=f"thing-of-{one.account}")
        await call("stop_logging", Name="all")
    for one, stranger in ((cloud, other), (other, cloud)):
        folder = Layout(cloud.data_dir).deliveries / one.account / "shared"
        async with asyncio.timeout(10):
            while f"thing-of-{one.account}" not in delivered(folder):
                await one.call("cloudtrail", "get_trail_status", Name="all")
        assert stranger.account not in delivered(folder)


def delivered(folder: Path) -> str:
    """Return all log files of a bucket, with their names."""
    files = folder.rglob("*.json.gz")
    return "".join(f"{path} {gzip.decompress(path.read_bytes()).decode()}" for path in files)


@pytest.mark.promise(8)
async def test_a_call_that_proves_nothing_is_recorded_where_its_key_points_to(
    cloud: RunningCloud, other: RunningCloud
) -> None:
    """Whoever claims a key of an account is seen by that account, and by no other."""
    changes = {**other.credentials, "aws_secret_access_key": "guessed"}
    client = await asyncio.to_thread(cloud.client, "iot", **changes)
    with pytest.raises(ClientError):
        await asyncio.to_thread(client.list_things)
    found = []
    for one in (cloud, other):
        events = (await one.call("cloudtrail", "lookup_events"))["Events"]
        records = [json.loads(event["CloudTrailEvent"]) for event in events]
        found.append([one for one in records if one["userIdentity"]["type"] == "Unknown"])
    assert found[0] == []
    assert len(found[1]) == 1
