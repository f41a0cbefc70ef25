"""boto3, unchanged: no operation of any service is open to a user without permission for it."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import ClientError
from tests.support.api_users import AccountAdministrator, in_thread
from tests.support.cloud import RunningCloud, running_cloud
from tests.support.model_inputs import smallest_input

from hedgerow.aws.models import load_model
from hedgerow.cloud.access import rows_of

SERVED = [
    "cloudtrail",
    "greengrass",
    "iam",
    "iot",
    "iot-data",
    "iot-jobs-data",
    "organizations",
    "sts",
]
OWN = "hedgerow"
"""A service that boto3 has no model of; it is walked as all are, by its table."""
UNSIGNED = {"AssumeRoleWithSAML", "AssumeRoleWithWebIdentity"}
"""boto3 does not sign these, so that nobody is known who could be permitted anything."""
FREE = {"GetCallerIdentity", "GetSessionToken"}
SENTENCE = re.compile(
    r"User: arn:aws:iam::\d{12}:user/nobody is not authorized to perform: "
    r"(?P<action>\w+:\w+)( on resource: \S+ because no .*)?"
)


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[RunningCloud]:
    async with running_cloud(tmp_path) as running:
        yield running


async def test_these_are_the_services_that_are_served(cloud: RunningCloud) -> None:
    served = {service.model_name for service in cloud.app._rooms.accounts.founding.services}
    assert served == {*SERVED, OWN}


@pytest.mark.promise(1)
@pytest.mark.spec("L02")
@pytest.mark.parametrize("service", SERVED)
async def test_every_operation_is_refused_without_permission(
    cloud: RunningCloud, service: str
) -> None:
    opened: list[tuple[str, Any]] = []

    def walk(administrator: AccountAdministrator) -> None:
        once = Config(retries={"total_max_attempts": 1}, inject_host_prefix=False)
        client = administrator.user("nobody").client(service, config=once)
        for operation in load_model(service).operation_names:
            call = getattr(client, xform_name(operation))
            try:
                answer = call(**smallest_input(service, operation))
            except ClientError as error:
                answer = error.response
            if not refused(service, operation, answer):
                opened.append((operation, answer))

    await in_thread(walk, cloud)
    assert [operation for operation, _ in opened] == [
        operation for operation in load_model(service).operation_names if operation in FREE
    ], opened


def refused(service: str, operation: str, answer: dict[str, Any]) -> bool:
    if answer["ResponseMetadata"]["HTTPStatusCode"] != 403:
        return False
    error = answer["Error"]
    if operation in UNSIGNED:
        return bool(error["Code"] == "MissingAuthenticationToken")
    sentence = SENTENCE.match(error["Message"])
    action = rows_of(service)[operation].needs[0].action
    return sentence is not None and sentence["action"] == action
