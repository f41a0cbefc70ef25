"""Meanings that AWS leaves open, and traps, are named when a policy is parsed."""

from typing import Any

import pytest
from tests.support.policies import TOPIC, document, statement

from hedgerow.policy import Dialect, parse_policy

THING = "arn:aws:iot:us-east-1:111122223333:thing/"


def warnings(*statements: Any, dialect: Dialect = Dialect.IDENTITY, **more: Any) -> tuple[str, ...]:
    return parse_policy(document(*statements, **more), dialect).warnings


@pytest.mark.parametrize(
    ("place", "problem", "given"),
    [
        ("", "within the resource's type", statement(resource="arn:aws:iot:r:1:th*/a")),
        ("", "within the resource's type", statement(resource="arn:aws:iot:r:1:*/a")),
        ("", "within the resource's type", statement(resource="arn:aws:iot:r:1:t?ing/a*")),
        ("", "within the resource's type", statement(resource="arn:aws:iot:r:1:th*/a?")),
        ("", "within the resource's type", statement(resource="arn:aws:iot:r:1:t?ing/a")),
        ("", "within the resource's type", statement(resource="arn:aws:iot:r:1:t?ing/a?")),
        (".Condition.ForAllValues:StringEquals.aws:TagKeys", "met by a request without the key",
         statement(Condition={"ForAllValues:StringEquals": {"aws:TagKeys": "env"},
                              "Null": {"aws:TagKeys": "true"}})),
        (".Condition.ForAllValues:StringEquals.aws:TagKeys", "met by a request without the key",
         statement(Condition={"ForAllValues:StringEquals": {"aws:TagKeys": "env"},
                              "Null": {"aws:TagKeys": ["true", "false"]}})),
        (".Condition.ForAllValues:StringEquals.aws:TagKeys", "met by a request without the key",
         statement(Condition={"ForAllValues:StringEquals": {"aws:TagKeys": "env"},
                              "ForAnyValue:StringNotEquals": {"aws:TagKeys": "false"}})),
        ("", "within the resource's type", statement(resource="arn:aws:lambda:r:1:*:f:*")),
        ("", "allows nothing; give the variable a default",
         {"Effect": "Allow", "Action": "*", "NotResource": THING + "${aws:username}"}),
        ("", "allows nothing; give the variable a default",
         {"Effect": "Allow", "Action": "*",
          "NotResource": THING + "${aws:userid, 'x'}/${aws:username}"}),
        (".Condition.StringEquals.aws:TagKeys", "has several values",
         statement(Condition={"StringEquals": {"aws:TagKeys": "env"}})),
        (".Condition.ForAllValues:StringEquals.aws:TagKeys", "met by a request without the key",
         statement(Condition={"ForAllValues:StringEquals": {"aws:TagKeys": "env"}})),
        (".Condition.ForAllValues:StringEquals.aws:TagKeys", "met by a request without the key",
         statement(Condition={"ForAllValues:StringEquals": {"aws:TagKeys": "env"},
                              "Null": {"aws:SourceIp": "false"}})),
        (".Condition.StringEquals.aws:SourceIP4", "AWS has no such key",
         statement(Condition={"StringEquals": {"aws:SourceIP4": "x"}})),
    ],
)  # fmt: skip
def test_there_is_one_warning_with_its_place(place: str, problem: str, given: Any) -> None:
    told = warnings(statement(), given)
    assert len(told) == 1
    assert told[0].startswith(f"Statement[1]{place}: ")
    assert problem in told[0]


@pytest.mark.parametrize(
    "given",
    [
        statement(resource="arn:aws:iot:r:1:*"),
        statement(resource="arn:aws:iot:*:*:thing/*"),
        statement(resource="arn:aws:iot:r:1:thing/a*b"),
        statement(resource="arn:aws:iot:r:1:thing/a?b*/c"),
        statement(resource="arn:aws:iot:r:1:a*b*"),
        statement(resource="arn:aws:iot:*:1:name"),
        statement(resource="arn:aws:iot:r:1:${*}a/b*c"),
        statement(resource="arn:aws:iot:r:1:thing/${*}${$}{a}"),
        statement(resource="arn:aws:iot:r:1:thing/${aws:username}*/x"),
        statement(resource="arn:aws:iot:r:1:${aws:username}/a*/b"),
        statement(resource="arn:aws:sns:r:1:topic*:x"),
        statement(resource="arn:aws:s3:::*/x"),
        statement(resource="arn:aws:logs:r:1:log-group:/aws/*:x"),
        {"Effect": "Deny", "Action": "*", "NotResource": THING + "${aws:username}"},
        {"Effect": "Allow", "Action": "*", "NotResource": THING + "${aws:username, 'x'}"},
        statement("Deny", Condition={"ForAllValues:StringEquals": {"aws:TagKeys": "env"}}),
        statement(
            Condition={
                "ForAllValues:StringEquals": {"aws:TagKeys": "env"},
                "Null": {"aws:tagkeys": "FALSE"},
            }
        ),
        statement(Condition={"ForAnyValue:StringEquals": {"aws:TagKeys": "env"}}),
        statement(Condition={"StringEquals": {"aws:PrincipalTag/any": "x", "iot:any": "x"}}),
        statement(Condition={"Null": {"aws:TagKeys": "true"}}),
    ],
)
def test_there_is_none_where_the_meaning_is_clear(given: Any) -> None:
    assert warnings(given) == ()


def test_a_variable_in_the_old_version_is_named() -> None:
    """Whatever wildcards are around it: a deny that was meant for each of many denies nobody."""
    said = "is taken as it stands; policy variables need Version 2012-10-17"
    for name in ("${aws:username}", "${aws:username}/*", "*/${aws:username}", "a*${aws:userid}/*"):
        for resources in (THING + name, [THING + "a", THING + name]):
            told = warnings(statement(resource=resources), version="2008-10-17")
            assert told == (f"Statement[0]: '{THING}{name}' {said}",)
            assert warnings(statement(resource=resources)) == ()
    condition = {"StringLike": {"aws:PrincipalTag/a": ["x", "${aws:username}*"]}}
    told = warnings(statement(Condition=condition), version="2008-10-17")
    place = "Statement[0].Condition.StringLike.aws:PrincipalTag/a"
    assert told == (f"{place}: '${{aws:username}}*' {said}",)
    assert warnings(statement(Condition=condition)) == ()


def test_a_device_s_policy_is_warned_about_its_resources_only() -> None:
    given = statement(
        resource=["arn:aws:*:r:1:topic/a", "arn:aws:io?:r:1:topic/a", TOPIC + "a"],
        Condition={"StringEquals": {"iot:ClientId": "x"}},
    )
    told = warnings(given, dialect=Dialect.IOT)
    assert len(told) == 2
    assert all("has a wildcard for the service" in one for one in told)
    assert warnings(statement(resource="arn:aws:iot:*:1:topic/a"), dialect=Dialect.IOT) == ()


@pytest.mark.parametrize(
    ("key", "flagged"),
    [("aws:SourceAccount", False), ("aws:SourceArn", False), ("aws:SourceIp", True)],
)
def test_a_service_that_may_act_for_anybody_is_flagged(key: str, *, flagged: bool) -> None:
    """Guide page cross-service-confused-deputy-prevention."""
    given = {
        "Effect": "Allow",
        "Principal": {"Service": "greengrass.amazonaws.com"},
        "Action": "sts:AssumeRole",
        "Condition": {"StringLike": {key: "*"}},
    }
    told = warnings(given, dialect=Dialect.TRUST)
    assert bool(told) is flagged
    del given["Condition"]
    assert "on anybody's behalf" in warnings(given, dialect=Dialect.TRUST)[0]
    given["Effect"] = "Deny"
    assert warnings(given, dialect=Dialect.TRUST) == ()
    given["Principal"] = {"AWS": "111122223333"}
    assert warnings({**given, "Effect": "Allow"}, dialect=Dialect.TRUST) == ()


def test_not_principal_is_named() -> None:
    given = {
        "Effect": "Deny",
        "NotPrincipal": {"AWS": "arn:aws:iam::111122223333:role/x"},
        "Action": "sts:*",
    }
    assert "AWS wants both" in warnings(given, dialect=Dialect.TRUST)[0]


def test_services_that_may_act_for_anybody_are_named_in_order() -> None:
    given = {
        "Effect": "Allow",
        "Principal": {"Service": [f"{name}.amazonaws.com" for name in "dcba"]},
        "Action": "sts:AssumeRole",
    }
    told = warnings(given, dialect=Dialect.TRUST)[0]
    names = ", ".join(f"{name}.amazonaws.com" for name in "abcd")
    assert told.startswith(f"Statement[0]: {names} may assume the role")


@pytest.mark.parametrize(
    "key",
    [
        "CurrentTime", "EpochTime", "MultiFactorAuthAge", "MultiFactorAuthPresent", "PrincipalArn",
        "PrincipalAccount", "PrincipalTag/team", "RequestTag/team", "RequestedRegion",
        "ResourceTag/team", "SecureTransport", "SourceAccount", "SourceArn", "SourceIdentity",
        "SourceIp", "SourceVpce", "TokenIssueTime", "UserAgent", "userid", "username",
    ],
)  # fmt: skip
def test_the_keys_of_requests_are_known(key: str) -> None:
    assert warnings(statement(Condition={"Null": {f"aws:{key}": "false"}})) == ()
    assert "no such key" in warnings(statement(Condition={"Null": {f"aws:x{key}": "false"}}))[0]
