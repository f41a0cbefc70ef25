"""What AWS's audit of devices calls overly permissive, example by example.

Source: AWS IoT Device Defender Developer Guide, "AWS IoT policies overly permissive".
"""

import json
from typing import Any

import pytest
from tests.support.policies import document, statement

from hedgerow.policy import minimal_core_policy, minimal_device_policy, parse_policy
from hedgerow.policy.analysis import REASON_CODE, BroadGrant, overly_permissive

ARN = "arn:aws:iot:eu-west-1:123456789012:"
OWN = "${iot:Connection.Thing.ThingName}"
ATTACHED = {"Bool": {"iot:Connection.Thing.IsAttached": "true"}}
SHADOWS = ["iot:DeleteThingShadow", "iot:GetThingShadow", "iot:UpdateThingShadow"]


def _findings(*statements: Any) -> tuple[BroadGrant, ...]:
    return overly_permissive(parse_policy(document(*statements)))


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("iot:Connect", ARN + "client/*"),
        ("iot:Connect", ARN + "client/${iot:ClientId}"),
        ("iot:Connect", "*"),
        ("iot:Publish", ARN + "topic/$aws/things/*/shadow/update"),
        ("iot:Publish", ARN + "topic/$aws/things/*"),
        ("iot:Publish", ARN + "topic/$aws/things/*/shadow/name/limits/update"),
        ("iot:Publish", ARN + "topic/*"),
        ("iot:Publish", "arn:aws:iot:*:*:topic/$aws/*"),
        ("iot:Subscribe", ARN + "topicfilter/$aws/things/*"),
        ("iot:Subscribe", ARN + "topicfilter/$aws/things/#"),
        ("iot:Subscribe", ARN + "topicfilter/$aws/things/+/shadow/update"),
        ("iot:Subscribe", ARN + "topicfilter/$aws/things/+/shadow/name/limits/get"),
        ("iot:GetThingShadow", ARN + "thing/*"),
        ("iot:*", "*"),
        ("iotjobsdata:UpdateJobExecution", ARN + "thing/*"),
    ],
)
def test_what_reaches_any_device_is_too_broad(action: str, resource: str) -> None:
    findings = _findings(statement(action=action, resource=resource))
    assert findings
    assert {one.resource for one in findings} == {resource}
    assert {one.reason_code for one in findings} == {REASON_CODE}
    assert {one.statement for one in findings} == {"Statement[0]"}


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("iot:Connect", ARN + f"client/{OWN}"),
        ("iot:Connect", ARN + "client/lamp-1"),
        ("iot:Publish", ARN + f"topic/$aws/things/{OWN}/shadow/*"),
        ("iot:Publish", ARN + "topic/site/*"),
        ("iot:Subscribe", ARN + f"topicfilter/$aws/things/{OWN}/shadow/*"),
        ("iot:Subscribe", ARN + f"topicfilter/$aws/things/{OWN}/jobs/*"),
        ("iot:Receive", ARN + "topic/$aws/things/*"),
        ("iot:UpdateThingShadow", ARN + "thing/MyThing1"),
        ("greengrass:Discover", "*"),
    ],
)
def test_what_reaches_the_device_itself_is_compliant(action: str, resource: str) -> None:
    assert _findings(statement(action=action, resource=resource)) == ()


def test_a_client_id_of_its_own_is_compliant_if_the_thing_must_be_attached() -> None:
    allow = statement(action="iot:Connect", resource=ARN + "client/${iot:ClientId}")
    assert _findings({**allow, "Condition": ATTACHED}) == ()
    assert len(_findings(allow)) == 1


def test_a_condition_on_when_does_not_make_a_shadow_ones_own() -> None:
    allow = statement(action=SHADOWS, resource=ARN + "thing/*", Condition=ATTACHED)
    assert {one.action for one in _findings(allow)} == set(SHADOWS)


def test_a_deny_takes_the_breadth_away() -> None:
    allow = statement(action=SHADOWS, resource=ARN + "thing/*")
    deny = statement("Deny", SHADOWS, "*")
    assert _findings(allow, deny) == ()
    assert _findings(allow, {**deny, "Resource": ARN + "thing/lamp"})


def test_the_getting_started_policy_is_flagged_for_every_action_it_gives_away() -> None:
    getting_started = [
        statement(
            action=["iot:Publish", "iot:Subscribe", "iot:Connect", "iot:Receive"], resource="*"
        ),
        statement(action="greengrass:*", resource="*"),
    ]
    flagged = {one.action for one in _findings(*getting_started)}
    assert flagged == {"iot:Publish", "iot:Subscribe", "iot:Connect"}


def test_generated_policies_are_compliant() -> None:
    core = minimal_core_policy(
        region="eu-west-1", account="123456789012", core_thing_name="gate", group_id="g-1"
    )
    device = minimal_device_policy(
        region="eu-west-1",
        account="123456789012",
        thing_name="lamp",
        publish=["site/lamp/up"],
        subscribe=["site/+/down"],
    )
    for text in (core, device):
        assert json.loads(text)
        assert overly_permissive(parse_policy(text)) == ()
