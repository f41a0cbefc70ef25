"""The advice is the smallest change, it never offers a wildcard, and following it works."""

import json
from typing import Any

import pytest
from tests.support.policies import TOPIC, asking, attached, named, publish, statement

from hedgerow.policy import (
    AccessRequest,
    Dialect,
    NamedPolicy,
    PolicySet,
    Requester,
    decide,
    explain,
    explain_trust,
    parse_policy,
)
from hedgerow.policy.advice import escaped

IOT = "arn:aws:iot:us-east-1:111122223333:"


def advice(*statements: Any, request: AccessRequest | None = None) -> str:
    asked = request or publish("lamp/up", ClientId="lamp")
    return explain([named(*statements)], asked).advice


@pytest.mark.parametrize(
    ("expected", "statements"),
    [
        (f"add a statement that allows iot:Publish on {TOPIC}lamp/up", []),
        (f"add a statement that allows iot:Publish on {TOPIC}lamp/up",
         [statement(action="iot:Connect", resource=TOPIC + "x")]),
        # only this action would get the resource
        (f"add {TOPIC}lamp/up to the resources of Statement[0] of policy p",
         [statement(resource=TOPIC + "lamp/*/x")]),
        # others would get it as well
        (f"add a statement to policy p that allows iot:Publish on {TOPIC}lamp/up",
         [statement(action=["iot:Publish", "iot:Receive"], resource=TOPIC + "x")]),
        (f"add a statement to policy p that allows iot:Publish on {TOPIC}lamp/up",
         [statement(action="iot:Pub*", resource=TOPIC + "x")]),
        # only this resource would get the action
        ("add iot:Publish to the actions of Own of policy p",
         [statement(action="iot:Receive", resource=TOPIC + "lamp/up", Sid="Own")]),
        (f"add a statement to policy p that allows iot:Publish on {TOPIC}lamp/up",
         [statement(action="iot:Receive", resource=TOPIC + "lamp/*")]),
        # a condition stands in the way of either
        (f"add a statement to policy p that allows iot:Publish on {TOPIC}lamp/up",
         [statement(action="iot:Receive", resource=TOPIC + "lamp/up",
                    Condition={"StringEquals": {"iot:ClientId": "door"}})]),
        (f"add a statement to policy p that allows iot:Publish on {TOPIC}lamp/up",
         [statement(resource=TOPIC + "x", Condition={"StringEquals": {"iot:ClientId": "door"}})]),
        # the request is what has to change
        (("meet what Statement[0] of policy p asks for before it allows iot:Publish on "
         f"{TOPIC}lamp/up: iot:ClientId is 'lamp', and StringEquals iot:ClientId: door is asked "
         "for"),
         [statement(Condition={"StringEquals": {"iot:ClientId": "door"}})]),
        (("meet what Statement[0] of policy p asks for before it allows iot:Publish on "
         f"{TOPIC}lamp/up: iot:Connection.Thing.ThingName has no value here, and StringLike "
         "iot:Connection.Thing.ThingName is asked for"),
         [statement(Condition={"StringLike": {"iot:Connection.Thing.ThingName": "l*"}})]),
        (("give ${iot:Connection.Thing.ThingName} a value that fits: Statement[0] of policy p "
         f"would allow iot:Publish on {TOPIC}lamp/up"),
         [statement(resource=TOPIC + "${iot:Connection.Thing.ThingName}/up")]),
        (f"add {TOPIC}lamp/up to the resources of Statement[0] of policy p",
         [statement(resource=TOPIC + "${iot:Connection.Thing.ThingName}/down")]),
        ((f"to allow iot:Publish on {TOPIC}lamp/up, take it out of Statement[1] of policy p; no "
         "allow statement can outweigh a deny"),
         [statement(), statement("Deny")]),
        ("", [statement()]),
    ],
)  # fmt: skip
def test_the_smallest_change(expected: str, statements: list[Any]) -> None:
    request = publish("lamp/up", ClientId="lamp")
    policies = [named(*statements)] if statements else []
    assert explain(policies, request).advice == expected


def test_the_layer_that_refused_is_the_one_to_change() -> None:
    identity = (attached(statement(action="*")),)
    other = attached(statement(action="iam:*"), dialect=Dialect.BOUNDARY)
    asked = asking("iot:DescribeThing", IOT + "thing/a")
    wanted = f"that allows iot:DescribeThing on {IOT}thing/a"
    for policies, where in (
        (PolicySet(identity, boundary=(other,)), " to the permissions boundary"),
        (PolicySet(identity, session=(other,)), " to the session policy"),
        (PolicySet(identity, endpoint=(other,)), " to the endpoint's policy"),
    ):
        explanation = explain(policies, asked)
        assert explanation.advice == f"add a statement{where} {wanted}"
        assert explanation.nearest is explanation.statements[1]
        assert explanation.statements[0].layer == "identity"
        assert explanation.statements[0].applies


def test_a_trust_policy_s_advice_names_who_asks() -> None:
    trust = attached(
        {"Effect": "Allow", "Principal": {"AWS": "444455556666"}, "Action": "sts:AssumeRole"},
        dialect=Dialect.TRUST,
        name="role/x#trust",
    )
    alice = Requester("111122223333", "arn:aws:iam::111122223333:user/alice")
    explanation = explain_trust(trust, asking("sts:AssumeRole", principal=alice))
    assert explanation.advice == (
        f"add a statement to the trust policy that allows sts:AssumeRole to {alice.arn}"
    )
    assert explanation.nearest is not None
    assert explanation.nearest.objections == ("its principal is 444455556666, not who asks",)
    service = Requester("", "", service="greengrass.amazonaws.com")
    explanation = explain_trust(trust, asking("sts:AssumeRole", principal=service))
    assert explanation.advice.endswith("allows sts:AssumeRole to greengrass.amazonaws.com")


def test_an_action_without_resources_of_its_own_is_said_in_words() -> None:
    asked = asking("iot:ListThings", "*")
    told = explain([attached(statement(action="iam:*", resource=IOT + "thing/a"))], asked).advice
    assert told == (
        "add a statement that allows iot:ListThings on every resource, as this action has none "
        "of its own"
    )


@pytest.mark.parametrize(
    "topic", ["lamp/up", "*", "#/*", "a?b", "${iot:ClientId}", "$${*}", "${*}", "a${", "}?*{$"]
)
def test_what_is_advised_grants_that_resource_and_nothing_else(topic: str) -> None:
    """A device chooses the topic it asks for: advice must not turn it into a pattern."""
    request = publish(topic)
    told = explain([named(statement(resource=TOPIC + "other"))], request).advice
    resource = told.removeprefix("add ").removesuffix(
        " to the resources of Statement[0] of policy p"
    )
    assert resource == TOPIC + escaped(topic)
    document = {
        "Version": "2012-10-17",
        "Statement": {"Effect": "Allow", "Action": "iot:Publish", "Resource": resource},
    }
    followed = [NamedPolicy("advised", parse_policy(json.dumps(document)))]
    assert decide(followed, request).allowed
    for other in ("lamp", "x", "axb", "#/x", "", "a", topic + "x"):
        if other != topic:
            assert not decide(followed, publish(other, ClientId="x")).allowed
    assert "*" not in told.replace("${*}", "")


def test_control_characters_in_advice_are_escaped_and_it_is_bounded() -> None:
    told = advice(statement(resource=TOPIC + "x"), request=publish("a\r\n" + "b" * 5000))
    assert told.isprintable()
    assert "a\\r\\n" in told
    assert len(told) < 700


def test_an_empty_list_is_no_value() -> None:
    given = statement(Condition={"ForAnyValue:StringEquals": {"aws:TagKeys": "env"}})
    for values, now in ((["a", "b"], "is 'a', 'b'"), ([], "has no value here")):
        told = explain([attached(given)], asking("iot:Publish", aws__TagKeys=values)).advice
        assert f"aws:TagKeys {now}, and ForAnyValue:StringEquals aws:TagKeys: env is asked" in told


def test_nobody_is_sent_to_change_a_policy_of_aws() -> None:
    name = "arn:aws:iam::aws:policy/AWSGreengrassReadOnlyAccess"
    reading = named(statement(action="iot:Get*"), name=name)
    assert explain([reading], publish("lamp/up", ClientId="lamp")).advice == (
        f"add a statement to a policy of your own, as {name} cannot be changed, that allows "
        f"iot:Publish on {TOPIC}lamp/up"
    )
