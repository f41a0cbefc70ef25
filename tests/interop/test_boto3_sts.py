"""boto3, unchanged, gets temporary credentials from a whole cloud and works with them."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from structlog.testing import capture_logs
from tests.support.cloud import ACCOUNT, RunningCloud, running_cloud
from tests.support.people import allow, policy, trusting

from hedgerow.cloud.iam.access_keys import create_access_key
from hedgerow.kernel import SystemClock

ROOT = f"arn:aws:iam::{ACCOUNT}:root"


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[RunningCloud]:
    async with running_cloud(tmp_path) as running:
        yield running


def keys(credentials: Mapping[str, Any]) -> dict[str, str]:
    """Return credentials as a client takes them."""
    return {
        "aws_access_key_id": credentials["AccessKeyId"],
        "aws_secret_access_key": credentials["SecretAccessKey"],
        "aws_session_token": credentials["SessionToken"],
    }


async def call(client: Any, operation: str, **members: Any) -> Any:
    """Call an operation of a client without keeping the loop waiting."""
    return await asyncio.to_thread(getattr(client, operation), **members)


async def events(cloud: RunningCloud) -> list[dict[str, Any]]:
    """Return what the history tells, the newest first."""
    found = await cloud.call("cloudtrail", "lookup_events")
    return [json.loads(event["CloudTrailEvent"]) for event in found["Events"]]


async def device(cloud: RunningCloud, user: str) -> tuple[str, TOTP, int]:
    """Enable a device for a user; return its serial number, its codes, and the step used last."""
    made = await cloud.call("iam", "create_virtual_mfa_device", VirtualMFADeviceName=user)
    seed = base64.b32decode(made["VirtualMFADevice"]["Base32StringSeed"])
    serial: str = made["VirtualMFADevice"]["SerialNumber"]
    totp = TOTP(seed, 6, SHA1(), 30)  # noqa: S303 - what the apps have
    step = int(SystemClock().now().timestamp()) // 30
    await cloud.call(
        "iam",
        "enable_mfa_device",
        UserName=user,
        SerialNumber=serial,
        AuthenticationCode1=totp.generate((step - 1) * 30).decode(),
        AuthenticationCode2=totp.generate(step * 30).decode(),
    )
    return serial, totp, step


@pytest.mark.spec("L01")
async def test_an_assumed_role_signs_calls_of_other_services(cloud: RunningCloud) -> None:
    await cloud.call(
        "iam", "create_role", RoleName="reader", AssumeRolePolicyDocument=trusting(ROOT)
    )
    await cloud.call(
        "iam",
        "put_role_policy",
        RoleName="reader",
        PolicyName="own",
        PolicyDocument=policy(allow("iot:ListThings")),
    )
    made = await cloud.call(
        "sts",
        "assume_role",
        RoleArn=f"arn:aws:iam::{ACCOUNT}:role/reader",
        RoleSessionName="shift",
        DurationSeconds=900,
    )
    left = made["Credentials"]["Expiration"] - datetime.now(UTC)  # noqa: TID251 - a client's clock
    assert timedelta(minutes=14) < left <= timedelta(minutes=15)
    assert made["AssumedRoleUser"]["Arn"].endswith(":assumed-role/reader/shift")
    session = keys(made["Credentials"])
    iot = cloud.client("iot", **session)
    assert (await call(iot, "list_things"))["things"] == []
    with pytest.raises(ClientError, match="is not authorized to perform: iot:CreateThing"):
        await call(iot, "create_thing", thingName="lamp")
    del session["aws_session_token"]
    with pytest.raises(ClientError) as caught:
        await call(cloud.client("iot", **session), "list_things")
    assert caught.value.response["Error"]["Code"] == "UnrecognizedClientException"


@pytest.mark.spec("L19")
async def test_another_account_is_entered_by_an_assumed_role_only(cloud: RunningCloud) -> None:
    async with cloud.member("plant") as plant:
        await cloud.iot("create_thing", thingName="ours")
        await plant.iot("create_thing", thingName="theirs")
        who = await plant.call("sts", "get_caller_identity")
        assert who["Account"] == plant.account != ACCOUNT
        assert [one["thingName"] for one in (await plant.iot("list_things"))["things"]] == [
            "theirs"
        ]
        stranger = await plant.call(
            "iam",
            "create_role",
            RoleName="closed",
            AssumeRolePolicyDocument=trusting(f"arn:aws:iam::{plant.account}:root"),
        )
        with pytest.raises(ClientError, match="is not authorized to perform: sts:AssumeRole"):
            await cloud.call(
                "sts", "assume_role", RoleArn=stranger["Role"]["Arn"], RoleSessionName="xx"
            )


@pytest.mark.spec("L05", "R10")
async def test_a_one_time_code_opens_what_asks_for_one(cloud: RunningCloud) -> None:
    needs_code = {"Bool": {"aws:MultiFactorAuthPresent": "true"}}
    await cloud.call("iam", "create_user", UserName="ada")
    made = await cloud.call("iam", "create_access_key", UserName="ada")
    text = policy(allow("iot:*", "sts:AssumeRole", Condition=needs_code))
    await cloud.call(
        "iam", "put_user_policy", UserName="ada", PolicyName="own", PolicyDocument=text
    )
    lasting = {
        "aws_access_key_id": made["AccessKey"]["AccessKeyId"],
        "aws_secret_access_key": made["AccessKey"]["SecretAccessKey"],
    }
    serial, totp, step = await device(cloud, "ada")
    with pytest.raises(ClientError, match="not authorized"):
        await call(cloud.client("iot", **lasting), "list_things")
    sts = cloud.client("sts", **lasting)
    without = await call(sts, "get_session_token")
    with pytest.raises(ClientError, match="not authorized"):
        await call(cloud.client("iot", **keys(without["Credentials"])), "list_things")
    code = totp.generate((step + 1) * 30).decode()
    proven = await call(sts, "get_session_token", SerialNumber=serial, TokenCode=code)
    assert await call(cloud.client("iot", **keys(proven["Credentials"])), "list_things")
    with pytest.raises(ClientError, match="invalid MFA one time pass code"):
        await call(sts, "get_session_token", SerialNumber=serial, TokenCode=code)
    calls = [event for event in await events(cloud) if event["eventName"] == "ListThings"]
    assert {event["userIdentity"]["userName"] for event in calls} == {"ada"}
    assert [
        (
            event["userIdentity"]
            .get("sessionContext", {})
            .get("attributes", {})
            .get("mfaAuthenticated")
        )
        for event in reversed(calls)
    ] == [None, "false", "true"]


@pytest.mark.spec("R10")
async def test_a_federated_user_and_the_small_operations(cloud: RunningCloud) -> None:
    made = await cloud.call(
        "sts", "get_federation_token", Name="guest", Policy=policy(allow("iot:ListThings"))
    )
    session = keys(made["Credentials"])
    assert await call(cloud.client("iot", **session), "list_things")
    with pytest.raises(ClientError, match="no session policy allows"):
        await call(cloud.client("iot", **session), "list_policies")
    for event in await events(cloud):
        by_guest = event["eventName"] in {"ListThings", "ListPolicies"}
        assert event["userIdentity"]["type"] == ("FederatedUser" if by_guest else "IAMUser")
    info = await cloud.call(
        "sts", "get_access_key_info", AccessKeyId=made["Credentials"]["AccessKeyId"]
    )
    assert info["Account"] == ACCOUNT


@pytest.mark.promise(9)
async def test_no_secret_of_a_session_is_in_the_trail(cloud: RunningCloud) -> None:
    await cloud.call("iam", "create_user", UserName="ada")
    key = await cloud.call("iam", "create_access_key", UserName="ada")
    session = await cloud.call("sts", "get_session_token")
    found = await cloud.call("cloudtrail", "lookup_events")
    text = json.dumps(found, default=str)
    assert "GetSessionToken" in text
    for secret in (
        key["AccessKey"]["SecretAccessKey"],
        session["Credentials"]["SecretAccessKey"],
        session["Credentials"]["SessionToken"],
    ):
        assert secret not in text


@pytest.mark.promise(8)
@pytest.mark.spec("R10")
async def test_every_use_of_the_root_is_flagged_and_logged_as_a_warning(
    cloud: RunningCloud,
) -> None:
    async with cloud.app._store.transaction() as tx:
        root = await create_access_key(tx, ACCOUNT, ACCOUNT)
    lasting = {
        "aws_access_key_id": root.access_key_id,
        "aws_secret_access_key": root.secret_access_key.reveal(),
    }
    with capture_logs() as logs:
        await cloud.call("sts", "get_caller_identity")
        await call(cloud.client("iot", **lasting), "list_things")
        session = await call(cloud.client("sts", **lasting), "get_session_token")
        with pytest.raises(ClientError, match="Cannot call IAM APIs"):
            await call(cloud.client("iam", **keys(session["Credentials"])), "list_users")
    warned = [entry for entry in logs if entry["log_level"] == "warning"]
    assert [entry["operation"] for entry in warned] == [
        "ListThings",
        "GetSessionToken",
        "ListUsers",
    ]
    assert all(entry["caller"] == ROOT for entry in warned)
    told = await events(cloud)
    by_root = [event for event in told if event["userIdentity"].get("type") == "Root"]
    assert sorted(event["eventName"] for event in by_root) == [
        "GetSessionToken",
        "ListThings",
        "ListUsers",
    ]
