"""boto3's TestAuthorization against a whole cloud: what it says is what the broker does."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.support.cloud import ACCOUNT, REGION, RunningCloud, running_cloud, signing_request
from tests.support.pki import new_key

ARN = f"arn:aws:iot:{REGION}:{ACCOUNT}:"


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[RunningCloud]:
    async with running_cloud(tmp_path, combined=False) as running:
        yield running


async def policy(cloud: RunningCloud, name: str, *statements: dict[str, Any]) -> None:
    text = json.dumps({"Version": "2012-10-17", "Statement": statements})
    await cloud.iot("create_policy", policyName=name, policyDocument=text)


def stated(effect: str, action: str, resource: str) -> dict[str, Any]:
    return {"Effect": effect, "Action": action, "Resource": ARN + resource}


async def lamp(cloud: RunningCloud, *, active: bool = True) -> str:
    """Register a lamp with a certificate and return the certificate's ARN."""
    await cloud.iot("create_thing", thingName="lamp")
    made = await cloud.iot(
        "create_certificate_from_csr",
        certificateSigningRequest=signing_request(new_key()),
        setAsActive=active,
    )
    arn: str = made["certificateArn"]
    await cloud.iot("attach_thing_principal", thingName="lamp", principal=arn)
    return arn


async def results(cloud: RunningCloud, principal: str, **members: Any) -> list[Any]:
    said = await cloud.iot("test_authorization", principal=principal, **members)
    listed: list[Any] = said["authResults"]
    return listed


def names(policies: Any) -> list[str]:
    return [one["policyName"] for one in policies["policies"]]


async def test_each_kind_of_decision_names_its_policies(cloud: RunningCloud) -> None:
    await policy(
        cloud,
        "own",
        stated("Allow", "iot:Connect", "client/${iot:Connection.Thing.ThingName}"),
        stated("Allow", "iot:Publish", "topic/lamp/*"),
    )
    await policy(cloud, "fence", stated("Deny", "iot:Publish", "topic/lamp/secret"))
    certificate = await lamp(cloud)
    for name in ("own", "fence"):
        await cloud.iot("attach_policy", policyName=name, target=certificate)
    connect, publish, fenced, subscribe = await results(
        cloud,
        certificate,
        clientId="lamp",
        authInfos=[
            {"actionType": "CONNECT", "resources": [ARN + "client/lamp"]},
            {"actionType": "PUBLISH", "resources": [ARN + "topic/lamp/state"]},
            {"actionType": "PUBLISH", "resources": [ARN + "topic/lamp/secret"]},
            {"actionType": "SUBSCRIBE", "resources": [ARN + "topicfilter/lamp/#"]},
        ],
    )
    assert (connect["authDecision"], names(connect["allowed"])) == ("ALLOWED", ["own"])
    assert (publish["authDecision"], names(publish["allowed"])) == ("ALLOWED", ["own"])
    assert fenced["authDecision"] == "EXPLICIT_DENY"
    assert names(fenced["denied"]["explicitDeny"]) == ["fence"]
    assert subscribe["authDecision"] == "IMPLICIT_DENY"
    assert names(subscribe["denied"]["implicitDeny"]) == ["own", "fence"]


async def test_a_variable_without_a_value_is_named(cloud: RunningCloud) -> None:
    await policy(
        cloud, "own", stated("Allow", "iot:Connect", "client/${iot:Connection.Thing.ThingName}")
    )
    certificate = await lamp(cloud)
    await cloud.iot("attach_policy", policyName="own", target=certificate)
    (stranger,) = await results(
        cloud,
        certificate,
        clientId="fan",
        authInfos=[{"actionType": "CONNECT", "resources": [ARN + "client/fan"]}],
    )
    assert stranger["authDecision"] == "IMPLICIT_DENY"
    assert stranger["missingContextValues"] == ["iot:Connection.Thing.ThingName"]


async def test_policies_can_be_added_and_left_out(cloud: RunningCloud) -> None:
    await policy(cloud, "own", stated("Allow", "iot:Publish", "topic/a"))
    await policy(cloud, "more", stated("Allow", "iot:Publish", "topic/b"))
    certificate = await lamp(cloud)
    await cloud.iot("attach_policy", policyName="own", target=certificate)
    asked = [
        {"actionType": "PUBLISH", "resources": [ARN + "topic/a"]},
        {"actionType": "PUBLISH", "resources": [ARN + "topic/b"]},
    ]
    said = await results(
        cloud,
        certificate,
        authInfos=asked,
        policyNamesToAdd=["more"],
        policyNamesToSkip=["own"],
    )
    assert [one["authDecision"] for one in said] == ["IMPLICIT_DENY", "ALLOWED"]


async def test_several_resources_are_allowed_only_together(cloud: RunningCloud) -> None:
    await policy(cloud, "own", stated("Allow", "iot:Publish", "topic/a"))
    certificate = await lamp(cloud)
    await cloud.iot("attach_policy", policyName="own", target=certificate)
    both = [ARN + "topic/a", ARN + "topic/b"]
    (said,) = await results(
        cloud, certificate, authInfos=[{"actionType": "PUBLISH", "resources": both}]
    )
    assert said["authDecision"] == "IMPLICIT_DENY"


async def test_a_certificate_that_may_not_come_in_is_allowed_nothing(cloud: RunningCloud) -> None:
    await policy(cloud, "own", stated("Allow", "iot:*", "*"))
    certificate = await lamp(cloud, active=False)
    await cloud.iot("attach_policy", policyName="own", target=certificate)
    (said,) = await results(
        cloud,
        certificate,
        clientId="lamp",
        authInfos=[{"actionType": "CONNECT", "resources": [ARN + "client/lamp"]}],
    )
    assert said["authDecision"] == "IMPLICIT_DENY"
    assert names(said["allowed"]) == []


async def test_the_policies_in_force_come_from_the_certificate_and_its_things_groups(
    cloud: RunningCloud,
) -> None:
    await policy(cloud, "own", stated("Allow", "iot:Publish", "topic/a"))
    await policy(cloud, "shared", stated("Allow", "iot:Publish", "topic/b"))
    certificate = await lamp(cloud)
    await cloud.iot("attach_policy", policyName="own", target=certificate)
    await cloud.iot("create_thing_group", thingGroupName="hall")
    await cloud.iot("add_thing_to_thing_group", thingGroupName="hall", thingName="lamp")
    await cloud.iot("attach_policy", policyName="shared", target=f"{ARN}thinggroup/hall")
    for asked, expected in (
        ({"principal": certificate}, ["own", "shared"]),
        ({"thingName": "lamp"}, ["shared"]),
    ):
        said = await cloud.iot("get_effective_policies", **asked)
        assert [one["policyName"] for one in said["effectivePolicies"]] == expected
    assert json.loads(said["effectivePolicies"][0]["policyDocument"])["Statement"]


async def test_what_cannot_be_tested_is_said(cloud: RunningCloud) -> None:
    with pytest.raises(ClientError, match="certificate as principal"):
        await cloud.iot(
            "test_authorization", authInfos=[{"actionType": "CONNECT", "resources": ["x"]}]
        )
