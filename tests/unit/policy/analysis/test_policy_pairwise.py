"""Statement against statement: a yes is certain, and what is plain is seen."""

import json
import random
from itertools import product
from typing import Any

import pytest

from hedgerow.policy import (
    AccessRequest,
    Dialect,
    NamedPolicy,
    Policy,
    Requester,
    context,
    decide,
    parse_policy,
)
from hedgerow.policy.analysis import includes
from hedgerow.policy.analysis.pairwise import within_pairwise

THING = "arn:aws:iot:eu-west-1:123456789012:thing/"
RED = {"StringEquals": {"aws:RequestTag/colour": "red"}}
ALICE = "arn:aws:iam::123456789012:user/alice"
ACTIONS = ("iot:A", "iot:B", "iam:C")
RESOURCES = (THING + "a", THING + "ab", THING + "b")


def policy(*statements: dict[str, Any], dialect: Dialect = Dialect.IDENTITY) -> Policy:
    text = json.dumps({"Version": "2012-10-17", "Statement": statements})
    return parse_policy(text, dialect)


def allow(resource: Any = "*", action: Any = "iot:A", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(resource: Any = "*", action: Any = "iot:A", **more: Any) -> dict[str, Any]:
    return {"Effect": "Deny", "Action": action, "Resource": resource, **more}


REQUESTS = [
    AccessRequest(action, resource, context(facts))
    for action, resource, facts in product(
        ACTIONS,
        RESOURCES,
        ({}, {"aws:RequestTag/colour": "red"}, {"aws:RequestTag/colour": "blue"}),
    )
]


def _any_statement(chance: random.Random) -> dict[str, Any]:
    made: dict[str, Any] = {"Effect": chance.choice(["Allow", "Allow", "Deny"])}
    made[chance.choice(["Action", "Action", "NotAction"])] = chance.choice(
        ["iot:A", "iot:*", "*", ["iot:A", "iot:B"]]
    )
    made[chance.choice(["Resource", "Resource", "NotResource"])] = chance.choice(
        [THING + "a", THING + "a*", "*", [THING + "a", THING + "b"]]
    )
    if chance.random() < 0.3:
        made["Condition"] = chance.choice([RED, {"StringNotEquals": RED["StringEquals"]}])
    return made


def test_a_yes_is_never_refuted() -> None:
    chance = random.Random(7)  # noqa: S311 - to repeat it, not to be secret
    policies = [
        policy(*(_any_statement(chance) for _ in range(chance.randint(1, 3)))) for _ in range(200)
    ]
    allowed = [
        {at for at, one in enumerate(REQUESTS) if decide([NamedPolicy("p", each)], one).allowed}
        for each in policies
    ]
    yes = 0
    for (ours, smaller), (theirs, larger) in product(zip(allowed, policies, strict=True), repeat=2):
        if smaller is not larger and within_pairwise(smaller, larger):
            yes += bool(ours)
            assert ours <= theirs, (smaller, larger)
    assert yes > 100


def test_includes_says_the_same_with_a_witness_or_without() -> None:
    chance = random.Random(11)  # noqa: S311 - likewise
    yes = no = 0
    for _ in range(2500):
        theirs = [_any_statement(chance) for _ in range(chance.randint(1, 3))]
        ours = [*theirs[: chance.randint(0, 2)], _any_statement(chance)]
        smaller, larger = policy(*ours), policy(*theirs)
        answer = includes(smaller, larger)
        first, second = NamedPolicy("smaller", smaller), NamedPolicy("larger", larger)
        for one in REQUESTS if answer.holds else ():
            assert not decide([first], one).allowed or decide([second], one).allowed, (ours, theirs)
        if answer.witness is not None:
            no += 1
            assert decide([first], answer.witness).allowed
            assert not decide([second], answer.witness).allowed
        yes += answer.holds
    assert yes > 500
    assert no > 500


@pytest.mark.parametrize(
    ("smaller", "larger", "answer"),
    [
        ([allow(THING + "a")], [deny(THING + "b"), allow(THING + "a*")], True),
        ([allow(THING + "a")], [allow(THING + "b"), allow()], True),
        ([allow(THING + "a"), allow(THING + "c")], [allow(THING + "a")], False),
        ([allow(THING + "a")], [allow(), deny(THING + "a*")], False),
        # what is denied there is denied here
        ([allow(), deny(THING + "a*")], [allow(), deny(THING + "a")], True),
        ([allow(), deny(THING + "a")], [allow(), deny(THING + "a*")], False),
        ([allow(), deny(Condition=RED)], [allow(), deny()], False),
        ([allow(), deny()], [allow(), deny(Condition=RED)], True),
        # another action or resource is apart
        ([allow(THING + "a")], [allow(), deny(action="iot:B")], True),
        ([allow(THING + "a")], [allow(), deny(action="iot:?")], False),
        ([deny()], [deny()], True),
        ([allow(Condition=RED)], [allow()], True),
        ([allow()], [allow(Condition=RED)], False),
        ([allow(action=["iot:A", "iot:B"])], [allow(action="iot:*")], True),
        ([allow(action="iot:*")], [allow(action=["iot:A", "iot:B"])], False),
    ],
)
def test_what_is_plain_is_seen(smaller: list[Any], larger: list[Any], *, answer: bool) -> None:
    assert within_pairwise(policy(*smaller), policy(*larger)) is answer


def test_all_but_less_is_more() -> None:
    def but(actions: Any) -> Policy:
        return policy({"Effect": "Allow", "NotAction": actions, "Resource": "*"})

    assert within_pairwise(but(["iot:A", "iot:B"]), but("iot:A"))
    assert not within_pairwise(but("iot:A"), but(["iot:A", "iot:B"]))
    assert not within_pairwise(but("iam:*"), policy(allow(action="*"), deny(action="sts:X")))


def test_a_deny_and_an_allow_of_all_but_some_are_not_taken_for_what_they_name() -> None:
    everything = allow(action="*")
    all_but_b = {"Effect": "Deny", "NotAction": "iot:B", "Resource": "*"}
    assert not within_pairwise(policy(allow()), policy(everything, all_but_b))
    all_but_there = {"Effect": "Deny", "Action": "*", "NotResource": THING + "b"}
    assert not within_pairwise(policy(allow(THING + "a")), policy(everything, all_but_there))
    but_a = {"Effect": "Allow", "Action": "iot:A", "NotResource": THING + "a"}
    assert not within_pairwise(policy(but_a), policy(everything, deny(THING + "b")))


def test_who_is_named_counts() -> None:
    def door(principal: Any, effect: str = "Allow") -> dict[str, Any]:
        return {**allow(), "Effect": effect, "Principal": principal}

    def within(smaller: dict[str, Any], *larger: dict[str, Any]) -> bool:
        return within_pairwise(
            policy(smaller, dialect=Dialect.ENDPOINT), policy(*larger, dialect=Dialect.ENDPOINT)
        )

    assert within(door({"AWS": ALICE}), door({"AWS": "123456789012"}))
    assert not within(door({"AWS": "123456789012"}), door({"AWS": ALICE}))
    assert not within(door({"AWS": ALICE}), door("*"), door({"AWS": ALICE}, "Deny"))
    alice = Requester("123456789012", ALICE)
    larger = policy(door("*"), door({"AWS": ALICE}, "Deny"), dialect=Dialect.ENDPOINT)
    asked = AccessRequest("iot:A", THING + "a", context({}), alice)
    assert not decide([NamedPolicy("p", larger)], asked).allowed


def test_of_trust_policies_to_be_named_directly_is_more() -> None:
    def trust(principal: Any) -> Policy:
        given = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
        return policy(given, dialect=Dialect.TRUST)

    assert not within_pairwise(trust({"AWS": ALICE}), trust({"AWS": "123456789012"}))
    assert within_pairwise(trust({"AWS": ALICE}), trust({"AWS": [ALICE, "123456789012"]}))
