"""An explanation decides the same, says why of every statement, and finds the nearest."""

from tests.support.policies import TOPIC, asking, attached, named, publish, statement

from hedgerow.policy import Dialect, Requester, decide, decide_trust, explain, explain_trust


def test_every_statement_is_explained_in_order() -> None:
    policies = [
        named(
            statement(action="iot:Connect", Sid="Connecting"),
            statement(resource=[TOPIC + "b", TOPIC + "${iot:ClientId}"]),
            statement(Condition={"StringEquals": {"iot:Connection.Thing.ThingName": "lamp"}}),
            statement(Condition={"Bool": {"iot:Connection.Thing.IsAttached": "true"}}),
            statement("Deny", resource=TOPIC + "c"),
        )
    ]
    request = publish("a", IsAttached="false")
    explanation = explain(policies, request)
    assert explanation.decision == decide(policies, request)
    told = "\n".join(str(one) for one in explanation.statements)
    assert told == (
        "Connecting of policy p (Allow): its action is iot:Connect, not iot:Publish\n"
        f"Statement[1] of policy p (Allow): its resource is {TOPIC}b or {TOPIC}${{iot:ClientId}}, "
        f"which does not match {TOPIC}a; ${{iot:ClientId}} has no value here\n"
        "Statement[2] of policy p (Allow): its condition StringEquals "
        "iot:Connection.Thing.ThingName: lamp does not hold, "
        "iot:Connection.Thing.ThingName has no value here\n"
        "Statement[3] of policy p (Allow): its condition Bool iot:Connection.Thing.IsAttached: "
        "true does not hold, iot:Connection.Thing.IsAttached is 'false'\n"
        f"Statement[4] of policy p (Deny): its resource is {TOPIC}c, which does not match {TOPIC}a"
    )
    assert explanation.statements[1].without_value == ("iot:ClientId",)
    assert explanation.statements[2].without_value == ("iot:Connection.Thing.ThingName",)
    assert not any(one.applies for one in explanation.statements)


def test_the_nearest_statement_is_the_one_that_lacks_least() -> None:
    policies = [
        named(
            statement(action="iot:Connect"),
            statement(resource=TOPIC + "zebra"),
            statement(resource=TOPIC + "lamp/up/*"),
            statement(action="iot:Receive", resource=TOPIC + "lamp/*"),
        )
    ]
    explanation = explain(policies, publish("lamp/upward"))
    assert explanation.nearest is explanation.statements[2]
    assert explanation.advice == (
        f"add {TOPIC}lamp/upward to the resources of Statement[2] of policy p"
    )


def test_a_failed_condition_is_nearer_than_another_resource() -> None:
    policies = [
        named(
            statement(resource=TOPIC + "lam"),
            statement(Condition={"StringEquals": {"iot:ClientId": "lamp"}}),
        )
    ]
    explanation = explain(policies, publish("lamp", ClientId="door"))
    assert explanation.nearest is explanation.statements[1]
    assert "iot:ClientId is 'door'" in explanation.advice


def test_statements_about_something_else_are_not_near() -> None:
    policies = [named(statement(action="iot:Connect", resource=TOPIC + "x"))]
    explanation = explain(policies, publish("a"))
    assert explanation.nearest is None
    assert explanation.advice == f"add a statement that allows iot:Publish on {TOPIC}a"
    assert explain([], publish("a")).statements == ()


def test_of_an_explicit_deny_the_deciding_statement_is_named() -> None:
    policies = [named(statement(), statement("Deny", resource=TOPIC + "a", Sid="NoA"))]
    explanation = explain(policies, publish("a"))
    assert explanation.nearest is None
    assert [one.applies for one in explanation.statements] == [True, True]
    assert str(explanation.statements[1]) == "NoA of policy p (Deny) applies"
    assert explanation.advice.startswith(
        f"to allow iot:Publish on {TOPIC}a, take it out of NoA of policy p"
    )


def test_of_an_allowed_request_there_is_nothing_to_advise() -> None:
    explanation = explain([named(statement())], publish("a"))
    assert explanation.decision.allowed
    assert explanation.nearest is None
    assert explanation.advice == ""


def test_many_resources_are_not_all_listed() -> None:
    policies = [named(statement(resource=[f"{TOPIC}{number}" for number in range(9)]))]
    nearest = explain(policies, publish("a")).nearest
    assert nearest is not None
    assert f"{TOPIC}2 or 6 more," in nearest.objections[0]


def test_the_not_fields_and_principals_are_explained() -> None:
    all_but = {
        "Effect": "Allow",
        "NotAction": ["iam:*", "sts:*"],
        "NotResource": [TOPIC + "a", TOPIC + "b"],
    }
    explanation = explain([attached(all_but)], asking("iam:GetUser", TOPIC + "a"))
    assert explanation.statements[0].objections == (
        "it is for all actions but iam:* or sts:*, and so not for iam:GetUser",
        f"it is for all resources but {TOPIC}a or {TOPIC}b, and so not for {TOPIC}a",
    )
    assert explanation.nearest is None
    explanation = explain([attached(all_but)], asking("iot:X", TOPIC + "c"))
    assert explanation.statements[0].applies
    assert explanation.decision.allowed


def test_a_trust_policy_is_explained() -> None:
    alice = Requester("111122223333", "arn:aws:iam::111122223333:user/alice")
    trusting = {"Effect": "Allow", "Action": "sts:AssumeRole"}
    trust = attached(
        {**trusting, "Principal": {"Service": "iot.amazonaws.com"}},
        {**trusting, "Principal": {"AWS": "111122223333"}, "Sid": "Own"},
        dialect=Dialect.TRUST,
        name="role/x",
    )
    asked = asking("sts:AssumeRole", "arn:aws:iam::111122223333:role/x", principal=alice)
    explanation = explain_trust(trust, asked)
    assert explanation.decision == decide_trust(trust, asked)
    assert [one.layer for one in explanation.statements] == ["trust", "trust"]
    assert [str(one) for one in explanation.statements] == [
        "Statement[0] of policy role/x (Allow): its principal is iot.amazonaws.com, not who asks",
        "Own of policy role/x (Allow) applies",
    ]
    bob = Requester("444455556666", "arn:aws:iam::444455556666:user/bob")
    explanation = explain_trust(trust, asking("sts:AssumeRole", principal=bob))
    assert not any(one.applies for one in explanation.statements)
    assert explanation.nearest is explanation.statements[0]


def test_several_values_and_none_are_told() -> None:
    policies = [
        attached(
            statement(
                Condition={
                    "ForAllValues:StringEquals": {"aws:TagKeys": "env"},
                    "ForAnyValue:StringEquals": {"aws:CalledVia": "x"},
                }
            )
        )
    ]
    asked = asking("iot:Publish", aws__TagKeys=["a", "b"], aws__CalledVia=[])
    assert explain(policies, asked).statements[0].objections == (
        (
            "its condition ForAllValues:StringEquals aws:TagKeys: env does not hold, aws:TagKeys "
            "is 'a', 'b'"
        ),
        (
            "its condition ForAnyValue:StringEquals aws:CalledVia: x does not hold, aws:CalledVia "
            "has no value here"
        ),
    )
    assert explain(policies, asked).statements[0].without_value == ("aws:CalledVia",)


def test_a_second_resource_without_a_value_does_not_hide_the_first() -> None:
    given = statement(resource=[TOPIC + "a", TOPIC + "${aws:username}"])
    asked = asking("iot:Publish", TOPIC + "a")
    assert explain([attached(given)], asked).statements[0].applies


def test_a_deny_that_does_not_apply_is_not_near() -> None:
    far = statement("Deny", resource=TOPIC + "a/b")
    near = statement(resource=TOPIC + "z")
    assert explain([named(far)], publish("a")).nearest is None
    explanation = explain([named(far, near)], publish("a"))
    assert explanation.nearest is explanation.statements[1]


def test_what_is_not_near_does_not_hide_what_is() -> None:
    policies = [
        named(statement(action="iot:Connect", resource=TOPIC + "x"), statement(resource=TOPIC))
    ]
    explanation = explain(policies, publish("a"))
    assert explanation.nearest is explanation.statements[1]


def test_the_nearest_begins_as_the_resource_does_in_one_of_its_resources() -> None:
    policies = [
        named(
            statement(resource=TOPIC + "zebra/of/the/longest/name"),
            statement(resource=[TOPIC + "lamp/up", TOPIC + "zebra"]),
            statement(resource=TOPIC + "lamp/down"),
        )
    ]
    explanation = explain(policies, publish("lamp/upward"))
    assert explanation.nearest is explanation.statements[1]


def test_of_two_as_near_the_one_with_fewer_objections_is_named_then_the_first() -> None:
    other = {"StringEquals": {"iot:ClientId": "door"}}
    far, near = statement(resource=TOPIC + "x", Condition=other), statement(resource=TOPIC + "x")
    for statements, place in (((far, near), 1), ((near, far), 0), ((near, near), 0)):
        explanation = explain([named(*statements)], publish("a", ClientId="lamp"))
        assert explanation.nearest is explanation.statements[place]
