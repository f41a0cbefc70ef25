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


WANTED = "iot:DescribeThing"
LAMP = IOT + "thing/lamp"


@pytest.mark.parametrize(
    "given",
    [
        # the action would be had for another resource as well
        statement(action="iot:X", resource=[LAMP, IOT + "thing/door"]),
        # what these list is what they do not give
        {"Effect": "Allow", "NotAction": WANTED, "Resource": LAMP},
        {"Effect": "Allow", "NotAction": "iam:X", "Resource": IOT + "thing/door"},
        {"Effect": "Allow", "Action": WANTED, "NotResource": LAMP},
        {"Effect": "Allow", "Action": WANTED, "NotResource": IOT + "thing/${aws:username}"},
    ],
)
def test_nothing_is_added_to_a_statement_that_would_give_more(given: Any) -> None:
    told = explain([attached(given)], asking(WANTED, LAMP)).advice
    assert told == f"add a statement to policy p that allows {WANTED} on {LAMP}"


def test_every_resource_is_not_added_to_one() -> None:
    told = explain([attached(statement(action=WANTED, resource=LAMP))], asking(WANTED, "*")).advice
    assert told.startswith(f"add a statement to policy p that allows {WANTED} on every resource")


def test_only_the_conditions_that_fail_are_to_be_met() -> None:
    conditions = {
        "StringEquals": {"aws:RequestTag/a": "x", "aws:RequestTag/b": "y"},
        "StringLike": {"aws:RequestTag/c": ["z", "w*"]},
    }
    values = {"aws__RequestTag/a": "x", "aws__RequestTag/b": "x"}
    policies = [attached(statement(action=WANTED, Condition=conditions))]
    explanation = explain(policies, asking(WANTED, LAMP, **values))
    assert explanation.advice == (
        f"meet what Statement[0] of policy p asks for before it allows {WANTED} on {LAMP}: "
        "aws:RequestTag/b is 'x', and StringEquals aws:RequestTag/b: y is asked for; "
        "aws:RequestTag/c has no value here, and StringLike aws:RequestTag/c is asked for"
    )
    assert explanation.statements[0].objections == (
        ("its condition StringEquals aws:RequestTag/b: y does not hold, aws:RequestTag/b is 'x'"),
        (
            "its condition StringLike aws:RequestTag/c: z, w* does not hold, aws:RequestTag/c has "
            "no value here"
        ),
    )


def test_every_variable_without_a_value_is_named() -> None:
    given = statement(action=WANTED, resource=IOT + "${aws:userid}/${aws:username}")
    told = explain([attached(given)], asking(WANTED, LAMP)).advice
    assert told.startswith("give ${aws:userid} and ${aws:username} a value that fits: ")


def test_who_asks_is_named_in_advice_on_a_trust_policy_alone() -> None:
    role = "arn:aws:iam::111122223333:role/Deployer"
    session = Requester(
        "111122223333", "arn:aws:sts::111122223333:assumed-role/Deployer/run-1", role_arn=role
    )
    trusting = {"Effect": "Allow", "Action": "sts:AssumeRole"}
    trust = attached(
        {**trusting, "Principal": {"AWS": "444455556666"}}, dialect=Dialect.TRUST, name="role/x"
    )
    told = explain_trust(trust, asking("sts:AssumeRole", LAMP, principal=session)).advice
    assert told == f"add a statement to the trust policy that allows sts:AssumeRole to {role}"
    told = explain_trust(trust, asking("sts:AssumeRole", LAMP)).advice
    assert told == f"add a statement to the trust policy that allows sts:AssumeRole on {LAMP}"
    door = attached(statement(action="iam:*", Principal="*"), dialect=Dialect.ENDPOINT)
    policies = PolicySet((attached(statement(action="*")),), endpoint=(door,))
    told = explain(policies, asking(WANTED, LAMP, principal=session)).advice
    assert told == f"add a statement to the endpoint's policy that allows {WANTED} on {LAMP}"


def test_a_condition_of_a_trust_policy_is_to_be_met_by_whom_it_names() -> None:
    external = {"StringEquals": {"sts:ExternalId": "x"}}
    trust = attached(
        {
            "Effect": "Allow",
            "Action": "sts:AssumeRole",
            "Principal": {"AWS": "111122223333"},
            "Condition": external,
        },
        dialect=Dialect.TRUST,
        name="role/x",
    )
    alice = Requester("111122223333", "arn:aws:iam::111122223333:user/alice")
    explanation = explain_trust(trust, asking("sts:AssumeRole", LAMP, principal=alice))
    assert explanation.advice.startswith("meet what Statement[0] of policy role/x asks for")
    assert explanation.cause == "trust-condition"
    other = explain_trust(trust, asking("sts:TagSession", LAMP, principal=alice))
    assert other.nearest is None
    assert other.cause == "trust-policy"
    door = attached(
        statement(action=WANTED, Principal={"AWS": "111122223333"}, Condition=external),
        dialect=Dialect.ENDPOINT,
    )
    policies = PolicySet((attached(statement(action="*")),), endpoint=(door,))
    assert explain(policies, asking(WANTED, LAMP, principal=alice)).cause == "endpoint-policy"


_SEVERAL = "; no allow statement can outweigh a deny"


@pytest.mark.parametrize(
    ("given", "undone"),
    [
        # the condition is what one would want to meet
        ({"Condition": {"StringNotEquals": {"aws:SourceVpce": "vpce-0plant"}}},
         ("let Statement[1] of policy p not hold: aws:SourceVpce has no value here, and would have "
         "to be vpce-0plant (it is the private door that a call comes through)")),
        ({"Condition": {"StringEquals": {"aws:RequestedRegion": "eu-west-1"}}},
         ("let Statement[1] of policy p not hold: aws:RequestedRegion is 'eu-west-1', and would "
         "have to be other than eu-west-1")),
        ({"Condition": {"Null": {"aws:SourceVpce": "true"}}},
         ("let Statement[1] of policy p not hold: aws:SourceVpce has no value here, and would have "
         "to have a value (it is the private door that a call comes through)")),
        ({"Condition": {"StringNotLike": {"aws:SourceArn": "a*"}}},
         ("let Statement[1] of policy p not hold: aws:SourceArn has no value here, and would have "
         "to be as the condition lists")),
        ({"Condition": {"DateGreaterThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}}},
         ("let Statement[1] of policy p not hold: aws:CurrentTime is '2026-01-01T00:00:00Z', and "
         "DateGreaterThan aws:CurrentTime: 2020-01-01T00:00:00Z would have to fail")),
        # one action on this alone can be taken out of what denies everything
        ({"action": "*", "resource": LAMP},
         f"say NotAction: {WANTED} in place of the Action of Statement[1] of policy p"),
        ({"NotAction": "iam:X", "resource": LAMP},
         f"add {WANTED} to the NotAction of Statement[1] of policy p"),
        # of several resources it would take out more than was asked for
        ({"action": "*"}, ("narrow Statement[1] of policy p, which denies more than it names, so "
         "that it leaves this out")),
        ({"action": "iot:Desc*", "resource": LAMP},
         ("narrow Statement[1] of policy p, which denies more than it names, so that it leaves "
         "this out")),
        ({"action": WANTED}, "take it out of Statement[1] of policy p"),
    ],
)  # fmt: skip
def test_what_denies_is_undone_by_its_condition_or_by_as_little_as_can_be(
    given: dict[str, Any], undone: str
) -> None:
    denying = statement("Deny", **{"action": "*", **given})
    if "NotAction" in denying:
        del denying["Action"]
    policy = attached(statement(action="*"), denying)
    facts = {"aws__RequestedRegion": "eu-west-1", "aws__CurrentTime": "2026-01-01T00:00:00Z"}
    told = explain([policy], asking(WANTED, LAMP, **facts)).advice
    assert told == f"to allow {WANTED} on {LAMP}, {undone}{_SEVERAL}"


def test_a_deny_of_mfa_missing_says_how_to_have_it() -> None:
    only = {"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}}
    policy = attached(statement(action="*"), statement("Deny", action="*", Condition=only))
    told = explain([policy], asking(WANTED, LAMP)).advice
    assert "aws:MultiFactorAuthPresent has no value here, and would have to be true (use" in told
    assert "--serial-number and --token-code" in told


def test_a_device_s_policy_has_no_not_action() -> None:
    denying = statement("Deny", action="*", resource=TOPIC + "lamp/up")
    told = advice(statement(action="*"), denying)
    assert "narrow Statement[1] of policy p" in told
    assert "NotAction" not in told


def test_a_new_statement_asks_of_who_calls_what_its_neighbour_asks() -> None:
    """Else who follows the advice opens with it what was held shut."""
    only = {"Bool": {"aws:MultiFactorAuthPresent": "true"}, "StringEquals": {"aws:UserAgent": "x"}}
    ada, bob = ("arn:aws:iam::111122223333:user/ada", "arn:aws:iam::111122223333:user/bob")
    trust = attached(
        {
            "Effect": "Allow",
            "Principal": {"AWS": ada},
            "Action": "sts:AssumeRole",
            "Condition": only,
        },
        dialect=Dialect.TRUST,
    )
    asked = asking("sts:AssumeRole", principal=Requester("111122223333", bob))
    assert explain_trust(trust, asked).advice == (
        f"add a statement to the trust policy that allows sts:AssumeRole to {bob}, on the "
        "condition of Statement[0]: Bool aws:MultiFactorAuthPresent: true"
    )
    service = asking("sts:AssumeRole", principal=Requester("", "", service="lambda.amazonaws.com"))
    assert "MultiFactor" not in explain_trust(trust, service).advice
    reading = statement(action=[WANTED, "iot:X"], resource=IOT + "thing/door", Condition=only)
    told = explain([attached(reading)], asking(WANTED, LAMP)).advice
    assert told.endswith("on the condition of Statement[0]: Bool aws:MultiFactorAuthPresent: true")
