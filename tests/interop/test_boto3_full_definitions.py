"""Definitions as large as V1 allows, with names as long as it allows, through boto3."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from tests.support.cloud import ACCOUNT, REGION, RunningCloud, running_cloud

from hedgerow.cloud.greengrass.checks import MAX_DEVICES, MAX_SUBSCRIPTIONS

_NAME = 128
_SUBJECT = 256


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[RunningCloud]:
    async with running_cloud(tmp_path, combined=False) as running:
        yield running


def long(number: int, length: int = _NAME) -> str:
    """Return a name of the full length, another for each number."""
    return f"{number:06}".rjust(length, "n")


def thing(number: int) -> str:
    return f"arn:aws:iot:{REGION}:{ACCOUNT}:thing/{long(number)}"


def rows(count: int) -> list[dict[str, str]]:
    return [
        {
            "Id": long(number),
            "Source": thing(number % MAX_DEVICES),
            "Subject": long(number, _SUBJECT),
            "Target": thing((number + 1) % MAX_DEVICES),
        }
        for number in range(count)
    ]


@pytest.mark.spec("G02")
async def test_a_table_of_10000_longest_rows_is_accepted_and_one_more_is_not(
    cloud: RunningCloud,
) -> None:
    made = await cloud.greengrass(
        "create_subscription_definition", InitialVersion={"Subscriptions": rows(MAX_SUBSCRIPTIONS)}
    )
    read = await cloud.greengrass(
        "get_subscription_definition_version",
        SubscriptionDefinitionId=made["Id"],
        SubscriptionDefinitionVersionId=made["LatestVersion"],
    )
    assert read["Definition"]["Subscriptions"] == rows(MAX_SUBSCRIPTIONS)
    with pytest.raises(ClientError, match="at most 10000 subscriptions"):
        await cloud.greengrass(
            "create_subscription_definition_version",
            SubscriptionDefinitionId=made["Id"],
            Subscriptions=rows(MAX_SUBSCRIPTIONS + 1),
        )


@pytest.mark.spec("G01")
async def test_2500_devices_of_the_longest_names_are_accepted_and_one_more_is_not(
    cloud: RunningCloud,
) -> None:
    certificate = f"arn:aws:iot:{REGION}:{ACCOUNT}:cert/{'0' * 64}"
    devices = [
        {"Id": long(n), "ThingArn": thing(n), "CertificateArn": certificate, "SyncShadow": True}
        for n in range(MAX_DEVICES + 1)
    ]
    made = await cloud.greengrass(
        "create_device_definition", InitialVersion={"Devices": devices[:MAX_DEVICES]}
    )
    assert made["LatestVersion"]
    with pytest.raises(ClientError, match="at most 2500 devices"):
        await cloud.greengrass("create_device_definition", InitialVersion={"Devices": devices})
