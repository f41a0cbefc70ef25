"""Whatever is sent to IAM is answered with a fault of the caller, never one of the server."""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.model import Shape
from tests.support.iam_cloud import IamCloud, allowing, iam_cloud, trusting
from tests.support.store_documents import ACCOUNT, OTHER

ODD_TEXTS = (
    "",
    " ",
    "/",
    "//",
    "*",
    "${aws:username}",
    "../../etc/passwd",
    "\u00e4\u00ff",
    "\u0661\u0662",
    "a" * 3000,
    "arn:aws:iam::aws:policy/",
    "arn:aws:iam::aws:policy/AdministratorAccess",
    f"arn:aws:iam::{ACCOUNT}:policy//x",
    f"arn:aws:iam::{OTHER}:policy/x",
    f"arn:aws:iam::{ACCOUNT}:user/administrator",
    "arn:aws:iam:::::policy/x",
    "QUJD",
    "=" * 40,
    "administrator",
    "v1",
    "v99999999999999999999",
)
ODD_POLICIES = (
    allowing("iot:*"),
    trusting(AWS=ACCOUNT),
    trusting(AWS=f"arn:aws:iam::{ACCOUNT}:user/none"),
    trusting(AWS=[]),
    trusting(),
    json.dumps({"Version": "2012-10-17", "Statement": {"Principal": {"AWS": {"a": 1}}}}),
    json.dumps({"Version": "2012-10-17", "Statement": [None]}),
    "[" * 5000,
    trusting(AWS=["*", 1]),
    '{"Version":"2012-10-17","Version":"2008-10-17","Statement":[]}',
    "null",
    '"\\ud800"',
)
OURS = (
    "User", "Group", "Role", "Policy", "Policies", "Boundary", "Tags", "Details", "Entities",
)  # fmt: skip
ROUNDS = 150


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[IamCloud]:
    async with iam_cloud(tmp_path) as running:
        yield running


def odd(shape: Shape, name: str, chance: random.Random) -> Any:
    """Return some value for a member, often a strange one."""
    if shape.type_name == "structure":
        return {
            member: odd(inner, member, chance)
            for member, inner in shape.members.items()
            if member in shape.required_members or chance.random() < 0.4
        }
    if shape.type_name == "list":
        return [odd(shape.member, name, chance) for _ in range(chance.choice((0, 1, 1, 3, 60)))]
    if shape.type_name == "integer":
        return chance.choice((-1, 0, 1, 2, 1000, 3600, 43_200, 2**31))
    if shape.type_name == "boolean":
        return chance.choice((True, False))
    if name.endswith("Document"):
        return chance.choice((*ODD_POLICIES, *ODD_TEXTS))
    return chance.choice((*ODD_TEXTS, *shape.metadata.get("enum", ()), f"n{chance.random()}"[:9]))


async def test_odd_input_is_the_callers_fault(cloud: IamCloud) -> None:
    chance = random.Random(20_261_124)  # noqa: S311 - the same strange calls every time
    client = cloud.client(
        config=Config(parameter_validation=False, retries={"total_max_attempts": 1})
    )
    model = client.meta.service_model
    names = [
        name
        for name in client.meta.method_to_api_mapping
        if client.meta.method_to_api_mapping[name].endswith(OURS)
    ]
    assert len(names) > 50

    def call(name: str) -> int:
        shape = model.operation_model(client.meta.method_to_api_mapping[name]).input_shape
        members = odd(shape, "", chance) if shape is not None else {}
        try:
            answer = getattr(client, name)(**members)
        except ClientError as refused:
            answer = refused.response
            assert answer["Error"]["Message"], (name, members)
        status = int(answer["ResponseMetadata"]["HTTPStatusCode"])
        assert status < 500 or answer["Error"]["Code"] == "OperationNotSupportedException", (
            name,
            members,
            answer,
        )
        return status

    statuses = {await asyncio.to_thread(call, chance.choice(names)) for _ in range(ROUNDS)}
    assert {200, 400, 404} <= statuses
    assert (await cloud.iam("get_user"))["User"]["UserName"] == "administrator"
