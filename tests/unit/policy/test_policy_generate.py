"""The generated policies are the documented ones, and each statement of theirs is needed."""

import json
from typing import Any

import pytest

from hedgerow.kernel import CallerError
from hedgerow.policy import (
    AccessRequest,
    NamedPolicy,
    decide,
    minimal_core_policy,
    minimal_device_policy,
    parse_policy,
)

REGION, ACCOUNT, CORE, GROUP = "us-east-1", "111122223333", "gate", "b7c1"
IOT = f"arn:aws:iot:{REGION}:{ACCOUNT}:"
DEPLOYMENT = f"arn:aws:greengrass:{REGION}:{ACCOUNT}:/greengrass/groups/{GROUP}/deployments/d-1"
CORE_ARN_QUOTED = f"arn%3Aaws%3Aiot%3A{REGION}%3A{ACCOUNT}%3Athing%2F{CORE}"

NEEDED = [
    ("iot:Connect", IOT + "client/gate-c00"),
    ("iot:Publish", IOT + "topic/$aws/things/gate-gda/shadow/get"),
    ("iot:Receive", IOT + "topic/$aws/things/gate-gda/shadow/update/delta"),
    ("iot:Subscribe", IOT + "topicfilter/$aws/things/gate-gda/shadow/update/delta"),
    ("iot:GetThingShadow", IOT + "thing/gate-gda"),
    ("iot:UpdateThingShadow", IOT + "thing/gate-gda"),
    ("iot:DeleteThingShadow", IOT + "thing/gate-gda"),
    ("greengrass:AssumeRoleForGroup", "*"),
    ("greengrass:CreateCertificate", "*"),
    ("greengrass:GetDeployment", DEPLOYMENT),
    ("greengrass:GetDeploymentArtifacts", DEPLOYMENT),
    ("greengrass:UpdateCoreDeploymentStatus", f"{DEPLOYMENT}/cores/{CORE_ARN_QUOTED}"),
    ("greengrass:GetConnectivityInfo", IOT + "thing/gate-gci"),
    ("greengrass:UpdateConnectivityInfo", IOT + "thing/gate-gci"),
]
NOT_GIVEN = [
    ("iot:Connect", IOT + "client/gate"),
    ("iot:Connect", IOT + "client/other-c00"),
    ("iot:Publish", IOT + "topic/hello"),
    ("iot:Publish", IOT + "topic/$aws/things/gate/shadow/get"),
    ("iot:Subscribe", IOT + "topicfilter/#"),
    ("iot:Subscribe", IOT + "topicfilter/$aws/things/#"),
    ("iot:GetThingShadow", IOT + "thing/lamp"),
    ("greengrass:Discover", IOT + "thing/gate"),
    ("greengrass:GetDeployment", DEPLOYMENT.replace(GROUP, "other")),
    ("greengrass:UpdateCoreDeploymentStatus", f"{DEPLOYMENT}/cores/{CORE_ARN_QUOTED}x"),
    ("greengrass:GetConnectivityInfo", IOT + "thing/lamp"),
]


def _core_policy() -> dict[str, Any]:
    policy: dict[str, Any] = json.loads(
        minimal_core_policy(region=REGION, account=ACCOUNT, core_thing_name=CORE, group_id=GROUP)
    )
    return policy


def _allowed(policy: dict[str, Any], action: str, resource: str) -> bool:
    named = NamedPolicy("core", parse_policy(json.dumps(policy)))
    return decide([named], AccessRequest(action, resource, {})).allowed


@pytest.mark.spec("D12", "D13")
def test_the_core_policy_allows_what_a_core_does_and_no_more() -> None:
    policy = _core_policy()
    assert [(a, r) for a, r in NEEDED if not _allowed(policy, a, r)] == []
    assert [(a, r) for a, r in NOT_GIVEN if _allowed(policy, a, r)] == []


@pytest.mark.spec("D12")
def test_every_action_of_the_core_policy_is_needed() -> None:
    """Take one action away, and exactly one thing that a core does is refused."""
    whole = _core_policy()
    count = 0
    for position, statement in enumerate(whole["Statement"]):
        for action in statement["Action"]:
            policy = json.loads(json.dumps(whole))
            policy["Statement"][position]["Action"].remove(action)
            if not policy["Statement"][position]["Action"]:
                del policy["Statement"][position]
            assert [a for a, r in NEEDED if not _allowed(policy, a, r)] == [action]
            count += 1
    assert count == len(NEEDED)


@pytest.mark.spec("D13")
def test_the_core_policy_has_the_documented_resources() -> None:
    """The documented text, with names filled in: guide page device-auth."""
    resources = {
        action: statement["Resource"]
        for statement in _core_policy()["Statement"]
        for action in statement["Action"]
    }
    deployments = DEPLOYMENT.replace("d-1", "*")
    assert resources["greengrass:AssumeRoleForGroup"] == ["*"]
    assert resources["greengrass:CreateCertificate"] == ["*"]
    assert resources["greengrass:GetDeployment"] == [deployments]
    assert resources["greengrass:GetDeploymentArtifacts"] == [deployments]
    assert resources["greengrass:UpdateCoreDeploymentStatus"] == [
        f"{deployments}/cores/{CORE_ARN_QUOTED}"
    ]


@pytest.mark.spec("D11")
def test_a_device_may_discover_by_its_own_thing_and_connect_as_itself() -> None:
    policy = json.loads(minimal_device_policy(region=REGION, account=ACCOUNT, thing_name="lamp"))
    assert _allowed(policy, "greengrass:Discover", IOT + "thing/lamp")
    assert _allowed(policy, "iot:Connect", IOT + "client/lamp")
    for action, resource in (
        ("greengrass:Discover", IOT + "thing/gate"),
        ("greengrass:Discover", IOT + "thing/lamp2"),
        ("iot:Connect", IOT + "client/door"),
        ("iot:Publish", IOT + "topic/lamp"),
        ("iot:Subscribe", IOT + "topicfilter/lamp"),
        ("iot:GetThingShadow", IOT + "thing/lamp"),
    ):
        assert not _allowed(policy, action, resource)


def test_a_device_gets_the_topics_it_was_given_and_no_more() -> None:
    policy = json.loads(
        minimal_device_policy(
            region=REGION,
            account=ACCOUNT,
            thing_name="lamp",
            publish=["lamp/up", "odd/*/${iot:ClientId}"],
            subscribe=["lamp/down/#", "all/+/alarm"],
        )
    )
    for action, kind, name, allowed in (
        ("iot:Publish", "topic", "lamp/up", True),
        ("iot:Publish", "topic", "lamp/up/x", False),
        ("iot:Publish", "topic", "odd/*/${iot:ClientId}", True),
        ("iot:Publish", "topic", "odd/x/${iot:ClientId}", False),
        ("iot:Subscribe", "topicfilter", "lamp/down/#", True),
        ("iot:Subscribe", "topicfilter", "lamp/down/1", False),
        ("iot:Subscribe", "topicfilter", "all/+/alarm", True),
        ("iot:Subscribe", "topicfilter", "all/#", False),
        ("iot:Receive", "topic", "lamp/down", True),
        ("iot:Receive", "topic", "lamp/down/1", True),
        ("iot:Receive", "topic", "lamp/downer", False),
        ("iot:Receive", "topic", "all/1/alarm", True),
        ("iot:Receive", "topic", "all/1/other", False),
    ):
        assert _allowed(policy, action, f"{IOT}{kind}/{name}") is allowed, (action, name)


@pytest.mark.parametrize("name", ["", "*", "a*", "a?", "${iot:ClientId}", "a/b", "a b", "a#", "+"])
def test_a_name_that_means_more_than_itself_is_refused(name: str) -> None:
    with pytest.raises(CallerError, match="cannot stand in a policy"):
        minimal_core_policy(region=REGION, account=ACCOUNT, core_thing_name=name, group_id=GROUP)
    with pytest.raises(CallerError, match="cannot stand in a policy"):
        minimal_core_policy(region=REGION, account=ACCOUNT, core_thing_name=CORE, group_id=name)
    with pytest.raises(CallerError, match="cannot stand in a policy"):
        minimal_device_policy(region=REGION, account=ACCOUNT, thing_name=name)


@pytest.mark.parametrize(
    ("topic_filter", "received", "others"),
    [
        ("a/#", ["a", "a/b", "a/b/c"], ["ab", "b"]),
        ("#", ["a", "a/b"], []),
        ("x/+", ["x/y"], ["x"]),
        ("x/y", ["x/y"], ["x", "x/z"]),
        ("a?/+/b", ["a?/x/b"], ["ab/x/b", "a?/b"]),
    ],
)
def test_what_a_filter_brings_in_may_be_received_and_nothing_else(
    topic_filter: str, received: list[str], others: list[str]
) -> None:
    policy = json.loads(
        minimal_device_policy(
            region=REGION,
            account=ACCOUNT,
            thing_name="lamp",
            publish=["a?"],
            subscribe=[topic_filter],
        )
    )
    for topic in received:
        assert _allowed(policy, "iot:Receive", f"{IOT}topic/{topic}")
    for topic in others:
        assert not _allowed(policy, "iot:Receive", f"{IOT}topic/{topic}")
    assert _allowed(policy, "iot:Publish", f"{IOT}topic/a?")
    assert not _allowed(policy, "iot:Publish", f"{IOT}topic/ab")
