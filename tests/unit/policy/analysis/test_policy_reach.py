"""What a policy reaches, and which statements nothing needs."""

import json
from typing import Any

from hedgerow.policy import AccessRequest, Dialect, NamedPolicy, Policy, context, parse_policy
from hedgerow.policy.analysis import Reached, UnusedStatement, reach, unused_statements

ARN = "arn:aws:iot:eu-west-1:123456789012:"
MFA = {"Bool": {"aws:MultiFactorAuthPresent": "true"}}


def _policy(*statements: dict[str, Any]) -> Policy:
    text = json.dumps({"Version": "2012-10-17", "Statement": statements})
    return parse_policy(text, Dialect.IDENTITY)


def _statement(sid: str, effect: str = "Allow", **more: Any) -> dict[str, Any]:
    return {"Sid": sid, "Effect": effect, "Action": "iot:*", "Resource": "*", **more}


def test_each_action_with_each_resource_is_told_with_its_conditions() -> None:
    policy = _policy(
        _statement("a", Action=["iot:Publish", "iot:Connect"], Resource=ARN + "t/*", Condition=MFA)
    )
    condition = ("Bool aws:MultiFactorAuthPresent: true",)
    assert reach(policy) == tuple(
        Reached(action, ARN + "t/*", "a", conditions=condition)
        for action in ("iot:Publish", "iot:Connect")
    )


def test_exceptions_are_told() -> None:
    policy = _policy(
        {"Sid": "a", "Effect": "Allow", "NotAction": "iam:*", "NotResource": ARN + "thing/x"}
    )
    assert reach(policy) == (
        Reached("*", "*", "a", except_actions=("iam:*",), except_resources=(ARN + "thing/x",)),
    )


def test_known_actions_are_told_by_name() -> None:
    policy = _policy(_statement("a"), {**_statement("b"), "Action": "iot:Get*"})
    told = reach(policy, ["iot:GetThing", "iam:GetUser", "iot:DescribeThing"])
    assert [(one.statement, one.action) for one in told] == [
        ("a", "iot:GetThing"),
        ("a", "iot:DescribeThing"),
        ("b", "iot:GetThing"),
    ]


def test_what_is_denied_whatever_the_conditions_is_not_reached() -> None:
    allow = _statement("a", Action=["iot:Publish", "iot:DeleteThing"])
    denied = _policy(allow, _statement("no", "Deny", Action="iot:Delete*"))
    assert [one.action for one in reach(denied)] == ["iot:Publish"]
    all_but = {"Sid": "no", "Effect": "Deny", "NotAction": "iot:Publish", "Resource": "*"}
    assert [one.action for one in reach(_policy(allow, all_but))] == ["iot:Publish"]


def test_what_is_denied_in_part_or_under_conditions_is_reached_and_says_so() -> None:
    allow = _statement("a", Action="iot:Publish", Resource=ARN + "topic/*")
    in_part = _statement("part", "Deny", Resource=ARN + "topic/secret/*")
    sometimes = _statement("sometimes", "Deny", Condition=MFA)
    elsewhere = _statement("elsewhere", "Deny", Resource=ARN + "thing/*")
    (told,) = reach(_policy(allow, in_part, sometimes, elsewhere))
    assert told.denied_by == ("part", "sometimes")


def _request(action: str, resource: str = ARN + "thing/a") -> AccessRequest:
    return AccessRequest(action, resource, context({}))


def test_statements_that_no_request_needs_are_told() -> None:
    policy = NamedPolicy(
        "p",
        _policy(
            _statement("used", Action="iot:GetThing"),
            _statement("never", Action="iot:DeleteThing"),
            _statement("twice", Action="iot:Describe*"),
            _statement("again", Action="iot:DescribeThing"),
            _statement("idle", "Deny", Action="iot:Publish"),
            _statement("guard", "Deny", Action="iot:Describe*", Resource=ARN + "thing/b"),
        ),
    )
    requests = [
        _request("iot:GetThing"),
        _request("iot:DescribeThing"),
        _request("iot:Publish"),
        _request("iot:DescribeThing", ARN + "thing/b"),
    ]
    assert unused_statements([policy], requests) == (
        UnusedStatement("p", "never", "Allow", applied=0),
        UnusedStatement("p", "twice", "Allow", applied=2),
        UnusedStatement("p", "again", "Allow", applied=2),
        UnusedStatement("p", "idle", "Deny", applied=1),
    )


def test_policies_are_looked_at_together() -> None:
    one = NamedPolicy("one", _policy(_statement("a", Action="iot:GetThing")))
    other = NamedPolicy("other", _policy(_statement("a", Action="iot:*")))
    told = unused_statements([one, other], [_request("iot:GetThing"), _request("iot:Publish")])
    assert [(each.policy, each.statement) for each in told] == [("one", "a")]


def test_a_deny_of_all_but_some_takes_what_is_not_exempt() -> None:
    allow = _statement("a", Action=["iot:Publish", "iot:DeleteThing"], Resource=ARN + "topic/a/*")

    def told(**exempt: Any) -> list[tuple[str, tuple[str, ...]]]:
        deny = {"Sid": "no", "Effect": "Deny", **exempt}
        return [(one.action, one.denied_by) for one in reach(_policy(allow, deny))]

    publish, delete = ("iot:Publish", ()), ("iot:DeleteThing", ())
    everything = {"Resource": "*"}
    assert told(NotAction=["iot:Publish", "iam:*"], **everything) == [publish]
    assert told(NotAction=["iot:*"], **everything) == [publish, delete]
    assert told(NotAction=["iot:Pub*", "iot:D*"], **everything) == [publish, delete]
    partly = [("iot:Publish", ("no",)), ("iot:DeleteThing", ("no",))]
    assert told(Action="*", NotResource=[ARN + "topic/a/b", ARN + "thing/*"]) == partly
    assert told(Action="*", NotResource=[ARN + "topic/*", ARN + "thing/*"]) == [publish, delete]
    assert told(Action="*", NotResource=ARN + "thing/*") == []
    # without a value for it, nobody knows what is exempt
    assert told(Action="*", NotResource=ARN + "topic/${aws:username}*") == partly
    assert told(Action=["iot:Publish", "iam:X"], Resource=[ARN + "x/*", ARN + "topic/*"]) == [
        delete
    ]
    assert told(Action=["iot:Pub*"], Resource=[ARN + "x/*", ARN + "topic/a/b"]) == [
        partly[0],
        delete,
    ]


def test_a_deny_for_others_takes_nothing_away() -> None:
    def told(denied: Any, allowed: Any, dialect: Dialect) -> list[tuple[str, tuple[str, ...]]]:
        resource = {} if dialect is Dialect.TRUST else {"Resource": "*"}
        statements = [
            {"Sid": sid, "Effect": effect, "Action": "sts:AssumeRole", "Principal": who, **resource}
            for sid, effect, who in (("a", "Allow", allowed), ("no", "Deny", denied))
        ]
        text = json.dumps({"Version": "2012-10-17", "Statement": statements})
        return [(one.statement, one.denied_by) for one in reach(parse_policy(text, dialect))]

    mine, yours = {"AWS": "111122223333"}, {"AWS": "444455556666"}
    for dialect in (Dialect.TRUST, Dialect.ENDPOINT):
        assert told(yours, mine, dialect) == [("a", ("no",))]
        assert told(mine, mine, dialect) == []
