"""Every condition operator: with a value, without one, with several, and with nonsense."""

from datetime import UTC, datetime
from typing import Any

import pytest
from tests.support.policies import attached, document, statement

from hedgerow.policy import (
    AccessRequest,
    Dialect,
    MalformedPolicyError,
    context,
    decide,
    parse_policy,
)
from hedgerow.policy.comparisons import moment, number

IP = "aws:SourceIp"
AGE = "aws:MultiFactorAuthAge"
NOW = "aws:CurrentTime"
EPOCH = "aws:EpochTime"
ARN = "aws:SourceArn"
TAG = "aws:RequestTag/env"
TAGS = "aws:TagKeys"
MFA = "aws:MultiFactorAuthPresent"
BLOB = "kms:Blob"


def judged(condition: Any, values: dict[str, Any]) -> tuple[bool, bool]:
    """Return whether an allow and a deny statement with the condition apply."""
    request = AccessRequest("iot:CreateThing", "*", context(values))
    allow = decide([attached(statement(action="iot:*", Condition=condition))], request)
    deny = decide(
        [attached(statement(action="*"), statement("Deny", "iot:*", Condition=condition))], request
    )
    return allow.allowed, deny.effect == "explicit-deny"


BOTH = [
    # text
    ({"StringEquals": {TAG: "beta"}}, {TAG: "beta"}, True),
    ({"StringEquals": {TAG: "beta"}}, {TAG: "Beta"}, False),
    ({"StringEquals": {TAG: "beta"}}, {}, False),
    ({"StringEquals": {TAG: ["a", "beta"]}}, {TAG: "beta"}, True),
    ({"StringEquals": {TAG: "b*"}}, {TAG: "beta"}, False),
    ({"StringEquals": {"aws:SourceAccount": 123456789012}}, {"aws:SourceAccount": "123456789012"},
     True),
    ({"StringEquals": {"aws:SecureTransport": True}}, {"aws:SecureTransport": "true"}, True),
    ({"StringNotEquals": {TAG: "beta"}}, {TAG: "beta"}, False),
    ({"StringNotEquals": {TAG: "beta"}}, {TAG: "prod"}, True),
    ({"StringNotEquals": {TAG: ["prod", "beta"]}}, {TAG: "prod"}, False),
    ({"StringNotEquals": {TAG: "beta"}}, {}, True),
    ({"StringNotEqualsIfExists": {TAG: "beta"}}, {}, True),
    ({"StringEqualsIgnoreCase": {TAG: "BETA"}}, {TAG: "beta"}, True),
    ({"StringNotEqualsIgnoreCase": {TAG: "BETA"}}, {TAG: "beta"}, False),
    ({"StringNotEqualsIgnoreCase": {TAG: "BETA"}}, {}, True),
    ({"StringLike": {TAG: "b*a"}}, {TAG: "beta"}, True),
    ({"StringLike": {TAG: "b?ta"}}, {TAG: "beta"}, True),
    ({"StringLike": {TAG: "*"}}, {TAG: ""}, True),
    ({"StringLike": {TAG: "*"}}, {}, False),
    ({"StringNotLike": {TAG: "b*"}}, {TAG: "beta"}, False),
    ({"StringNotLike": {TAG: "b*"}}, {}, True),
    ({"StringEqualsIfExists": {TAG: "beta"}}, {}, True),
    ({"StringEqualsIfExists": {TAG: "beta"}}, {TAG: "prod"}, False),
    # keys count in any case
    ({"StringEquals": {"AWS:requesttag/ENV": "beta"}}, {TAG: "beta"}, True),
    # numbers
    ({"NumericEquals": {AGE: "300"}}, {AGE: "300.0"}, True),
    ({"NumericEquals": {AGE: 300}}, {AGE: "301"}, False),
    ({"NumericNotEquals": {AGE: "300"}}, {AGE: "301"}, True),
    ({"NumericNotEquals": {AGE: "300"}}, {AGE: "3e2"}, False),
    ({"NumericNotEquals": {AGE: "300"}}, {}, True),
    ({"NumericLessThan": {AGE: "300"}}, {AGE: "299"}, True),
    ({"NumericLessThan": {AGE: "300"}}, {AGE: "300"}, False),
    ({"NumericLessThan": {AGE: "300"}}, {AGE: "3"}, True),
    ({"NumericLessThan": {AGE: "300"}}, {}, False),
    ({"NumericLessThanIfExists": {AGE: "300"}}, {}, True),
    ({"NumericLessThanEquals": {AGE: "300"}}, {AGE: "300"}, True),
    ({"NumericLessThanEquals": {AGE: "300"}}, {AGE: "300.1"}, False),
    ({"NumericGreaterThan": {AGE: "-1.5"}}, {AGE: "-1"}, True),
    ({"NumericGreaterThan": {AGE: "300"}}, {AGE: "300"}, False),
    ({"NumericGreaterThanEquals": {AGE: "300"}}, {AGE: "300"}, True),
    ({"NumericGreaterThanEquals": {AGE: "300"}}, {AGE: "299"}, False),
    ({"NumericGreaterThan": {EPOCH: "1790000000"}}, {EPOCH: "1790000001"}, True),
    # moments
    ({"DateEquals": {NOW: "2026-01-31T10:00:00Z"}}, {NOW: "2026-01-31T11:00:00+01:00"}, True),
    ({"DateEquals": {NOW: "2026-01-31T10:00:00Z"}}, {NOW: "2026-01-31T10:00:01Z"}, False),
    ({"DateNotEquals": {NOW: "2026-01-31"}}, {NOW: "2026-01-31T00:00:00Z"}, False),
    ({"DateNotEquals": {NOW: "2026-01-31"}}, {}, True),
    ({"DateLessThan": {NOW: "2026-02"}}, {NOW: "2026-01-31T23:59:59.999Z"}, True),
    ({"DateLessThan": {NOW: "2026-02"}}, {NOW: "2026-02-01T00:00:00Z"}, False),
    ({"DateLessThanEquals": {NOW: "2026-02-01"}}, {NOW: "2026-02-01T00:00:00Z"}, True),
    ({"DateGreaterThan": {NOW: "2026-02-01"}}, {NOW: "2026-02-01T00:00:00Z"}, False),
    ({"DateGreaterThanEquals": {NOW: "2026-02-01"}}, {NOW: "2026-02-01T00:00:00Z"}, True),
    ({"DateGreaterThanEquals": {NOW: "2026-02-01"}}, {NOW: "2026-01-31T23:00:00-02:00"}, True),
    ({"DateLessThan": {NOW: "2026-02-01"}}, {}, False),
    ({"DateLessThanIfExists": {NOW: "2026-02-01"}}, {}, True),
    # seconds since 1970, on either side
    ({"DateEquals": {EPOCH: "2026-01-01T00:00:00Z"}}, {EPOCH: "1767225600"}, True),
    ({"DateLessThan": {NOW: "1767225600"}}, {NOW: "2025-12-31T23:59:59Z"}, True),
    ({"DateLessThan": {NOW: 1767225600}}, {NOW: "2026-01-01T00:00:00Z"}, False),
    # truth
    ({"Bool": {MFA: "true"}}, {MFA: "true"}, True),
    ({"Bool": {MFA: "TRUE"}}, {MFA: "True"}, True),
    ({"Bool": {MFA: True}}, {MFA: "false"}, False),
    ({"Bool": {MFA: "false"}}, {}, False),
    ({"BoolIfExists": {MFA: "false"}}, {}, True),
    # addresses
    ({"IpAddress": {IP: "203.0.113.0/24"}}, {IP: "203.0.113.255"}, True),
    ({"IpAddress": {IP: "203.0.113.0/24"}}, {IP: "203.0.114.0"}, False),
    ({"IpAddress": {IP: "203.0.113.7"}}, {IP: "203.0.113.7"}, True),
    ({"IpAddress": {IP: "203.0.113.9/24"}}, {IP: "203.0.113.1"}, True),
    ({"IpAddress": {IP: "0.0.0.0/0"}}, {IP: "203.0.113.1"}, True),
    ({"IpAddress": {IP: "0.0.0.0/0"}}, {IP: "2001:db8::1"}, False),
    ({"IpAddress": {IP: ["10.0.0.0/8", "2001:db8::/32"]}}, {IP: "2001:db8:1::1"}, True),
    ({"IpAddress": {IP: "203.0.113.0/24"}}, {IP: "::ffff:203.0.113.7"}, True),
    ({"IpAddress": {IP: "203.0.113.0/24"}}, {}, False),
    ({"NotIpAddress": {IP: "203.0.113.0/24"}}, {IP: "203.0.113.1"}, False),
    ({"NotIpAddress": {IP: "203.0.113.0/24"}}, {IP: "198.51.100.1"}, True),
    ({"NotIpAddress": {IP: "203.0.113.0/24"}}, {}, True),
    # ARNs, part by part
    ({"ArnLike": {ARN: "arn:aws:greengrass:*:123456789012:*"}},
     {ARN: "arn:aws:greengrass:r:123456789012:/greengrass/groups/g:1"}, True),
    ({"ArnLike": {ARN: "arn:aws:greengrass:*:123456789012:*"}},
     {ARN: "arn:aws:greengrass:r:999999999999:x:123456789012:y"}, False),
    ({"ArnEquals": {ARN: "arn:aws:iot:r:1:thing/?"}}, {ARN: "arn:aws:iot:r:1:thing/a"}, True),
    ({"ArnEquals": {ARN: "arn:aws:iot:r:1:thing/a"}}, {ARN: "arn:aws:iot:r:1:thing/A"}, False),
    ({"ArnEquals": {ARN: "arn:aws:iot:r:1:thing/a"}}, {}, False),
    ({"ArnNotEquals": {ARN: "arn:aws:iot:r:1:thing/*"}}, {ARN: "arn:aws:iot:r:1:thing/a"}, False),
    ({"ArnNotLike": {ARN: "arn:aws:iot:r:1:thing/*"}}, {ARN: "arn:aws:iot:r:2:thing/a"}, True),
    ({"ArnNotLike": {ARN: "arn:aws:iot:r:1:thing/*"}}, {}, True),
    ({"ArnLike": {ARN: "*"}}, {ARN: "arn:aws:iot:r:1:thing/a"}, True),
    ({"ArnLikeIfExists": {ARN: "arn:aws:iot:r:1:*"}}, {}, True),
    # bytes
    ({"BinaryEquals": {BLOB: "QmluYXJ5"}}, {BLOB: "QmluYXJ5"}, True),
    ({"BinaryEquals": {BLOB: "QmluYXJ5"}}, {BLOB: "QmluYXJ4"}, False),
    ({"BinaryEquals": {BLOB: "QmluYXJ5"}}, {}, False),
    # presence
    ({"Null": {TAG: "true"}}, {}, True),
    ({"Null": {TAG: "true"}}, {TAG: "x"}, False),
    ({"Null": {TAG: False}}, {TAG: "x"}, True),
    ({"Null": {TAG: "false"}}, {}, False),
    ({"Null": {TAGS: "true"}}, {TAGS: []}, True),
    ({"Null": {TAGS: "True"}}, {}, True),
    ({"Null": {TAGS: "True"}}, {TAGS: ["a"]}, False),
    ({"Null": {TAGS: ["true", "false"]}}, {TAGS: ["a"]}, True),
    ({"ForAnyValue:StringEquals": {TAGS: ""}}, {TAGS: ["", "a"]}, True),
    ({"Null": {TAG: "false"}}, {TAG: ""}, True),
    # sets
    ({"ForAllValues:StringEquals": {TAGS: ["env", "team"]}}, {TAGS: ["env"]}, True),
    ({"ForAllValues:StringEquals": {TAGS: ["env", "team"]}}, {TAGS: ["env", "cost"]}, False),
    ({"ForAllValues:StringEquals": {TAGS: ["env"]}}, {TAGS: []}, True),
    ({"ForAllValues:StringEquals": {TAGS: ["env"]}}, {}, True),
    ({"ForAllValues:StringNotEquals": {TAGS: ["env"]}}, {TAGS: ["team", "cost"]}, True),
    ({"ForAllValues:StringNotEquals": {TAGS: ["env"]}}, {TAGS: ["team", "env"]}, False),
    ({"ForAllValues:StringLike": {TAGS: ["e*"]}}, {TAGS: "env"}, True),
    ({"ForAnyValue:StringEquals": {TAGS: ["env"]}}, {TAGS: ["team", "env"]}, True),
    ({"ForAnyValue:StringEquals": {TAGS: ["env"]}}, {TAGS: ["team"]}, False),
    ({"ForAnyValue:StringEquals": {TAGS: ["env"]}}, {TAGS: []}, False),
    ({"ForAnyValue:StringEquals": {TAGS: ["env"]}}, {}, False),
    ({"ForAnyValue:StringEqualsIfExists": {TAGS: ["env"]}}, {}, True),
    ({"ForAnyValue:StringNotEquals": {TAGS: ["env"]}}, {TAGS: ["env", "team"]}, True),
    ({"ForAnyValue:StringNotEquals": {TAGS: ["env"]}}, {TAGS: ["env"]}, False),
    ({"ForAnyValue:StringNotEquals": {TAGS: ["env"]}}, {}, False),
    # several keys and several operators: all must hold
    ({"StringEquals": {TAG: "a", "aws:username": "b"}}, {TAG: "a", "aws:username": "b"}, True),
    ({"StringEquals": {TAG: "a", "aws:username": "b"}}, {TAG: "a", "aws:username": "c"}, False),
    ({"StringEquals": {TAG: "a"}, "Bool": {MFA: "true"}}, {TAG: "a", MFA: "false"}, False),
]  # fmt: skip


@pytest.mark.parametrize(("condition", "values", "holds"), BOTH)
def test_a_condition_holds_for_allow_and_deny_alike(
    condition: Any, values: dict[str, Any], *, holds: bool
) -> None:
    assert judged(condition, values) == (holds, holds)


@pytest.mark.parametrize(
    ("condition", "values"),
    [
        ({"NumericLessThan": {AGE: "300"}}, {AGE: "young"}),
        ({"NumericNotEquals": {AGE: "300"}}, {AGE: ""}),
        ({"NumericEquals": {AGE: "300"}}, {AGE: "9" * 100}),
        ({"NumericEquals": {AGE: "300"}}, {AGE: "Infinity"}),
        ({"NumericEquals": {AGE: "300"}}, {AGE: "1.2.3"}),
        ({"DateLessThan": {NOW: "2026-01-01"}}, {NOW: "yesterday"}),
        ({"DateLessThan": {NOW: "2026-01-01"}}, {NOW: "2026"}),
        ({"DateLessThan": {NOW: "2026-01-01"}}, {NOW: "9" * 30}),
        ({"DateLessThan": {NOW: "2026-01-01"}}, {NOW: "2026-13-01"}),
        ({"DateLessThan": {NOW: "2026-01-01"}}, {NOW: "2026-01-01 10:00:00"}),
        ({"DateLessThan": {NOW: "2026-01-01"}}, {NOW: "2026-W01"}),
        ({"IpAddress": {IP: "203.0.113.0/24"}}, {IP: "here"}),
        ({"NotIpAddress": {IP: "203.0.113.0/24"}}, {IP: "203.0.113"}),
        ({"BinaryEquals": {BLOB: "QQ=="}}, {BLOB: "%%"}),
    ],
)
def test_what_cannot_be_judged_neither_allows_nor_escapes_a_deny(
    condition: Any, values: dict[str, Any]
) -> None:
    assert judged(condition, values) == (False, True)


@pytest.mark.parametrize(
    ("condition", "values", "allow", "deny"),
    [
        # AWS leaves open how many must match: the stricter reading counts
        ({"StringEquals": {TAGS: "env"}}, {TAGS: ["env", "team"]}, False, True),
        ({"StringEquals": {TAGS: "env"}}, {TAGS: ["env"]}, True, True),
        ({"StringEquals": {TAGS: "env"}}, {TAGS: ["team"]}, False, False),
        ({"StringNotEquals": {TAGS: "env"}}, {TAGS: ["env", "team"]}, False, True),
        ({"StringNotEquals": {TAGS: "env"}}, {TAGS: ["team"]}, True, True),
        # an empty text is no value where that lets a deny hold
        ({"ForAllValues:StringEquals": {TAGS: "env"}}, {TAGS: ["env", ""]}, False, True),
        ({"ForAllValues:StringEquals": {TAGS: "env"}}, {TAGS: [""]}, False, True),
        ({"ForAllValues:StringEquals": {TAG: "env"}}, {TAG: ""}, False, True),
    ],
)
def test_several_values_count_against_the_request(
    condition: Any, values: dict[str, Any], *, allow: bool, deny: bool
) -> None:
    assert judged(condition, values) == (allow, deny)


TEAM = "aws:PrincipalTag/team"


@pytest.mark.parametrize(
    ("value", "values", "equal"),
    [
        ("${aws:PrincipalTag/team}", {TEAM: "red"}, True),
        ("${AWS:principaltag/TEAM}", {TEAM: "red"}, True),
        ("${aws:PrincipalTag/team}", {TEAM: "blue"}, False),
        ("${aws:PrincipalTag/team}", {}, False),
        ("${aws:PrincipalTag/team, 'red'}", {}, True),
        ("${aws:PrincipalTag/team,'red'}", {}, True),
        ("${aws:PrincipalTag/team, 'red'}", {TEAM: "blue"}, False),
        ("${aws:PrincipalTag/team, 'r}d'}", {}, False),
        ("r${aws:PrincipalTag/team, 'e'}d", {}, True),
        ("${aws:PrincipalTag/team}", {TEAM: ["red"]}, False),
    ],
)
def test_a_variable_takes_a_value_or_its_default_and_else_equals_nothing(
    value: str, values: dict[str, Any], *, equal: bool
) -> None:
    """A value that is not there equals nothing, and so is unequal: both effects alike."""
    values = {TAG: "red", **values}
    assert judged({"StringEquals": {TAG: value}}, values) == (equal, equal)
    assert judged({"StringNotEquals": {TAG: value}}, values) == (not equal, not equal)
    assert judged({"StringLike": {TAG: value}}, values) == (equal, equal)
    assert judged({"StringNotLike": {TAG: value}}, values) == (not equal, not equal)


def test_a_variable_s_value_is_plain_text_even_where_wildcards_count() -> None:
    condition = {"StringLike": {TAG: "${aws:PrincipalTag/team}"}}
    assert judged(condition, {TAG: "red", TEAM: "*"}) == (False, False)
    assert judged(condition, {TAG: "*", TEAM: "*"}) == (True, True)
    arn = {"ArnLike": {ARN: "${aws:PrincipalArn}"}}
    one = "arn:aws:iot:r:1:thing/a"
    assert judged(arn, {ARN: one, "aws:PrincipalArn": "arn:aws:iot:r:1:*"}) == (False, False)
    assert judged(arn, {ARN: one, "aws:PrincipalArn": one}) == (True, True)


def test_in_the_old_version_a_variable_is_plain_text() -> None:
    condition = {"StringEquals": {TAG: "${aws:PrincipalTag/team}"}}
    policy = attached(statement(Condition=condition), version="2008-10-17")
    for tag, allowed in (("red", False), ("${aws:PrincipalTag/team}", True)):
        request = AccessRequest("iot:Publish", "*", context({TAG: tag, TEAM: "red"}))
        assert decide([policy], request).allowed is allowed


@pytest.mark.parametrize(
    ("place", "problem", "condition"),
    [
        ("", "'StringEqual' is not an operator", {"StringEqual": {TAG: "x"}}),
        ("", "is not an operator", {"stringequals": {TAG: "x"}}),
        ("", "is not an operator", {"ForSomeValues:StringEquals": {TAG: "x"}}),
        ("", "is not an operator", {"ForAllValues:": {TAG: "x"}}),
        ("", "asks whether a key exists", {"NullIfExists": {TAG: "true"}}),
        ("", "asks whether a key exists", {"ForAnyValue:Null": {TAG: "true"}}),
        (".StringEquals", "is not a condition key", {"StringEquals": {"env": "x"}}),
        (".StringEquals", "is not a condition key", {"StringEquals": {"aws:": "x"}}),
        (".StringEquals", "is not a condition key", {"StringEquals": {":env": "x"}}),
        (".StringEquals", "is not a condition key", {"StringEquals": {":aws:env": "x"}}),
        (f".NumericEquals.{AGE}", "not a number", {"NumericEquals": {AGE: "${aws:EpochTime}"}}),
        (f".NumericEquals.{AGE}", "not a text", {"NumericEquals": {AGE: True}}),
        (f".DateEquals.{NOW}", "is not a date", {"DateEquals": {NOW: "today"}}),
        (f".DateEquals.{NOW}", "is not a date", {"DateEquals": {NOW: "2026"}}),
        (f".Bool.{MFA}", "neither true nor false", {"Bool": {MFA: "yes"}}),
        (f".Null.{MFA}", "neither true nor false", {"Null": {MFA: "*"}}),
        (f".IpAddress.{IP}", "neither an address", {"IpAddress": {IP: "203.0.113.*"}}),
        (f".IpAddress.{IP}", "neither an address", {"IpAddress": {IP: "${aws:SourceIp}"}}),
        (f".BinaryEquals.{BLOB}", "not base 64", {"BinaryEquals": {BLOB: "?"}}),
        (f".ArnLike.{ARN}", "all six parts", {"ArnLike": {ARN: "arn:aws:iot:*"}}),
        (f".ArnEquals.{ARN}", "all six parts", {"ArnEquals": {ARN: "thing/a"}}),
        (f".ArnLike.{ARN}", "all six parts", {"ArnLike": {ARN: "x${aws:PrincipalArn}"}}),
        (f".ArnLike.{ARN}", "all six parts", {"ArnLike": {ARN: "${aws:PrincipalArn}*"}}),
        (f".ArnLike.{ARN}", "all six parts", {"ArnLike": {ARN: "${aws:a}:${aws:b}"}}),
        (f".ArnLike.{ARN}", "all six parts", {"ArnLike": {ARN: "urn:aws:iot:r:1:thing/a"}}),
        (f".DateEquals.{NOW}", "not a text", {"DateEquals": {NOW: True}}),
        (f".StringEquals.{TAG}", "not a policy variable", {"StringEquals": {TAG: "${team:}"}}),
        (f".StringEquals.{TAG}", "not a policy variable", {"StringEquals": {TAG: "${:team}"}}),
        (f".StringEquals.{TAG}", "not a policy variable", {"StringEquals": {TAG: "${a:${b:c}"}}),
        (f".StringEquals.{TAG}", "not a text", {"StringEquals": {TAG: None}}),
        (f".StringEquals.{TAG}", "not a text", {"StringEquals": {TAG: 1.5}}),
        (f".StringEquals.{TAG}", "not a text", {"StringEquals": {TAG: [["x"]]}}),
        (f".StringEquals.{TAG}", "not a policy variable", {"StringEquals": {TAG: "${team}"}}),
        (f".StringEquals.{TAG}", "several values", {"StringEquals": {TAG: "${aws:TagKeys}"}}),
        (f".StringEquals.{TAG}", "has no }", {"StringEquals": {TAG: "${aws:username"}}),
    ],
)
def test_what_cannot_be_compared_is_refused_with_its_place(
    place: str, problem: str, condition: Any
) -> None:
    with pytest.raises(MalformedPolicyError, match=problem) as caught:
        parse_policy(document(statement(Condition=condition)), Dialect.IDENTITY)
    assert caught.value.place == f"Statement[0].Condition{place}"


@pytest.mark.parametrize(
    ("condition", "values", "expected"),
    [
        # a key with no values has none
        ({"StringEquals": {TAGS: "env"}}, {TAGS: []}, (False, False)),
        ({"StringNotEquals": {TAGS: "env"}}, {TAGS: []}, (True, True)),
        ({"ForAnyValue:StringLike": {TAGS: "*"}}, {TAGS: []}, (False, False)),
        ({"Null": {TAGS: "true"}}, {TAGS: []}, (True, True)),
        # an empty text is a value, but for ForAllValues of a deny
        ({"ForAnyValue:StringEquals": {TAGS: ["", "x"]}}, {TAGS: [""]}, (True, True)),
        ({"StringEquals": {TAGS: ["", "x"]}}, {TAGS: [""]}, (True, True)),
        # either of two answers will do, however it is written
        ({"Null": {TAG: ["true", "false"]}}, {}, (True, True)),
        ({"Null": {TAG: ["true", "false"]}}, {TAG: "x"}, (True, True)),
        ({"Null": {TAG: "TRUE"}}, {TAG: "x"}, (False, False)),
        ({"Null": {TAG: "TRUE"}}, {}, (True, True)),
        # without a value for the variable, an ARN equals nothing
        ({"ArnLike": {ARN: "${aws:PrincipalArn}"}}, {ARN: "arn:aws:iot:r:1:a"}, (False, False)),
        ({"ArnNotLike": {ARN: "${aws:PrincipalArn}"}}, {ARN: "arn:aws:iot:r:1:a"}, (True, True)),
        # a text is one text, whatever colons are in it
        ({"StringLike": {TAG: "*a:b:c:d:e:f?*"}}, {TAG: "1:2:3a:b:c:d:e:fgh"}, (True, True)),
    ],
)
def test_what_is_empty_or_has_no_value(
    condition: Any, values: dict[str, Any], expected: tuple[bool, bool]
) -> None:
    assert judged(condition, values) == expected


def test_what_is_no_moment_or_no_number() -> None:
    for text in ("2026W011", "2026-1-1", "\u0661\u0662\u0663\u0664\u0665", "2026-01-01 10:00"):
        assert moment(text) is None
    assert moment("12345") == datetime(1970, 1, 1, 3, 25, 45, tzinfo=UTC)
    assert number("1" * 64) == int("1" * 64)
    assert number("1" * 65) is None


def test_a_condition_is_shown_as_it_was_written() -> None:
    condition = {"StringEquals": {"AWS:RequestTag/env": ["${aws:username}", "${aws:userid}", "x"]}}
    made = attached(statement(Condition=condition)).policy.statements[0].conditions[0]
    assert str(made) == "StringEquals AWS:RequestTag/env: ${aws:username}, ${aws:userid}, x"
    assert made.without_value(context({})) == (
        "AWS:RequestTag/env",
        "aws:username",
        "aws:userid",
    )
    assert made.without_value(context({TAG: "x", "aws:username": "y"})) == ("aws:userid",)
