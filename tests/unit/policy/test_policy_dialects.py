"""What a document of each dialect may contain, and how large it may be."""

import json
from typing import Any

import pytest
from tests.support.policies import document, statement

from hedgerow.policy import (
    GROUP_INLINE_LIMIT,
    MANAGED_POLICY_LIMIT,
    ROLE_INLINE_LIMIT,
    USER_INLINE_LIMIT,
    Dialect,
    MalformedPolicyError,
    document_size,
    parse_policy,
)
from hedgerow.policy.parse_patterns import arn_parts
from hedgerow.policy.principals import Principals

IAM = (Dialect.IDENTITY, Dialect.SESSION, Dialect.BOUNDARY)
THING = "arn:aws:iot:us-east-1:111122223333:thing/"
TRUSTED = {
    "Effect": "Allow",
    "Principal": {"AWS": "111122223333"},
    "Action": "sts:AssumeRole",
}


@pytest.mark.parametrize("dialect", IAM)
@pytest.mark.parametrize(
    "given",
    [
        statement(),
        {"Effect": "Allow", "NotAction": ["iam:*"], "Resource": "*"},
        {"Effect": "Deny", "Action": "*", "NotResource": [THING + "a", THING + "b*"]},
        statement(resource=THING + "${aws:username}"),
        statement(resource=THING + "${aws:PrincipalTag/team, 'none'}/*"),
        statement(Sid="Mine7"),
        statement(Condition={"ForAnyValue:StringLike": {"aws:TagKeys": "e*"}}),
    ],
)
def test_an_attached_iam_policy_has_both_kinds_of_fields(dialect: Dialect, given: Any) -> None:
    policy = parse_policy(document(given), dialect)
    assert policy.dialect is dialect
    assert policy.version == "2012-10-17"


@pytest.mark.parametrize("dialect", [*IAM, Dialect.TRUST, Dialect.ENDPOINT])
def test_without_a_version_the_old_one_counts(dialect: Dialect) -> None:
    given = dict(TRUSTED) if dialect is Dialect.TRUST else statement()
    if dialect is Dialect.ENDPOINT:
        given["Principal"] = "*"
    assert parse_policy(json.dumps({"Statement": given}), dialect).version == "2008-10-17"


@pytest.mark.parametrize(
    ("dialect", "place", "problem", "given"),
    [
        (Dialect.IDENTITY, ".Principal", "only trust and endpoint", statement(Principal="*")),
        (Dialect.SESSION, ".NotPrincipal", "only trust", statement(NotPrincipal={"AWS": "*"})),
        (Dialect.BOUNDARY, ".Principal", "only trust", statement(Principal={"AWS": "*"})),
        (Dialect.IDENTITY, ".Action", "missing", {"Effect": "Allow", "Resource": "*"}),
        (Dialect.IDENTITY, ".NotAction", "beside Action", statement(NotAction="iam:*")),
        (Dialect.IDENTITY, ".Resource", "missing", {"Effect": "Allow", "Action": "*"}),
        (Dialect.IDENTITY, ".NotResource", "beside Resource", statement(NotResource="*")),
        (Dialect.IDENTITY, ".NotAction", "neither",
         {"Effect": "Allow", "NotAction": [], "Resource": "*"}),
        (Dialect.IDENTITY, ".NotResource[1]", "not a resource",
         {"Effect": "Allow", "Action": "*", "NotResource": [THING + "a", "thing/b"]}),
        (Dialect.IDENTITY, ".Resource", "not a resource", statement(resource="arn:aws:s3:*")),
        (Dialect.IDENTITY, ".Resource", "not a resource", statement(resource="arn:aws:iot:r:1")),
        (Dialect.IDENTITY, ".Resource", "not a resource",
         statement(resource="urn:aws:iot:r:1:thing/a")),
        (Dialect.IDENTITY, ".Resource", "not a resource",
         statement(resource="arn::iot:r:1:thing/a")),
        (Dialect.IDENTITY, ".Resource", "not a resource",
         statement(resource="arn:aws::r:1:thing/a")),
        (Dialect.IDENTITY, ".Resource", "not a policy variable",
         statement(resource=THING + "${a:$b}")),
        (Dialect.IDENTITY, ".Resource", "not a policy variable",
         statement(resource=THING + "${a:{b}")),
        (Dialect.IDENTITY, ".Resource", "the form is arn:aws:service:region:account:name",
         statement(resource="thing/a")),
        (Dialect.IDENTITY, ".Resource", "not a policy variable",
         statement(resource=THING + "${:a:b}")),
        (Dialect.IDENTITY, ".Resource", "not a resource", statement(resource="arn::iot:r:1:a")),
        (Dialect.IDENTITY, ".Resource", "not a resource", statement(resource="arn:aws::r:1:a")),
        (Dialect.IDENTITY, ".Resource", "not a resource", statement(resource="urn:aws:iot:r:1:a")),
        (Dialect.IDENTITY, ".Resource", "wildcard for the service",
         statement(resource="arn:aws:*:r:1:thing/a")),
        (Dialect.IDENTITY, ".Resource", "wildcard for the service",
         statement(resource="arn:aws:io?:r:1:thing/a")),
        (Dialect.IDENTITY, ".Resource", "before its fifth colon",
         statement(resource="arn:aws:iot:${aws:RequestedRegion}:1:thing/a")),
        (Dialect.IDENTITY, ".Resource", "not a policy variable",
         statement(resource=THING + "${username}")),
        (Dialect.IDENTITY, ".Resource", "several values",
         statement(resource=THING + "${aws:TagKeys}")),
        (Dialect.IDENTITY, ".Sid", "letters and digits", statement(Sid="Not mine")),
        (Dialect.IDENTITY, "", "'Comment' is unknown", statement(Comment="x")),
        (Dialect.TRUST, ".Resource", "has no resource", {**TRUSTED, "Resource": "*"}),
        (Dialect.TRUST, ".NotResource", "has no resource", {**TRUSTED, "NotResource": "*"}),
        (Dialect.TRUST, ".Principal", "missing", {"Effect": "Allow", "Action": "sts:AssumeRole"}),
        (Dialect.TRUST, ".Action", "name actions of sts", {**TRUSTED, "Action": "iot:Publish"}),
        (Dialect.TRUST, ".Action[1]", "name actions of sts",
         {**TRUSTED, "Action": ["sts:AssumeRole", "*"]}),
        (Dialect.TRUST, ".NotPrincipal", "let in everybody else",
         {"Effect": "Allow", "NotPrincipal": {"AWS": "111122223333"}, "Action": "sts:*"}),
        (Dialect.TRUST, ".NotPrincipal", "names nobody",
         {"Effect": "Deny", "NotPrincipal": {}, "Action": "sts:*"}),
        (Dialect.TRUST, ".NotPrincipal.AWS", "is not a principal",
         {"Effect": "Deny", "NotPrincipal": {"AWS": "x"}, "Action": "sts:*"}),
        (Dialect.TRUST, ".NotPrincipal", "beside Principal",
         {**TRUSTED, "NotPrincipal": {"AWS": "111122223333"}}),
        (Dialect.ENDPOINT, ".Principal", "missing", statement()),
        (Dialect.ENDPOINT, ".Resource", "missing",
         {"Effect": "Allow", "Principal": "*", "Action": "*"}),
    ],
)  # fmt: skip
def test_what_a_dialect_does_not_know_is_refused_with_its_place(
    dialect: Dialect, place: str, problem: str, given: Any
) -> None:
    with pytest.raises(MalformedPolicyError, match=problem) as caught:
        parse_policy(document(given), dialect)
    assert caught.value.place == f"Statement[0]{place}"


@pytest.mark.parametrize("principal", [
    "*",
    {"AWS": "*"},
    {"AWS": ["111122223333", "arn:aws:iam::111122223333:root"]},
    {"AWS": "arn:aws:iam::111122223333:user/team/alice"},
    {"AWS": "arn:aws:iam::111122223333:role/Greengrass"},
    {"AWS": "arn:aws:sts::111122223333:assumed-role/Greengrass/session"},
    {"AWS": "arn:aws:sts::111122223333:federated-user/bob"},
    {"Service": ["greengrass.amazonaws.com", "iot.amazonaws.com"]},
    {"Federated": "arn:aws:iam::111122223333:saml-provider/x", "CanonicalUser": "7f"},
])  # fmt: skip
def test_whom_a_trust_policy_can_name(principal: Any) -> None:
    assert parse_policy(document({**TRUSTED, "Principal": principal}), Dialect.TRUST).statements


@pytest.mark.parametrize(("place", "principal"), [
    ("", "111122223333"),
    ("", {}),
    ("", []),
    ("", None),
    ("", {"Aws": "111122223333"}),
    (".AWS", {"AWS": []}),
    (".AWS", {"AWS": ""}),
    (".AWS[0]", {"AWS": [7]}),
    (".AWS", {"AWS": "11112222333"}),
    (".AWS", {"AWS": "1111222233334"}),
    (".AWS", {"AWS": "AIDAEXAMPLE"}),
    (".AWS", {"AWS": "arn:aws:iam::111122223333:user/*"}),
    (".AWS", {"AWS": "arn:aws:iam::111122223333:role/${aws:username}"}),
    (".AWS", {"AWS": "arn:aws:iam::*:root"}),
    (".AWS", {"AWS": "arn:aws:iam::111122223333:group/admins"}),
    (".AWS", {"AWS": "arn:aws:iot::111122223333:role/x"}),
    (".AWS", {"AWS": "arn::iam::111122223333:role/x"}),
    (".AWS", {"AWS": "urn:aws:iam::111122223333:role/x"}),
    (".AWS", {"AWS": "arn:aws:iam::11112222333x:role/x"}),
    (".AWS", {"AWS": "arn:aws:sts::111122223333:role/x"}),
    (".AWS", {"AWS": "arn:aws:iam:us-east-1:111122223333:root"}),
    (".AWS", {"AWS": "arn:aws:sts::111122223333:root"}),
    (".AWS", {"AWS": "arn:aws:iam"}),
    (".AWS", {"AWS": "\u0661" * 12}),
    (".AWS", {"Service": "iot.amazonaws.com", "AWS": "alice"}),
    (".AWS", {"AWS": "alice"}),
    (".Service", {"Service": "*"}),
    (".Service", {"Service": "*.amazonaws.com"}),
    (".Service", {"Service": ""}),
    (".Federated", {"Federated": "?"}),
])  # fmt: skip
def test_whom_it_cannot_name(place: str, principal: Any) -> None:
    with pytest.raises(MalformedPolicyError) as caught:
        parse_policy(document({**TRUSTED, "Principal": principal}), Dialect.TRUST)
    assert caught.value.place == f"Statement[0].Principal{place}"


def test_two_statements_of_an_iam_policy_cannot_have_one_sid() -> None:
    with pytest.raises(MalformedPolicyError, match="stands at two statements") as caught:
        parse_policy(document(statement(Sid="A"), statement(Sid="A")), Dialect.IDENTITY)
    assert caught.value.place == "Statement[1].Sid"
    assert parse_policy(document(statement(Sid=""), statement(Sid="")), Dialect.IDENTITY).statements


def _filled(given: dict[str, Any], size: int, *, letter: str = "x") -> str:
    policy = {"Version": "2012-10-17", "Statement": given}
    given["Condition"] = {"StringEquals": {"aws:username": [""]}}
    text = json.dumps(policy)
    missing = size - len("".join(text.split()))
    given["Condition"]["StringEquals"]["aws:username"] = [letter * missing]
    return json.dumps(policy, ensure_ascii=False)


@pytest.mark.parametrize(
    ("dialect", "limit"),
    [
        (Dialect.IDENTITY, ROLE_INLINE_LIMIT),
        (Dialect.BOUNDARY, MANAGED_POLICY_LIMIT),
        (Dialect.SESSION, 2048),
        (Dialect.TRUST, 2048),
    ],
)
def test_the_limit_counts_characters_without_white_space(dialect: Dialect, limit: int) -> None:
    given = dict(TRUSTED) if dialect is Dialect.TRUST else statement()
    for letter in ("x", "ü"):
        text = _filled(dict(given), limit, letter=letter)
        assert document_size(text) == limit
        assert parse_policy(text + " \n\t" * 5000, dialect).statements
        with pytest.raises(MalformedPolicyError, match=f"{limit + 1} characters without"):
            parse_policy(_filled(dict(given), limit + 1, letter=letter), dialect)


def test_an_endpoint_s_policy_counts_its_white_space() -> None:
    text = document(statement(Principal="*"))
    assert parse_policy(text + " " * (20_480 - len(text)), Dialect.ENDPOINT).statements
    with pytest.raises(MalformedPolicyError, match="20481 characters; 20480"):
        parse_policy(text + " " * (20_481 - len(text)), Dialect.ENDPOINT)


def test_another_limit_can_be_asked_for() -> None:
    text = _filled(statement(), 5000)
    assert parse_policy(text, Dialect.SESSION, limit=5000).statements
    with pytest.raises(MalformedPolicyError, match="5000 characters without white space; 4999"):
        parse_policy(text, Dialect.IDENTITY, limit=4999)


def test_keys_are_those_of_conditions_and_variables_in_lower_case() -> None:
    policy = parse_policy(
        document(
            statement(resource=THING + "${aws:PrincipalTag/Team}/${aws:username, 'nobody'}"),
            statement(
                Condition={
                    "StringEquals": {"aws:RequestTag/Env": "${aws:PrincipalTag/env}"},
                    "Null": {"aws:TagKeys": "false"},
                }
            ),
        ),
        Dialect.IDENTITY,
    )
    assert policy.keys == {
        "aws:principaltag/team",
        "aws:username",
        "aws:requesttag/env",
        "aws:principaltag/env",
        "aws:tagkeys",
    }


@pytest.mark.parametrize("version", [None, "2012-10-18", 20121017, ["2012-10-17"], ""])
@pytest.mark.parametrize("dialect", list(Dialect))
def test_a_version_that_is_none_is_refused(dialect: Dialect, version: Any) -> None:
    text = json.dumps({"Version": version, "Statement": []})
    with pytest.raises(MalformedPolicyError) as caught:
        parse_policy(text, dialect)
    assert caught.value.place == "Version"


def test_a_device_s_limit_counts_bytes_however_they_are_written() -> None:
    topic = "arn:aws:iot:us-east-1:111122223333:topic/"
    policy = {"Version": "2012-10-17", "Statement": statement(resource=topic + "ü" * 980)}
    text = json.dumps(policy, ensure_ascii=False)
    assert len(text) < 2048 < len(text.encode())
    with pytest.raises(MalformedPolicyError, match="bytes without white space; 2048"):
        parse_policy(text)
    assert parse_policy(text, Dialect.IDENTITY).statements


def test_a_device_s_variable_has_no_default() -> None:
    topic = "arn:aws:iot:us-east-1:111122223333:topic/"
    with pytest.raises(MalformedPolicyError, match="is not a policy variable"):
        parse_policy(document(statement(resource=topic + "${iot:ClientId, 'x'}")))


def test_the_limits_are_aws_s() -> None:
    assert (MANAGED_POLICY_LIMIT, ROLE_INLINE_LIMIT) == (6144, 10_240)
    assert (USER_INLINE_LIMIT, GROUP_INLINE_LIMIT) == (2048, 5120)


def test_every_kind_of_principal_is_read_in_whatever_order() -> None:
    principal = {
        "Service": "iot.amazonaws.com",
        "CanonicalUser": "7f",
        "AWS": ["444455556666", "arn:aws:iam::111122223333:user/alice", "111122223333"],
        "Federated": "cognito-identity.amazonaws.com",
    }
    read = parse_policy(document({**TRUSTED, "Principal": principal}), Dialect.TRUST)
    assert read.statements[0].principals == Principals(
        accounts=frozenset({"444455556666", "111122223333"}),
        arns=frozenset({"arn:aws:iam::111122223333:user/alice"}),
        services=frozenset({"iot.amazonaws.com"}),
        federated=frozenset({"7f", "cognito-identity.amazonaws.com"}),
    )


def test_case_of_a_service_does_not_count_in_an_action() -> None:
    assert parse_policy(document({**TRUSTED, "Action": "STS:assumerole"}), Dialect.TRUST).statements


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("arn:aws:iot:r:1:a:b/${c:d}:e", ["arn", "aws", "iot", "r", "1", "a:b/${c:d}:e"]),
        ("arn:aws:${a:b:c}:${d:e}:1:x:y", ["arn", "aws", "${a:b:c}", "${d:e}", "1", "x:y"]),
        ("arn:${a:b}:iot:r:1:x:${c:d}:z:y", ["arn", "${a:b}", "iot", "r", "1", "x:${c:d}:z:y"]),
        ("${a:b}", ["${a:b}"]),
        ("arn:aws:iot:r:${a:b}", ["arn", "aws", "iot", "r", "${a:b}"]),
        ("arn:aws:iot", ["arn", "aws", "iot"]),
    ],
)
def test_an_arn_is_cut_at_five_colons_outside_of_variables(text: str, parts: list[str]) -> None:
    assert arn_parts(text) == parts
