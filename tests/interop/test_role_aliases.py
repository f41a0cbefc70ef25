"""Credentials of a role for devices: by alias, for nothing but a certificate."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from botocore.exceptions import ClientError
from tests.support.cloud import ACCOUNT, REGION, EnrolledThing, RunningCloud, running_cloud
from tests.support.roles import trust_policy

from hedgerow.cloud.greengrass.role_sessions import SESSIONS_LIMIT
from hedgerow.kernel import SystemClock
from hedgerow.pki import client_context

SERVICE = "credentials.iot.amazonaws.com"
ALIAS_ARN = f"arn:aws:iot:{REGION}:{ACCOUNT}:rolealias/line"
PATH = "/role-aliases/line/credentials"


def document(*statements: Mapping[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(action: str, resource: str = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def trust(**more: Any) -> dict[str, Any]:
    return trust_policy(service=SERVICE, account=ACCOUNT, source=ALIAS_ARN, **more)


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[RunningCloud]:
    async with running_cloud(tmp_path, combined=False) as running:
        yield running


@pytest.fixture
async def press(cloud: RunningCloud) -> EnrolledThing:
    """Return a device that may use the alias `line`, which stands for the role `Line`."""
    role = await cloud.role("Line", trust())
    await grant(cloud, allow("iot:DescribeThing"))
    await cloud.iot("create_role_alias", roleAlias="line", roleArn=role)
    return await cloud.enrol("press", document(allow("iot:AssumeRoleWithCertificate", ALIAS_ARN)))


async def grant(cloud: RunningCloud, *statements: Mapping[str, Any]) -> None:
    text = document(*statements)
    await cloud.call(
        "iam", "put_role_policy", RoleName="Line", PolicyName="own", PolicyDocument=text
    )


async def ask(
    cloud: RunningCloud, who: EnrolledThing, path: str = PATH, thing: str | None = None
) -> tuple[int, dict[str, Any]]:
    """Ask for credentials as the guide's curl does."""
    identity = who.identity
    context = client_context(cloud.roots_pem, identity.key, identity.certificate_pem)
    url = f"https://localhost:{cloud.endpoints.device_https_port}{path}"
    headers = {} if thing is None else {"x-amzn-iot-thingname": thing}
    async with (
        aiohttp.ClientSession() as session,
        session.get(url, headers=headers, ssl=context) as answer,
    ):
        return answer.status, json.loads(await answer.read())


@asynccontextmanager
async def with_credentials(
    cloud: RunningCloud, given: Mapping[str, str], service: str = "iot"
) -> AsyncIterator[Any]:
    """Give a client that signs with what a device was given."""
    client = await asyncio.to_thread(
        cloud.client,
        service,
        aws_access_key_id=given["accessKeyId"],
        aws_secret_access_key=given["secretAccessKey"],
        aws_session_token=given["sessionToken"],
    )
    yield client


async def code_of(cloud: RunningCloud, operation: str, **members: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as refused:
        await cloud.iot(operation, **members)
    error = refused.value.response["Error"]
    return str(error["Code"]), str(error["Message"])


async def test_the_life_of_a_role_alias(cloud: RunningCloud) -> None:
    first = await cloud.role("Line", trust())
    second = await cloud.role("Other", trust())
    made = await cloud.iot("create_role_alias", roleAlias="line", roleArn=first)
    assert made == {"roleAlias": "line", "roleAliasArn": ALIAS_ARN}
    described = (await cloud.iot("describe_role_alias", roleAlias="line"))["roleAliasDescription"]
    assert described.pop("creationDate") == described.pop("lastModifiedDate")
    assert described == {
        **made,
        "roleArn": first,
        "owner": ACCOUNT,
        "credentialDurationSeconds": 3600,
    }
    await cloud.iot(
        "update_role_alias", roleAlias="line", roleArn=second, credentialDurationSeconds=900
    )
    described = (await cloud.iot("describe_role_alias", roleAlias="line"))["roleAliasDescription"]
    assert (described["roleArn"], described["credentialDurationSeconds"]) == (second, 900)
    again, _ = await code_of(cloud, "create_role_alias", roleAlias="line", roleArn=first)
    assert again == "ResourceAlreadyExistsException"
    await cloud.iot("create_role_alias", roleAlias="hall", roleArn=first)
    page = await cloud.iot("list_role_aliases", pageSize=1)
    rest = await cloud.iot("list_role_aliases", marker=page["nextMarker"])
    assert (page["roleAliases"], rest["roleAliases"]) == (["line"], ["hall"])
    await cloud.iot("delete_role_alias", roleAlias="line")
    for operation in ("describe_role_alias", "update_role_alias", "delete_role_alias"):
        gone, _ = await code_of(cloud, operation, roleAlias="line")
        assert gone == "ResourceNotFoundException"


async def test_an_alias_is_of_a_role_of_this_account_and_no_longer_than_that_allows(
    cloud: RunningCloud,
) -> None:
    role = await cloud.role("Line", trust())
    for account, expected in (
        ("210987654321", "UnauthorizedException"),
        (ACCOUNT, "InvalidRequestException"),
    ):
        arn = f"arn:aws:iam::{account}:role/Nobody"
        code, _ = await code_of(cloud, "create_role_alias", roleAlias="line", roleArn=arn)
        assert code == expected
    code, message = await code_of(
        cloud, "create_role_alias", roleAlias="line", roleArn=role, credentialDurationSeconds=7200
    )
    assert code == "InvalidRequestException"
    assert "3600 seconds at most" in message


async def test_a_device_signs_calls_with_the_credentials_of_its_alias(
    cloud: RunningCloud, press: EnrolledThing
) -> None:
    status, answer = await ask(cloud, press)
    assert status == 200
    given = answer["credentials"]
    ends = datetime.fromisoformat(given["expiration"]) - SystemClock().now()
    assert timedelta(minutes=59) < ends <= timedelta(hours=1)
    async with with_credentials(cloud, given, "sts") as sts:
        who = await asyncio.to_thread(sts.get_caller_identity)
    session = press.identity.certificate_id
    assert who["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/Line/{session}"
    async with with_credentials(cloud, given) as iot:
        found = await asyncio.to_thread(iot.describe_thing, thingName="press")
        assert found["thingName"] == "press"
        with pytest.raises(ClientError, match="not authorized"):
            await asyncio.to_thread(iot.list_things)
    found = await cloud.call(
        "cloudtrail",
        "lookup_events",
        LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "AssumeRole"}],
    )
    [record] = [json.loads(event["CloudTrailEvent"]) for event in found["Events"]]
    assert record["userIdentity"] == {"type": "AWSService", "invokedBy": SERVICE}
    assert record["additionalEventData"] == {"onBehalfOf": ALIAS_ARN}
    assert record["requestParameters"]["roleSessionName"] == session
    assert given["sessionToken"] not in json.dumps(record)
    assert given["secretAccessKey"] not in json.dumps(record)


@pytest.mark.promise(1)
async def test_the_device_the_alias_and_the_role_have_to_agree(
    cloud: RunningCloud, press: EnrolledThing
) -> None:
    """The policy names the alias, the alias exists, and the role trusts the provider for it."""
    panel = await cloud.enrol("panel", document(allow("iot:Connect")))
    status, answer = await ask(cloud, panel)
    assert status == 403
    assert f"iot:AssumeRoleWithCertificate on {ALIAS_ARN} is refused" in answer["message"]
    assert (await ask(cloud, press, "/role-aliases/other/credentials"))[0] == 403
    for wrong in (
        trust_policy(account=ACCOUNT),
        trust_policy(service=SERVICE, account="210987654321"),
        trust_policy(service=SERVICE, source=f"{ALIAS_ARN}-2"),
    ):
        await cloud.call(
            "iam",
            "update_assume_role_policy",
            RoleName="Line",
            PolicyDocument=json.dumps(wrong),
        )
        status, answer = await ask(cloud, press)
        assert (status, "does not let" in answer["message"]) == (403, True), wrong
    await cloud.iot("delete_role_alias", roleAlias="line")
    assert (await ask(cloud, press))[0] == 404


@pytest.mark.promise(4)
async def test_credentials_end_with_the_certificate_that_they_were_given_to(
    cloud: RunningCloud, press: EnrolledThing
) -> None:
    _, answer = await ask(cloud, press)
    async with with_credentials(cloud, answer["credentials"]) as iot:
        await asyncio.to_thread(iot.describe_thing, thingName="press")
        await cloud.iot(
            "update_certificate",
            certificateId=press.identity.certificate_id,
            newStatus="REVOKED",
        )
        async with asyncio.timeout(5):
            while True:
                try:
                    await asyncio.to_thread(iot.describe_thing, thingName="press")
                except ClientError as error:
                    code = error.response["Error"]["Code"]
                    break
    assert code == "UnrecognizedClientException"
    assert (await ask(cloud, press))[0] == 401


async def test_credentials_last_as_long_as_the_alias_says_and_no_device_hoards_them(
    cloud: RunningCloud, press: EnrolledThing
) -> None:
    """Of one certificate only so many sessions are live; the oldest gives way."""
    await cloud.iot("update_role_alias", roleAlias="line", credentialDurationSeconds=900)
    _, first = await ask(cloud, press)
    ends = datetime.fromisoformat(first["credentials"]["expiration"]) - SystemClock().now()
    assert timedelta(minutes=14) < ends <= timedelta(minutes=15)
    last = first
    for _ in range(SESSIONS_LIMIT):
        _, last = await ask(cloud, press)
    async with with_credentials(cloud, last["credentials"]) as iot:
        await asyncio.to_thread(iot.describe_thing, thingName="press")
    async with with_credentials(cloud, first["credentials"]) as iot:
        with pytest.raises(ClientError, match="security token"):
            await asyncio.to_thread(iot.describe_thing, thingName="press")


@pytest.mark.promise(1)
async def test_an_alias_is_its_own_accounts_alone(
    cloud: RunningCloud, press: EnrolledThing
) -> None:
    """A device of another account asks for its own account's alias, whatever its policy says."""
    assert (await ask(cloud, press))[0] == 200
    async with cloud.member("neighbour") as neighbour:
        other = await neighbour.enrol("other", document(allow("iot:*")))
        assert (await ask(neighbour, other))[0] == 404
        role = await neighbour.role("Line", trust())
        await neighbour.iot("create_role_alias", roleAlias="line", roleArn=role)
        status, answer = await ask(neighbour, other)
        assert (status, "does not let" in answer["message"]) == (403, True)


async def test_policies_of_the_role_know_the_device(
    cloud: RunningCloud, press: EnrolledThing
) -> None:
    """The certificate always, thing and type if the device says which of its things it is."""
    await cloud.iot("create_thing_type", thingTypeName="machine")
    await cloud.iot("update_thing", thingName="press", thingTypeName="machine")
    await cloud.enrol_device("panel")
    own = f"arn:aws:iot:{REGION}:{ACCOUNT}:thing/${{credentials-iot:ThingName}}"
    kind = {"StringEquals": {"credentials-iot:ThingTypeName": "machine"}}
    mine = {"StringEquals": {"credentials-iot:AwsCertificateId": press.identity.certificate_id}}
    await grant(
        cloud,
        allow("iot:DescribeThing", own, Condition=kind),
        allow("iot:ListThings", Condition=mine),
    )
    _, named = await ask(cloud, press, thing="press")
    async with with_credentials(cloud, named["credentials"]) as iot:
        await asyncio.to_thread(iot.describe_thing, thingName="press")
        await asyncio.to_thread(iot.list_things)
        with pytest.raises(ClientError, match="not authorized"):
            await asyncio.to_thread(iot.describe_thing, thingName="panel")
    _, unnamed = await ask(cloud, press)
    async with with_credentials(cloud, unnamed["credentials"]) as iot:
        await asyncio.to_thread(iot.list_things)
        with pytest.raises(ClientError, match="not authorized"):
            await asyncio.to_thread(iot.describe_thing, thingName="press")
    status, answer = await ask(cloud, press, thing="panel")
    assert status == 403
    assert "x-amzn-iot-thingname names 'panel'" in answer["message"]


async def test_who_makes_an_alias_may_pass_its_role_to_the_provider_and_to_nobody_else(
    cloud: RunningCloud,
) -> None:
    role = await cloud.role("Line", trust())
    await cloud.call("iam", "create_user", UserName="alice")
    key = (await cloud.call("iam", "create_access_key", UserName="alice"))["AccessKey"]
    alice = {
        "aws_access_key_id": key["AccessKeyId"],
        "aws_secret_access_key": key["SecretAccessKey"],
    }

    async def may(service: str) -> None:
        to = {"StringEquals": {"iam:PassedToService": service}}
        text = document(allow("iot:*"), allow("iam:PassRole", role, Condition=to))
        await cloud.call(
            "iam", "put_user_policy", UserName="alice", PolicyName="own", PolicyDocument=text
        )

    iot = await asyncio.to_thread(cloud.client, "iot", **alice)
    await may("greengrass.amazonaws.com")
    with pytest.raises(ClientError, match="iam:PassRole"):
        await asyncio.to_thread(iot.create_role_alias, roleAlias="line", roleArn=role)
    await may(SERVICE)
    await asyncio.to_thread(iot.create_role_alias, roleAlias="line", roleArn=role)
