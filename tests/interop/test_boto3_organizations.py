import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.support.cloud import ACCOUNT, REGION, RunningCloud, in_boto3_words, running_cloud

from hedgerow.cloud.app import CloudApp

ROLE = "OrganizationAccountAccessRole"


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[RunningCloud]:
    async with running_cloud(tmp_path, combined=False) as running:
        yield running


async def organizations(cloud: RunningCloud, operation: str, **members: Any) -> dict[str, Any]:
    return await cloud.call("organizations", operation, **members)


async def refused(cloud: RunningCloud, service: str, operation: str, **members: Any) -> str:
    """Return the code that a call is refused with."""
    with pytest.raises(ClientError) as error:
        await cloud.call(service, operation, **members)
    return str(error.value.response["Error"]["Code"])


async def test_a_new_cloud_is_an_organization_of_one_account(cloud: RunningCloud) -> None:
    organization = (await organizations(cloud, "describe_organization"))["Organization"]
    assert organization["MasterAccountId"] == ACCOUNT
    assert organization["Id"].startswith("o-")
    (account,) = (await organizations(cloud, "list_accounts"))["Accounts"]
    assert (account["Id"], account["Status"]) == (ACCOUNT, "ACTIVE")
    assert account["Arn"] == organization["MasterAccountArn"]


async def test_an_account_is_made_described_and_entered(cloud: RunningCloud) -> None:
    made = await organizations(
        cloud, "create_account", AccountName="Plant", Email="plant@example.org"
    )
    status = made["CreateAccountStatus"]
    assert status["State"] == "SUCCEEDED"
    again = await organizations(
        cloud, "describe_create_account_status", CreateAccountRequestId=status["Id"]
    )
    assert again["CreateAccountStatus"] == status
    listed = await organizations(cloud, "list_create_account_status", States=["SUCCEEDED"])
    assert listed["CreateAccountStatuses"] == [status]
    account = (await organizations(cloud, "describe_account", AccountId=status["AccountId"]))[
        "Account"
    ]
    assert (account["Name"], account["Email"]) == ("Plant", "plant@example.org")
    session = await cloud.call(
        "sts",
        "assume_role",
        RoleArn=f"arn:aws:iam::{status['AccountId']}:role/{ROLE}",
        RoleSessionName="me",
    )
    entered = in_boto3_words(session["Credentials"])
    sts = await asyncio.to_thread(cloud.client, "sts", **entered)
    identity = await asyncio.to_thread(sts.get_caller_identity)
    assert identity["Arn"] == f"arn:aws:sts::{status['AccountId']}:assumed-role/{ROLE}/me"


async def test_the_role_of_a_new_account_can_have_another_name(cloud: RunningCloud) -> None:
    made = await organizations(
        cloud, "create_account", AccountName="Plant", Email="p@example.org", RoleName="Entrance"
    )
    role = f"arn:aws:iam::{made['CreateAccountStatus']['AccountId']}:role/Entrance"
    await cloud.call("sts", "assume_role", RoleArn=role, RoleSessionName="me")


async def test_a_taken_address_fails_the_request_and_not_the_call(cloud: RunningCloud) -> None:
    for state in ("SUCCEEDED", "FAILED"):
        made = await organizations(
            cloud, "create_account", AccountName="Plant", Email="plant@example.org"
        )
        assert made["CreateAccountStatus"]["State"] == state
    assert made["CreateAccountStatus"]["FailureReason"] == "EMAIL_ALREADY_EXISTS"
    assert len((await organizations(cloud, "list_accounts"))["Accounts"]) == 2


async def test_accounts_are_listed_page_by_page(cloud: RunningCloud) -> None:
    for name in "ab":
        await organizations(cloud, "create_account", AccountName=name, Email=f"{name}@example.org")
    client = await asyncio.to_thread(cloud.client, "organizations")
    pages = client.get_paginator("list_accounts").paginate(PaginationConfig={"PageSize": 2})
    found = await asyncio.to_thread(lambda: [len(page["Accounts"]) for page in pages])
    assert found == [2, 1]
    assert await refused(cloud, "organizations", "list_accounts", NextToken="x") == (
        "InvalidInputException"
    )


async def test_members_see_the_organization_and_manage_nothing(cloud: RunningCloud) -> None:
    async with cloud.member("plant") as member:
        own = (await organizations(member, "describe_organization"))["Organization"]
        assert own["MasterAccountId"] == ACCOUNT
        for operation, members in {
            "create_account": {"AccountName": "x", "Email": "x@example.org"},
            "list_accounts": {},
            "list_create_account_status": {},
            "describe_account": {"AccountId": ACCOUNT},
            "close_account": {"AccountId": ACCOUNT},
        }.items():
            code = await refused(member, "organizations", operation, **members)
            assert code == "AccessDeniedException", operation


@pytest.mark.parametrize(
    ("operation", "members", "code"),
    [
        ("describe_account", {"AccountId": "999999999999"}, "AccountNotFoundException"),
        ("close_account", {"AccountId": ACCOUNT}, "ConstraintViolationException"),
        (
            "describe_create_account_status",
            {"CreateAccountRequestId": "car-00000000"},
            "CreateAccountStatusNotFoundException",
        ),
        (
            "create_account",
            {
                "AccountName": "x",
                "Email": "x@example.org",
                "Tags": [{"Key": "a", "Value": "b"}],
            },
            "InvalidInputException",
        ),
    ],
)
async def test_what_is_not_there_is_refused_with_the_service_s_own_code(
    cloud: RunningCloud, operation: str, members: dict[str, Any], code: str
) -> None:
    assert await refused(cloud, "organizations", operation, **members) == code


async def test_both_the_cloud_s_region_and_the_global_one_are_signed_for(
    cloud: RunningCloud,
) -> None:
    for region in (REGION, "us-east-1"):
        client = await asyncio.to_thread(cloud.client, "organizations", region_name=region)
        assert await asyncio.to_thread(client.describe_organization)


async def test_an_account_s_things_are_there_again_after_a_restart(cloud: RunningCloud) -> None:
    async with cloud.member("plant") as member:
        await member.iot("create_thing", thingName="pump")
        await cloud.app.stop()
        cloud.app = await CloudApp.open(
            cloud.data_dir,
            host="127.0.0.1",
            api_port=0,
            device_https_port=0,
            device_mqtt_port=0,
        )
        await cloud.app.start()
        member.app = cloud.app
        try:
            things = await asyncio.to_thread(lambda: member.client("iot").list_things()["things"])
            assert [thing["thingName"] for thing in things] == ["pump"]
        finally:
            await cloud.app.stop()


async def test_a_closed_account_is_closed_to_programs_at_once(cloud: RunningCloud) -> None:
    async with cloud.member("plant") as member:
        await member.iot("list_things")
        await organizations(cloud, "close_account", AccountId=member.account)
        assert await refused(member, "iot", "list_things") == "UnrecognizedClientException"
        account = (await organizations(cloud, "describe_account", AccountId=member.account))[
            "Account"
        ]
        assert account["Status"] == "SUSPENDED"
        assert (
            await refused(cloud, "organizations", "close_account", AccountId=member.account)
            == "AccountAlreadyClosedException"
        )
