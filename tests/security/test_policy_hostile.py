"""Hostile policies and hostile names get neither in nor the processor."""

import json
import random
import time

import pytest
from tests.support.policies import (
    CLIENT,
    FILTER,
    TOPIC,
    asking,
    attached,
    document,
    named,
    publish,
    statement,
)

from hedgerow.policy import (
    AccessRequest,
    Dialect,
    MalformedPolicyError,
    NamedPolicy,
    decide,
    decide_trust,
    parse_policy,
)
from hedgerow.policy.compiled import layer_of

pytestmark = pytest.mark.promise(1)

LONGEST_TOPIC = "a" * 256
THINGS = "arn:aws:iot:eu-west-1:123456789012:thing/"


def _nested(depth: int) -> str:
    return '{"Version":"2012-10-17","Statement":' + "[" * depth + "]" * depth + "}"


def _stars(unit: str) -> str:
    """Return a resource of as many units as the largest policy has room for."""
    room = 2048 - len("".join(document(statement(resource=TOPIC)).split()))
    return TOPIC + unit * (room // len(unit))


@pytest.mark.parametrize(
    "unit", ["*", "*?", "*a", "*a?", "?*", "*aa", "a*b", "*?a", "?", "*ab?", "${*}*", "*??a"]
)
def test_no_pattern_takes_long_whatever_it_is_made_of(unit: str) -> None:
    """Backtracking would need more steps than there are atoms; this needs about 1 ms at most."""
    for topic in (LONGEST_TOPIC, LONGEST_TOPIC[:-1] + "b", "ab" * 128, "b" + LONGEST_TOPIC[1:]):
        times = []
        for _ in range(5):
            policies = [named(statement(resource=_stars(unit)))]
            started = time.process_time()
            decide(policies, publish(topic))
            times.append(time.process_time() - started)
        assert min(times) < 0.003


def test_the_time_grows_with_the_subject_and_not_faster() -> None:
    policies = [named(statement(resource=TOPIC + "*?a" * 500 + "*?b"))]

    def best(length: int) -> float:
        times = []
        for _ in range(5):
            started = time.process_time()
            decide(policies, publish("a" * length))
            times.append(time.process_time() - started)
        return min(times)

    assert best(64_000) < 20 * best(8_000)


def test_a_client_cannot_reach_others_by_naming_itself_as_a_wildcard() -> None:
    """A client chooses its id. It must stay plain text, and be no MQTT wildcard in a filter."""
    policies = [
        named(
            statement(
                action=["iot:Publish", "iot:Subscribe", "iot:Connect"],
                resource=[
                    TOPIC + "${iot:ClientId}/up",
                    FILTER + "${iot:ClientId}/up",
                    CLIENT + "${iot:ClientId}",
                ],
            )
        )
    ]
    for name in ("*", "?", "lam?", "l*", "${iot:ClientId}", "${*}"):
        variables = {"iot:ClientId": name}
        for resource in (TOPIC + "lamp/up", FILTER + "lamp/up", FILTER + "+/up"):
            for action in ("iot:Publish", "iot:Subscribe"):
                assert not decide(policies, AccessRequest(action, resource, variables)).allowed
    for name in ("+", "#", "+/x", "a/#"):
        variables = {"iot:ClientId": name}
        request = AccessRequest("iot:Subscribe", f"{FILTER}{name}/up", variables)
        assert not decide(policies, request).allowed


def test_a_client_cannot_slip_past_a_deny_by_its_name() -> None:
    policies = [
        named(statement(action="*"), statement("Deny", "*", TOPIC + "secret/${iot:ClientId}"))
    ]
    for name in ("+", "#", ""):
        assert not decide(policies, publish("secret/x", ClientId=name)).allowed
        assert not decide(policies, publish(f"secret/{name}", ClientId=name)).allowed


@pytest.mark.parametrize("depth", [10, 500, 1000])
def test_deep_nesting_is_refused_and_does_no_harm(depth: int) -> None:
    with pytest.raises(MalformedPolicyError):
        parse_policy(_nested(depth))


def test_mutated_policies_are_refused_or_understood_and_nothing_else() -> None:
    chance = random.Random(20261007)  # noqa: S311 - which bytes are changed, not a secret
    text = document(
        statement(
            resource=[TOPIC + "${iot:ClientId}*", "*"],
            Condition={
                "StringLikeIfExists": {"iot:ClientId": ["a*"]},
            },
            Sid="One",
        ),
        statement("Deny", ["iot:*", "greengrass:Discover"]),
    )
    understood = 0
    for _ in range(3000):
        mutated = list(text)
        for _ in range(chance.randrange(1, 4)):
            position = chance.randrange(len(mutated))
            mutated[position] = chance.choice(
                ["", mutated[position] * 2, chance.choice('{}[]",:\\*${x0 \x00\ud800'), "null"]
            )
        try:
            policy = parse_policy("".join(mutated))
        except MalformedPolicyError:
            continue
        understood += 1
        decide([named(statement())], publish("a"))
        assert policy.statements
    assert 0 < understood < 3000


def test_reasons_stay_on_one_line_and_are_bounded() -> None:
    reason = decide([named(statement(action="iot:Connect"))], publish("a\r\nX: y\x00" + "z" * 9999))
    assert reason.reason.isprintable()
    assert "\\r\\n" in reason.reason
    assert len(reason.reason) < 1000


def test_a_field_that_stands_twice_is_refused() -> None:
    """Parsers differ in which of the two they take: what was reviewed must be what is used."""
    text = json.dumps({"Version": "2012-10-17", "Statement": [statement("Deny")]})
    with pytest.raises(MalformedPolicyError, match="twice"):
        parse_policy(text.replace('"Effect": "Deny"', '"Effect": "Deny", "Effect": "Allow"'))


def test_a_field_that_stands_twice_is_refused_however_it_is_spelled() -> None:
    text = json.dumps({"Version": "2012-10-17", "Statement": [statement("Deny", Sid='x"y')]})
    for twice in (
        '"Effect": "Deny", "Eff\\u0065ct": "Allow"',
        '"Effect": "Deny", "Effect": "Deny"',
    ):
        with pytest.raises(MalformedPolicyError, match="twice"):
            parse_policy(text.replace('"Effect": "Deny"', twice))
    condition = {"StringEquals": {"iot:ClientId": "x"}}
    text = document(statement(Condition=condition))
    for within in ('"iot:ClientId": "x", "iot:ClientId": "y"', '"iot:ClientId": "x", "": 1, "": 1'):
        with pytest.raises(MalformedPolicyError, match="twice"):
            parse_policy(text.replace('"iot:ClientId": "x"', within))


def test_a_deny_is_not_passed_by_another_spelling_of_a_key() -> None:
    """A request whose keys were not put in order is put in order, and nothing is hidden by it."""
    deny = statement("Deny", Condition={"StringEquals": {"iot:ClientId": "lamp"}})
    policies = [named(statement(), deny)]
    for key in ("iot:ClientId", "IOT:CLIENTID", "iot:clientid"):
        request = AccessRequest("iot:Publish", TOPIC + "a", {key: "lamp"})
        assert decide(policies, request).effect == "explicit-deny"
    both = {"iot:clientid": "door", "iot:ClientId": "lamp"}
    assert not decide(policies, AccessRequest("iot:Publish", TOPIC + "a", both)).allowed
    allow = [named(statement(Condition={"StringEquals": {"iot:ClientId": "lamp"}}))]
    assert not decide(allow, AccessRequest("iot:Publish", TOPIC + "a", both)).allowed


def test_a_name_cannot_pose_as_an_account_or_a_region() -> None:
    """Things and topics may hold colons; wildcards of an ARN's head end at the next colon."""
    pattern = "arn:aws:iot:*:111122223333:topic/open"
    posing = "arn:aws:iot:us-east-1:444455556666:topic/shut:111122223333:topic/open"
    for policy in (named(statement(resource=pattern)), attached(statement(resource=pattern))):
        request = AccessRequest("iot:Publish", posing, {})
        assert decide([policy], request).effect == "implicit-deny"
    deny = [named(statement(), statement("Deny", resource=pattern))]
    assert decide(deny, AccessRequest("iot:Publish", posing, {})).effect == "explicit-deny"


def test_a_tag_or_a_session_s_name_stays_plain_text() -> None:
    own = "arn:aws:iot:us-east-1:111122223333:thing/${aws:PrincipalTag/team}/*"
    like = {"StringLike": {"aws:ResourceTag/team": "${aws:PrincipalTag/team}"}}
    policies = [
        attached(statement(action="iot:X", resource=own), statement(action="iot:Y", Condition=like))
    ]
    thing = "arn:aws:iot:us-east-1:111122223333:thing/red/1"
    for team, allowed in (("red", True), ("*", False), ("r*", False), ("???", False), ("", False)):
        facts = {"aws__PrincipalTag/team": team, "aws__ResourceTag/team": "red"}
        assert decide(policies, asking("iot:X", thing, **facts)).allowed is allowed
        assert decide(policies, asking("iot:Y", thing, **facts)).allowed is allowed


def test_one_caller_s_answer_is_never_another_s() -> None:
    """Answers are remembered; what they depend on is part of what they are remembered by."""
    own = "arn:aws:iot:us-east-1:111122223333:thing/${aws:username, 'guest'}"
    policies = [attached(statement(action="iot:X", resource=own))]
    thing = "arn:aws:iot:us-east-1:111122223333:thing/alice"
    for _ in range(3):
        assert decide(policies, asking("iot:X", thing, aws__username="alice")).allowed
        assert not decide(policies, asking("iot:X", thing, aws__username="bob")).allowed
        assert not decide(policies, asking("iot:X", thing)).allowed
        assert not decide(policies, asking("iot:X", thing, aws__username=["alice", "bob"])).allowed


def test_resources_that_begin_alike_do_not_multiply_the_work() -> None:
    """Else the largest policies of one user would hold every call of everybody up."""
    count, each = 20, 60
    policies = tuple(
        NamedPolicy(
            f"p{number}",
            parse_policy(
                json.dumps(
                    {
                        "Version": "2012-10-17",
                        "Statement": {
                            "Effect": "Allow",
                            "Action": "iot:*",
                            "Resource": [f"{THINGS}*{number}x{place}" for place in range(each)],
                        },
                    }
                ),
                Dialect.IDENTITY,
            ),
        )
        for number in range(count)
    )
    allows = layer_of(policies).make_plan("iot:DescribeThing").allows
    assert allows is not None
    assert len(allows.rows) == count
    near = allows.near(f"{THINGS}lamp")
    assert len(near) == len({id(row) for row in near}) <= count


@pytest.mark.parametrize("dialect", list(Dialect))
def test_mutated_policies_of_every_dialect_are_refused_or_understood(dialect: Dialect) -> None:
    chance = random.Random(dialect.value)  # noqa: S311 - which bytes are changed, not a secret
    given = statement("Deny", ["sts:*"], Condition={"StringEquals": {"iot:ClientId": "${*}"}})
    if dialect in (Dialect.TRUST, Dialect.ENDPOINT):
        given["Principal"] = {"AWS": ["111122223333"], "Service": "iot.amazonaws.com"}
    if dialect is Dialect.TRUST:
        del given["Resource"]
    text = document(given)
    assert parse_policy(text, dialect).statements
    for _ in range(400):
        mutated = list(text)
        for _ in range(chance.randrange(1, 4)):
            position = chance.randrange(len(mutated))
            mutated[position] = chance.choice(
                ["", mutated[position] * 2, chance.choice('{}[]",:\\*${x0 \x00\ud800'), "null"]
            )
        try:
            policy = NamedPolicy("p", parse_policy("".join(mutated), dialect))
        except MalformedPolicyError:
            continue
        decide([policy], asking("sts:AssumeRole"))
        decide_trust(policy, asking("sts:AssumeRole"))
