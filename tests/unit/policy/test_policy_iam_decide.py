"""Identity policies: the Not… fields, resources part by part, and variables without a value."""

import random
from typing import Any

import pytest
from tests.support.policies import asking, attached, named, publish, statement

from hedgerow.policy import AccessRequest, Dialect, NamedPolicy, Requester, context, decide
from hedgerow.policy.compiled import layer_of
from hedgerow.policy.decide import _answers

IOT = "arn:aws:iot:us-east-1:111122223333:"
THING = IOT + "thing/"


def effect(policies: list[NamedPolicy], action: str, resource: str, **values: str) -> str:
    return decide(policies, asking(action, resource, **values)).effect


@pytest.mark.parametrize(
    ("action", "allowed"),
    [("iot:Publish", True), ("iam:GetUser", False), ("IAM:getuser", False), ("sts:X", False)],
)
def test_not_action_is_all_others(action: str, *, allowed: bool) -> None:
    given = {"Effect": "Allow", "NotAction": ["iam:*", "sts:?"], "Resource": "*"}
    assert decide([attached(given)], asking(action)).allowed is allowed
    denied = {"Effect": "Deny", "NotAction": ["iam:*", "sts:?"], "Resource": "*"}
    policies = [attached(statement(action="*"), denied)]
    assert decide(policies, asking(action)).allowed is not allowed


@pytest.mark.parametrize(
    ("resource", "other"),
    [("a", False), ("b1", False), ("c-x-d", False), ("e", True), ("c-d", True)],
)
def test_not_resource_is_all_others(resource: str, *, other: bool) -> None:
    listed = [THING + "a", THING + "b*", THING + "c-*-d"]
    allow = attached({"Effect": "Allow", "Action": "*", "NotResource": listed})
    assert decide([allow], asking(resource=THING + resource)).allowed is other
    deny = attached(statement(action="*"), {"Effect": "Deny", "Action": "*", "NotResource": listed})
    assert decide([deny], asking(resource=THING + resource)).allowed is not other


def test_a_star_for_the_region_cannot_reach_into_a_name() -> None:
    """A thing can be named so that it ends as the pattern does; its account is another."""
    pattern = "arn:aws:iot:*:111122223333:thing/a"
    posing = "arn:aws:iot:us-east-1:444455556666:thing/x:111122223333:thing/a"
    allow = [attached(statement(action="*", resource=pattern))]
    assert effect(allow, "iot:DescribeThing", THING + "a") == "allow"
    assert effect(allow, "iot:DescribeThing", posing) == "implicit-deny"
    assert effect(allow, "iot:DescribeThing", "arn:aws:iot:x") == "implicit-deny"
    everything = statement(action="*")
    deny = [attached(everything, statement("Deny", "*", pattern))]
    assert effect(deny, "iot:DescribeThing", posing) == "explicit-deny"
    # What is exempt is read the other way round.
    exempt = {"Action": "*", "NotResource": pattern}
    assert effect([attached({"Effect": "Allow", **exempt})], "iot:X", posing) == "implicit-deny"
    deny = [attached(everything, {"Effect": "Deny", **exempt})]
    assert effect(deny, "iot:X", posing) == "explicit-deny"
    assert effect(deny, "iot:X", THING + "a") == "allow"


@pytest.mark.parametrize(
    ("pattern", "resource", "matches"),
    [
        ("arn:aws:iot:*:*:thing/*", "arn:aws:iot:r:1:thing/a:b", True),
        ("arn:aws:iot:*:*:thing/*", "arn:aws:iot:r:1:topic/a", False),
        ("arn:*:iot:r:1:thing/a", "arn:aws-cn:iot:r:1:thing/a", True),
        ("arn:*:iot:r:1:thing/a", "arn:aws:iot:x:iot:r:1:thing/a", False),
        ("arn:aws:iot:us-????-1:*:thing/a", "arn:aws:iot:us-east-1:1:thing/a", True),
        ("arn:aws:iot:us-????-1:*:thing/a", "arn:aws:iot:us-ea:t-1:1:thing/a", False),
        ("arn:aws:iot:r:1:*", "arn:aws:iot:r:1:thing/a:b:c", True),
        ("arn:aws:iot:r:1:thing/a*a", "arn:aws:iot:r:1:thing/aa", True),
        ("arn:aws:iot:r:1:thing/a*a", "arn:aws:iot:r:1:thing/a", False),
        ("arn:aws:iot:r:1:thing/a*", "arn:aws:iot:r:1:thing/", False),
        ("arn:aws:iam::*:role/x", "arn:aws:iam::1:role/x", True),
        ("arn:aws:iot:*:1:*", "arn:aws:iot:r:1", False),
    ],
)
def test_resources_match_part_by_part(pattern: str, resource: str, *, matches: bool) -> None:
    allow = [attached(statement(action="*", resource=pattern))]
    assert decide(allow, asking(resource=resource)).allowed is matches


def test_a_resource_s_variable_without_a_value_matches_nothing() -> None:
    own = THING + "${aws:username}/*"
    allow = [attached(statement(action="*", resource=own))]
    everything = statement(action="*")
    deny = [attached(everything, statement("Deny", "*", own))]
    assert effect(allow, "iot:X", THING + "alice/1", aws__username="alice") == "allow"
    assert effect(deny, "iot:X", THING + "alice/1", aws__username="alice") == "explicit-deny"
    for values in ({}, {"aws__username": "bob"}):
        assert effect(allow, "iot:X", THING + "alice/1", **values) == "implicit-deny"
        assert effect(deny, "iot:X", THING + "alice/1", **values) == "allow"
    default = [attached(statement(action="*", resource=THING + "${aws:username, 'nobody'}"))]
    assert effect(default, "iot:X", THING + "nobody") == "allow"
    assert effect(default, "iot:X", THING + "nobody", aws__username="alice") == "implicit-deny"


def test_what_is_exempt_without_a_value_lets_an_allow_say_nothing_and_a_deny_say_more() -> None:
    exempt = {"Action": "*", "NotResource": [THING + "x", THING + "${aws:username}"]}
    allow = [attached({"Effect": "Allow", **exempt})]
    deny = [attached(statement(action="*"), {"Effect": "Deny", **exempt})]
    assert effect(allow, "iot:X", THING + "bob", aws__username="alice") == "allow"
    assert effect(allow, "iot:X", THING + "alice", aws__username="alice") == "implicit-deny"
    assert effect(allow, "iot:X", THING + "bob") == "implicit-deny"
    assert effect(deny, "iot:X", THING + "alice", aws__username="alice") == "allow"
    assert effect(deny, "iot:X", THING + "alice") == "explicit-deny"
    assert effect(deny, "iot:X", THING + "x") == "allow"


def test_an_empty_tag_is_no_value_and_opens_nothing() -> None:
    tag = "aws:PrincipalTag/team"
    for resource in (f"{THING}${{{tag}}}*", f"{IOT}*${{{tag}}}"):
        request = AccessRequest("iot:X", THING + "secret", context({tag: ""}))
        assert not decide([attached(statement(action="*", resource=resource))], request).allowed
    default = statement(action="*", resource=f"{THING}${{{tag}, 'none'}}")
    request = AccessRequest("iot:X", THING + "none", context({tag: ""}))
    assert decide([attached(default)], request).allowed


def test_names_of_people_and_tags_are_no_mqtt_filters() -> None:
    """`+` stands in session names and tags; only a device's values may not hold it."""
    allow = [attached(statement(action="*", resource=THING + "${aws:username}"))]
    assert effect(allow, "iot:X", THING + "a+b", aws__username="a+b") == "allow"


def test_statements_are_found_among_many_as_if_each_had_been_tried() -> None:
    chance = random.Random(7)  # noqa: S311 - which statements are made, not a secret
    tails = ["a", "b", "ab", "a/*", "*", "a*b", "?", "ab/c/*", "${aws:username}/*", "a${*}"]

    def made(number: int) -> dict[str, Any]:
        resources = [THING + chance.choice(tails) for _ in range(chance.randint(1, 3))]
        if chance.random() < 0.05:
            resources = ["*"]
        name = "NotResource" if chance.random() < 0.1 else "Resource"
        effect = "Deny" if chance.random() < 0.05 else "Allow"
        return {"Sid": f"S{number}", "Effect": effect, "Action": "iot:X", name: resources}

    for _ in range(30):
        statements = [made(number) for number in range(chance.choice([7, 20, 60]))]
        together = [attached(*statements, name="all")]
        for _ in range(20):
            resource = THING + "".join(chance.choice("ab/c*") for _ in range(chance.randint(0, 6)))
            request = asking("iot:X", resource, aws__username=chance.choice("ab"))
            decided = {
                each["Effect"]: each["Sid"]
                for each in reversed(statements)
                if decide([attached(each)], request).effect != "implicit-deny"
            }
            decision = decide(together, request)
            if "Deny" in decided:
                assert (decision.effect, decision.statement) == ("explicit-deny", decided["Deny"])
            elif "Allow" in decided:
                assert (decision.effect, decision.statement) == ("allow", decided["Allow"])
            else:
                assert decision.effect == "implicit-deny"


def test_resources_of_many_lengths_are_found() -> None:
    lengths = range(1, 40)
    statements = [
        statement(action="iot:X", resource=THING + "a" * length + "/*", Sid=f"S{length}")
        for length in lengths
    ]
    policies = [attached(*statements, statement(action="iot:X", resource=THING + "a*b"))]
    for length in lengths:
        decision = decide(policies, asking("iot:X", THING + "a" * length + "/x"))
        assert decision.statement == f"S{length}"
    assert decide(policies, asking("iot:X", THING + "ab")).statement == "Statement[39]"
    assert not decide(policies, asking("iot:X", THING + "a" * 40 + "/x")).allowed
    assert not decide(policies, asking("iot:X", THING)).allowed


def test_of_many_that_apply_the_first_is_named_whatever_its_form() -> None:
    exempt = {"Effect": "Allow", "Action": "iot:X", "NotResource": THING + "b"}
    forms = [
        statement(action="iot:X"),
        statement(action="iot:X", resource=THING + "a"),
        statement(action="iot:X", resource=THING + "a*"),
        statement(action="iot:X", resource="arn:aws:iot:*:111122223333:thing/a"),
        exempt,
    ]
    for turn in range(len(forms)):
        turned = forms[turn:] + forms[:turn]
        decision = decide([attached(*turned, *turned)], asking("iot:X", THING + "a"))
        assert decision.statement == "Statement[0]"


def test_an_answer_is_remembered_for_what_it_depends_on_only() -> None:
    by_tag = {"StringEquals": {"aws:PrincipalTag/team": "${aws:ResourceTag/team}"}}
    policies = [attached(statement(action="iot:X", Condition=by_tag))]
    for _ in range(3):
        for mine, its in (("a", "a"), ("a", "b"), ("b", "b")):
            request = AccessRequest(
                "iot:X", "*", context({"aws:PrincipalTag/team": mine, "aws:ResourceTag/team": its})
            )
            assert decide(policies, request).allowed is (mine == its)
    for name in ("first", "second"):
        renamed = NamedPolicy(name, policies[0].policy)
        assert decide([renamed], asking("iot:Y")).reason == "no policy allows iot:Y on *"
        values = {"aws__PrincipalTag/team": "a", "aws__ResourceTag/team": "a"}
        for _ in range(2):
            assert decide([renamed], asking("iot:X", **values)).policy == name


def test_policies_together_are_not_taken_for_others_with_the_same_first() -> None:
    first = attached(statement(action="iot:A"), name="first")
    second = attached(statement(action="iot:B"), name="second")
    third = attached(statement(action="iot:C"), name="third")
    deny = attached(statement("Deny", "iot:A"), name="deny")
    for _ in range(2):
        for policies, granted in (
            ([first], "A"),
            ([first, second], "AB"),
            ([first, third], "AC"),
            ([first, second, third], "ABC"),
            ([first, deny], ""),
            ([second, first], "AB"),
            ([NamedPolicy("first", second.policy)], "B"),
        ):
            for letter in "ABC":
                assert decide(policies, asking(f"iot:{letter}")).allowed is (letter in granted)


def test_one_of_several_patterns_is_enough() -> None:
    listed = [THING + "a?", THING + "b?c", THING + "${aws:username}?"]
    policies = [attached(statement(action="*", resource=listed))]
    for name, may in (("ax", True), ("bxc", True), ("zx", True), ("a", False), ("bx", False)):
        assert decide(policies, asking(resource=THING + name, aws__username="z")).allowed is may


def test_a_device_s_name_with_colons_cannot_pose_as_parts_of_an_arn() -> None:
    pattern = "arn:aws:iot:us-east-1:${iot:ClientId}:topic/a"
    resource = "arn:aws:iot:us-east-1:1:topic/x:topic/a"
    for name, topic in (("1:topic/x", resource), ("1", resource.replace("topic/x:", ""))):
        request = AccessRequest("iot:Publish", topic, context({"iot:ClientId": name}))
        allowed = decide([named(statement(resource=pattern))], request).allowed
        assert allowed is (name == "1")


def test_what_is_remembered_is_bounded() -> None:
    policies = [named(statement())]
    for number in range(3000):
        assert decide(policies, publish(str(number))).allowed
    assert len(_answers) <= 1024
    for number in range(1000):
        decide(policies, asking(f"iot:A{number}"))
        decide([NamedPolicy(f"n{number}", policies[0].policy)], publish("a"))
    assert len(policies[0].policy.compiled) <= 64


def test_the_time_of_a_request_is_judged_anew_each_time() -> None:
    until = {"DateLessThan": {"aws:CurrentTime": "2026-01-01T00:00:00Z"}}
    policies = [attached(statement(action="iot:X", Condition=until))]
    for second, allowed in (("2025-12-31T23:59:59Z", True), ("2026-01-01T00:00:00Z", False)):
        for _ in range(2):
            request = asking("iot:X", aws__CurrentTime=second)
            assert decide(policies, request).allowed is allowed


def test_policies_that_hold_together_are_not_taken_for_others_that_begin_alike() -> None:
    """What is compiled hangs on the first policy, so that each of these has to be told apart."""
    first, second, third = (
        attached(statement(action=f"iot:{name}"), name=name) for name in ("A", "B", "C")
    )
    sets = {
        (first,): "A",
        (first, second): "AB",
        (first, third): "AC",
        (first, second, third): "ABC",
        (first, third, second): "ABC",
        (NamedPolicy("B", first.policy),): "A",
        (NamedPolicy("B", first.policy), third): "AC",
    }
    for _ in range(2):
        for policies, allowed in sets.items():
            given = [name for name in "ABC" if decide(policies, asking(f"iot:{name}")).allowed]
            assert "".join(given) == allowed


def test_an_answer_that_depends_on_who_asks_is_not_remembered_for_another() -> None:
    alice = Requester("111122223333", "arn:aws:iam::111122223333:user/alice")
    bob = Requester("111122223333", "arn:aws:iam::111122223333:user/bob")
    only_alice = statement(action="iot:X", Principal={"AWS": alice.arn})
    everybody = statement("Deny", "iot:X", IOT + "never", Principal="*")
    for statements in ([only_alice, everybody], [everybody, only_alice]):
        policies = [attached(*statements, dialect=Dialect.ENDPOINT)]
        for _ in range(2):
            assert decide(policies, asking("iot:X", principal=alice)).allowed
            assert not decide(policies, asking("iot:X", principal=bob)).allowed


def test_an_answer_is_made_once_and_a_fleeting_one_is_not_kept() -> None:
    policies = [attached(statement(action="iot:X"), statement("Deny", "iot:Y"))]
    denied = decide(policies, asking("iot:Y"))
    assert decide(policies, asking("iot:Y")) == denied
    assert decide(policies, asking("iot:Y")) is decide(policies, asking("iot:Y"))
    _answers.clear()
    until = {"DateLessThan": {"aws:CurrentTime": "2026-01-01T00:00:00Z"}}
    policies = [attached(statement(action="iot:X", Condition=until))]
    for second in range(60):
        decide(policies, asking("iot:X", aws__CurrentTime=f"2025-12-31T23:59:{second:02}Z"))
    assert _answers == {}


def test_plans_are_kept_and_bounded() -> None:
    policies = (attached(statement(action="iot:X")),)
    decide(policies, asking("iot:X"))
    plans = layer_of(policies).plans
    assert list(plans) == ["iot:X"]
    plan = plans["iot:X"]
    decide(policies, asking("iot:X", THING + "a"))
    assert plans["iot:X"] is plan
    for number in range(600):
        decide(policies, asking(f"iot:A{number}"))
        assert len(plans) <= 256
    assert len(plans) > 1


def test_the_policies_compiled_last_are_kept() -> None:
    """To compile them anew for each request would be slow, and is not noticed otherwise."""
    policy = attached(statement()).policy
    for number in range(10):
        named_so = (NamedPolicy(f"n{number}", policy),)
        assert layer_of(named_so) is layer_of(named_so)
    assert len(policy.compiled) == 10
