"""A variable with nothing to put in its place never widens what a policy gives."""

import json
from collections.abc import Mapping, Sequence

import pytest

from hedgerow.policy import AccessRequest, Dialect, NamedPolicy, context, decide, parse_policy

ARN = "arn:aws:iot:eu-west-1:111122223333:"
TEAM = "${aws:PrincipalTag/team}"
NOTHING: list[Mapping[str, str | Sequence[str]]] = [
    {},
    {"aws:PrincipalTag/team": ""},
    {"aws:PrincipalTag/team": []},
    {"aws:PrincipalTag/team": ["blue"]},
    {"aws:PrincipalTag/team": ["blue", "red"]},
]


def _allowed(statement: Mapping[str, object], facts: Mapping[str, str | Sequence[str]]) -> bool:
    document = json.dumps({"Version": "2012-10-17", "Statement": statement})
    policy = NamedPolicy("p", parse_policy(document, Dialect.IDENTITY))
    request = AccessRequest("iot:Publish", ARN + "topic/secret", context(facts))
    return decide([policy], request).allowed


@pytest.mark.parametrize("facts", NOTHING)
@pytest.mark.parametrize(
    "fields",
    [
        {"Resource": ARN + f"topic/{TEAM}*"},
        {"Resource": ARN + f"topic/*{TEAM}"},
        {"Resource": ARN + f"{TEAM}topic/secret"},
        {"NotResource": ARN + f"topic/{TEAM}"},
        {"Resource": "*", "Condition": {"StringLike": {"aws:UserAgent": f"{TEAM}*"}}},
    ],
)
def test_nothing_is_allowed_by_a_variable_without_a_value(
    fields: Mapping[str, object], facts: Mapping[str, str | Sequence[str]]
) -> None:
    statement = {"Effect": "Allow", "Action": "iot:Publish", **fields}
    assert not _allowed(statement, {**facts, "aws:UserAgent": "some program"})


def test_a_default_takes_the_place_of_an_empty_text() -> None:
    resource = ARN + "topic/${aws:PrincipalTag/team, 'secret'}"
    statement = {"Effect": "Allow", "Action": "iot:Publish", "Resource": resource}
    assert _allowed(statement, {"aws:PrincipalTag/team": ""})
    assert not _allowed(statement, {"aws:PrincipalTag/team": "blue"})
