"""The credential report tells of everybody's credentials, and grows old."""

import csv
import io
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from tests.support.aws_requests import ACCOUNT
from tests.support.people import Key, People, people
from tests.support.store_documents import OTHER

PASSWORD = "kN4!dsfk33-longer"


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[People]:
    async with people(tmp_path) as running:
        yield running


async def report(cloud: People, by: Key) -> dict[str, dict[str, str]]:
    """Make a report and return its rows by user."""
    assert (await cloud.iam(by, "GenerateCredentialReport"))["State"] == "COMPLETE"
    got = await cloud.iam(by, "GetCredentialReport")
    assert got["ReportFormat"] == "text/csv"
    assert got["GeneratedTime"] == cloud.clock.now()
    rows = csv.DictReader(io.StringIO(got["Content"].decode()))
    return {row["user"]: row for row in rows}


async def test_it_tells_of_passwords_devices_and_keys(cloud: People) -> None:
    admin = await cloud.administrator()
    ada = await cloud.user(admin, "ada")
    born = cloud.clock.now().isoformat()
    await cloud.iam(admin, "UpdateAccountPasswordPolicy", MaxPasswordAge=90)
    await cloud.iam(admin, "CreateLoginProfile", UserName="ada", Password=PASSWORD)
    await cloud.device(admin, "ada")
    cloud.clock.advance(timedelta(hours=1))
    second = (await cloud.iam(admin, "CreateAccessKey", UserName="ada"))["AccessKey"]
    await cloud.iam(
        admin,
        "UpdateAccessKey",
        UserName="ada",
        AccessKeyId=second["AccessKeyId"],
        Status="Inactive",
    )
    await cloud.sts(ada, "GetCallerIdentity")
    await cloud.identities.last_use.settled()
    rows = await report(cloud, admin)
    assert list(rows) == ["<root_account>", "ada", "administrator"]
    now = cloud.clock.now().isoformat()
    assert rows["ada"] == {
        "user": "ada",
        "arn": f"arn:aws:iam::{ACCOUNT}:user/ada",
        "user_creation_time": born,
        "password_enabled": "TRUE",
        "password_last_used": "no_information",
        "password_last_changed": born,
        "password_next_rotation": (
            cloud.clock.now() - timedelta(hours=1) + timedelta(days=90)
        ).isoformat(),
        "mfa_active": "TRUE",
        "access_key_1_active": "TRUE",
        "access_key_1_last_rotated": born,
        "access_key_1_last_used_date": now,
        "access_key_1_last_used_region": "eu-west-1",
        "access_key_1_last_used_service": "sts",
        "access_key_2_active": "FALSE",
        "access_key_2_last_rotated": now,
        "access_key_2_last_used_date": "N/A",
        "access_key_2_last_used_region": "N/A",
        "access_key_2_last_used_service": "N/A",
        "cert_1_active": "FALSE",
        "cert_1_last_rotated": "N/A",
        "cert_2_active": "FALSE",
        "cert_2_last_rotated": "N/A",
    }
    assert rows["administrator"]["password_enabled"] == "FALSE"
    assert rows["administrator"]["mfa_active"] == "FALSE"


async def test_the_root_and_its_keys_are_in_it(cloud: People) -> None:
    admin = await cloud.administrator()
    row = (await report(cloud, admin))["<root_account>"]
    assert row["password_enabled"] == "not_supported"
    assert row["access_key_1_active"] == "FALSE"
    await cloud.root()
    row = (await report(cloud, admin))["<root_account>"]
    assert row["arn"] == f"arn:aws:iam::{ACCOUNT}:root"
    assert row["access_key_1_active"] == "TRUE"


async def test_it_is_fetched_only_when_there_is_one_and_it_is_young(cloud: People) -> None:
    admin, other = await cloud.administrator(), await cloud.administrator(OTHER)
    assert await refused(cloud, admin) == ("ReportNotPresent", 410)
    await report(cloud, admin)
    assert await refused(cloud, other) == ("ReportNotPresent", 410)
    cloud.clock.advance(timedelta(hours=4, seconds=-1))
    assert (await cloud.iam(admin, "GetCredentialReport"))["Content"]
    cloud.clock.advance(timedelta(seconds=1))
    assert await refused(cloud, admin) == ("ReportExpired", 410)
    await report(cloud, admin)


async def refused(cloud: People, by: Key) -> tuple[str, int]:
    with pytest.raises(ClientError) as caught:
        await cloud.iam(by, "GetCredentialReport")
    response = caught.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]
