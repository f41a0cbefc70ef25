"""boto3, unchanged, sees to keys, passwords and devices, and asks the simulator."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from tests.support.cloud import ACCOUNT, RunningCloud, running_cloud
from tests.support.people import allow, deny, policy


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[RunningCloud]:
    async with running_cloud(tmp_path) as running:
        yield running


@pytest.mark.spec("L01")
async def test_a_key_is_changed_for_another_without_a_gap(cloud: RunningCloud) -> None:
    await cloud.call("iam", "create_user", UserName="ada")
    old = (await cloud.call("iam", "create_access_key", UserName="ada"))["AccessKey"]
    new = (await cloud.call("iam", "create_access_key", UserName="ada"))["AccessKey"]
    for key in (old, new):
        client = cloud.client(
            "sts",
            aws_access_key_id=key["AccessKeyId"],
            aws_secret_access_key=key["SecretAccessKey"],
        )
        assert (await asyncio.to_thread(client.get_caller_identity))[
            "Arn"
        ] == f"arn:aws:iam::{ACCOUNT}:user/ada"
    forged = cloud.client(
        "sts",
        aws_access_key_id=old["AccessKeyId"],
        aws_secret_access_key=new["SecretAccessKey"],
    )
    with pytest.raises(ClientError) as caught:
        await asyncio.to_thread(forged.get_caller_identity)
    assert caught.value.response["Error"]["Code"] == "SignatureDoesNotMatch"
    await cloud.call(
        "iam",
        "update_access_key",
        UserName="ada",
        AccessKeyId=old["AccessKeyId"],
        Status="Inactive",
    )
    stale = cloud.client(
        "sts",
        aws_access_key_id=old["AccessKeyId"],
        aws_secret_access_key=old["SecretAccessKey"],
    )
    with pytest.raises(ClientError) as caught:
        await asyncio.to_thread(stale.get_caller_identity)
    assert caught.value.response["Error"]["Code"] == "InvalidClientTokenId"
    with pytest.raises(ClientError) as caught:
        await cloud.call("iam", "create_access_key", UserName="ada")
    assert caught.value.response["Error"]["Code"] == "LimitExceeded"
    used = await cloud.call("iam", "get_access_key_last_used", AccessKeyId=new["AccessKeyId"])
    assert used["AccessKeyLastUsed"]["ServiceName"] == "sts"
    await cloud.call("iam", "delete_access_key", UserName="ada", AccessKeyId=old["AccessKeyId"])
    rows = (await cloud.call("iam", "list_access_keys", UserName="ada"))["AccessKeyMetadata"]
    assert [row["AccessKeyId"] for row in rows] == [new["AccessKeyId"]]


async def test_passwords_devices_and_the_account(cloud: RunningCloud) -> None:
    await cloud.call("iam", "create_user", UserName="ada")
    await cloud.call("iam", "update_account_password_policy", MinimumPasswordLength=12)
    with pytest.raises(ClientError) as caught:
        await cloud.call("iam", "create_login_profile", UserName="ada", Password="Short-1")
    assert caught.value.response["Error"]["Code"] == "PasswordPolicyViolation"
    await cloud.call("iam", "create_login_profile", UserName="ada", Password="long-enough-1")
    made = await cloud.call("iam", "create_virtual_mfa_device", VirtualMFADeviceName="ada")
    device = made["VirtualMFADevice"]
    assert device["QRCodePNG"][:4] == b"\x89PNG"
    assert len(device["Base32StringSeed"]) == 64
    listed = await cloud.call("iam", "list_virtual_mfa_devices", AssignmentStatus="Unassigned")
    assert [one["SerialNumber"] for one in listed["VirtualMFADevices"]] == [device["SerialNumber"]]
    with pytest.raises(ClientError, match="must delete login profile first"):
        await cloud.call("iam", "delete_user", UserName="ada")
    summary = (await cloud.call("iam", "get_account_summary"))["SummaryMap"]
    assert (summary["Users"], summary["MFADevices"], summary["MFADevicesInUse"]) == (2, 1, 0)


async def test_the_simulator_is_asked(cloud: RunningCloud) -> None:
    text = policy(allow("iot:*"), deny("iot:DeleteThing"))
    answer = await cloud.call(
        "iam",
        "simulate_custom_policy",
        PolicyInputList=[text],
        ActionNames=["iot:CreateThing", "iot:DeleteThing", "sns:Publish"],
    )
    assert [result["EvalDecision"] for result in answer["EvaluationResults"]] == [
        "allowed",
        "explicitDeny",
        "implicitDeny",
    ]
    answer = await cloud.call(
        "iam",
        "simulate_principal_policy",
        PolicySourceArn=f"arn:aws:iam::{ACCOUNT}:user/administrator",
        ActionNames=["iot:CreateThing"],
    )
    (result,) = answer["EvaluationResults"]
    assert result["EvalDecision"] == "allowed"
    (matched,) = result["MatchedStatements"]
    assert matched["SourcePolicyId"] == "AdministratorAccess"
    assert matched["SourcePolicyType"] == "aws-managed"
