"""Whatever stands in a call about credentials, the answer is an error of the caller's."""

import random
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.support.people import ACCOUNT, OTHER, Key, People, allow, people, policy, trusting

SEED = 20261007
ROUNDS = 60

Values = Callable[[random.Random], Any]


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[People]:
    async with people(tmp_path) as made:
        yield made


def one_of(*values: Any) -> Values:
    """Return what picks one of these."""
    return lambda chance: chance.choice(values)


def some_of(*values: Any) -> Values:
    """Return what picks up to 60 of these, some of them again and again."""
    return lambda chance: chance.choices(values, k=chance.choice((0, 1, 2, 3, 60)))


STRANGE = (
    "",
    " ",
    "*",
    "ada",
    "\x00",
    "\ud7ff",
    "é" * 40,
    "x" * 5000,
    "a/../b",
    "${aws:username}",
    "-1",
)
DEEP = '{"Version":"2012-10-17","Statement":' + "[" * 3000 + "]" * 3000 + "}"
POLICIES = (
    *STRANGE,
    DEEP,
    "[]",
    "{}",
    '{"Statement":[]}',
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}],"Statement":1}',
    policy(allow("iot:*")),
    policy(allow("iot:*"), allow("iot:" + "*" * 400 + "x")),
    policy(allow("iot:*", Condition={"StringLike": {"aws:UserAgent": ["*a*" * 50]}})),
    policy(allow("iot:*", Condition={"IpAddress": {"aws:SourceIp": "::/0"}})),
)
ARNS = (
    *STRANGE,
    "arn:aws:iam::aws:policy/AdministratorAccess",
    f"arn:aws:iam::{ACCOUNT}:role/r",
    f"arn:aws:iam::{OTHER}:role/r",
    f"arn:aws:iam::{ACCOUNT}:user/administrator",
    f"arn:aws:iam::{ACCOUNT}:root",
    f"arn:aws:iam::{ACCOUNT}:mfa/phone",
    "arn:aws:iam::::::",
    f"arn:aws:iam::{ACCOUNT}:role//",
    f"arn:aws-cn:iam::{ACCOUNT}:role/r",
)
TAGS = (
    {"Key": "a", "Value": "1"},
    {"Key": "A", "Value": ""},
    {"Key": "aws:x", "Value": "2"},
    {"Key": "k" * 129, "Value": "v" * 257},
    {"Key": "é", "Value": "\u2028"},
)
NUMBERS = (-1, 0, 1, 899, 900, 3600, 43_200, 43_201, 129_600, 2**40)
CODES = ("", "000000", "12345", "abcdef", "٠١٢٣٤٥", "000000\n")
ENTRIES = (
    {"ContextKeyName": "aws:UserName", "ContextKeyValues": ["x"], "ContextKeyType": "string"},
    {"ContextKeyName": "", "ContextKeyValues": [], "ContextKeyType": "ipList"},
    {"ContextKeyValues": ["not a number"], "ContextKeyType": "numeric"},
    {"ContextKeyName": "aws:TagKeys", "ContextKeyValues": ["a"] * 300},
)
MEMBERS: Mapping[str, Values] = {
    "AccessKeyId": one_of(*STRANGE, "AKIA" + "A" * 16, "AKIA" + "7" * 16, "ASIA" + "=" * 16),
    "ActionNames": some_of("iot:CreateThing", "iot:*", ":", "a:b", *STRANGE),
    "AuthenticationCode1": one_of(*CODES),
    "AuthenticationCode2": one_of(*CODES),
    "CallerArn": one_of(*ARNS),
    "ContextEntries": some_of(*ENTRIES),
    "DurationSeconds": one_of(*NUMBERS),
    "ExternalId": one_of(*STRANGE),
    "Marker": one_of(*STRANGE, "AAAA", "!!!!", "eA=="),
    "MaxItems": one_of(*NUMBERS),
    "Name": one_of(*STRANGE, "guest"),
    "NewPassword": one_of(*STRANGE),
    "OldPassword": one_of(*STRANGE),
    "Path": one_of(*STRANGE, "/", "/a/", "/a"),
    "PermissionsBoundaryPolicyInputList": some_of(*POLICIES),
    "Policy": one_of(*POLICIES),
    "PolicyArns": some_of(*({"arn": arn} for arn in ARNS)),
    "PolicyInputList": some_of(*POLICIES),
    "PolicySourceArn": one_of(*ARNS),
    "ResourceArns": some_of(*ARNS),
    "RoleArn": one_of(*ARNS, f"arn:aws:iam::{ACCOUNT}:role/r"),
    "RoleSessionName": one_of(*STRANGE, "shift"),
    "SerialNumber": one_of(*ARNS),
    "SourceIdentity": one_of(*STRANGE),
    "TagKeys": some_of("a", *STRANGE),
    "Tags": some_of(*TAGS),
    "TokenCode": one_of(*CODES),
    "TransitiveTagKeys": some_of("a", "é", *STRANGE),
    "UserName": one_of(*STRANGE, "administrator"),
    "VirtualMFADeviceName": one_of(*STRANGE, "phone"),
}
SOUND: Mapping[tuple[str, str], Mapping[str, Any]] = {
    ("sts", "AssumeRole"): {
        "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/r",
        "RoleSessionName": "shift",
    },
    ("sts", "GetSessionToken"): {},
    ("sts", "GetFederationToken"): {"Name": "guest"},
    ("sts", "GetAccessKeyInfo"): {"AccessKeyId": "AKIA" + "A" * 16},
    ("iam", "SimulateCustomPolicy"): {
        "PolicyInputList": [policy(allow("iot:*"))],
        "ActionNames": ["iot:CreateThing"],
    },
    ("iam", "SimulatePrincipalPolicy"): {
        "PolicySourceArn": f"arn:aws:iam::{ACCOUNT}:user/administrator",
        "ActionNames": ["iot:CreateThing"],
    },
    ("iam", "GetContextKeysForCustomPolicy"): {"PolicyInputList": [policy(allow("iot:*"))]},
    ("iam", "CreateVirtualMFADevice"): {"VirtualMFADeviceName": "phone"},
    ("iam", "EnableMFADevice"): {
        "UserName": "administrator",
        "SerialNumber": f"arn:aws:iam::{ACCOUNT}:mfa/phone",
        "AuthenticationCode1": "000000",
        "AuthenticationCode2": "000001",
    },
    ("iam", "ListVirtualMFADevices"): {},
    ("iam", "GetAccessKeyLastUsed"): {"AccessKeyId": "AKIA" + "A" * 16},
}
"""Calls with nothing wrong in their form, one or two members of which are changed each time."""


@pytest.mark.parametrize("called", SOUND, ids=" ".join)
async def test_no_input_makes_the_service_fail(cloud: People, called: tuple[str, str]) -> None:
    admin = await cloud.administrator()
    trust = trusting(f"arn:aws:iam::{ACCOUNT}:root", actions=("sts:*",))
    await cloud.role(admin, "r", trust)
    chance = random.Random(f"{SEED} {called}")  # noqa: S311 - to be repeatable
    members = [name for name in cloud.members_of(*called) if name in MEMBERS]
    seen: set[str] = set()
    for _ in range(ROUNDS):
        changed = chance.sample(members, k=min(len(members), chance.choice((1, 1, 2))))
        asked = {**SOUND[called], **{name: MEMBERS[name](chance) for name in changed}}
        seen.add(await outcome(cloud, admin, called, asked))
    assert len(seen) > 1


async def outcome(
    cloud: People, by: Key, called: tuple[str, str], members: Mapping[str, Any]
) -> str:
    """Return the code of the answer to a call; raise if it says that the fault is ours."""
    try:
        await cloud.call(by, *called, members)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] >= 500:
            raise
        return str(error.response["Error"]["Code"])
    return "answered"
