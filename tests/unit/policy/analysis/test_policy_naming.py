"""Principals side by side: a yes is certain for everybody who could ask."""

from itertools import combinations, product

import pytest

from hedgerow.policy import Requester
from hedgerow.policy.analysis.naming import account_of, names_at_least
from hedgerow.policy.principals import Named, Principals

MINE, YOURS = "111122223333", "444455556666"
ALICE = Requester(MINE, f"arn:aws:iam::{MINE}:user/alice")
BOB = Requester(YOURS, f"arn:aws:iam::{YOURS}:user/bob")
ROLE = f"arn:aws:iam::{MINE}:role/Deployer"
SESSION = Requester(MINE, f"arn:aws:sts::{MINE}:assumed-role/Deployer/run-1", role_arn=ROLE)
GREENGRASS = Requester("", "", service="greengrass.amazonaws.com")
IOT = Requester("", "", service="iot.amazonaws.com")
ASKING = (ALICE, BOB, SESSION, GREENGRASS, IOT, None)


def _some(*listed: str) -> list[frozenset[str]]:
    return [frozenset(one) for size in range(3) for one in combinations(listed, size)]


ALL = [
    Principals(accounts=accounts, arns=arns, services=services, anybody=anybody, negated=negated)
    for accounts, arns, services, anybody, negated in product(
        _some(MINE, YOURS),
        _some(ALICE.arn, ROLE, BOB.arn),
        _some(GREENGRASS.service),
        (False, True),
        (False, True),
    )
]


def _speaks(principals: Principals | None, who: Requester | None) -> Named:
    return Named.ACCOUNT if principals is None else principals.of(who)


@pytest.mark.parametrize("directly", [False, True])
def test_a_yes_is_never_refuted(*, directly: bool) -> None:
    count = 0
    for larger, smaller in product(ALL if directly else [*ALL, None], repeat=2):
        if not names_at_least(larger, smaller, directly=directly):
            continue
        count += 1
        for who in ASKING:
            ours, theirs = _speaks(smaller, who), _speaks(larger, who)
            assert ours is Named.NOT or theirs is not Named.NOT, (smaller, larger, who)
            if directly:
                assert ours is not Named.DIRECTLY or theirs is Named.DIRECTLY
    assert count > len(ALL)


@pytest.mark.parametrize(
    ("larger", "smaller", "answer"),
    [
        # (as for endpoint policies, as for trust policies)
        (Principals(anybody=True), Principals(arns=frozenset({ALICE.arn})), (True, False)),
        (Principals(anybody=True), Principals(accounts=frozenset({MINE})), (True, True)),
        (
            Principals(accounts=frozenset({MINE, YOURS})),
            Principals(accounts=frozenset({MINE})),
            (True, True),
        ),
        (
            Principals(accounts=frozenset({MINE})),
            Principals(arns=frozenset({ALICE.arn})),
            (True, False),
        ),
        (
            Principals(arns=frozenset({ALICE.arn, BOB.arn})),
            Principals(arns=frozenset({BOB.arn})),
            (True, True),
        ),
        (
            Principals(accounts=frozenset({MINE})),
            Principals(arns=frozenset({ALICE.arn, BOB.arn})),
            (False, False),
        ),
        (
            Principals(federated=frozenset({"x", "y"})),
            Principals(federated=frozenset({"x"})),
            (True, True),
        ),
        (
            Principals(federated=frozenset({"x"})),
            Principals(federated=frozenset({"x", "y"})),
            (False, False),
        ),
        (
            Principals(arns=frozenset({ALICE.arn}), negated=True),
            Principals(arns=frozenset({ALICE.arn, BOB.arn}), negated=True),
            (True, True),
        ),
        (
            Principals(arns=frozenset({ALICE.arn, BOB.arn}), negated=True),
            Principals(arns=frozenset({ALICE.arn}), negated=True),
            (False, False),
        ),
        (Principals(anybody=True), None, (True, False)),
        (Principals(accounts=frozenset({MINE})), Principals(anybody=True), (False, False)),
        (None, Principals(anybody=True), (True, True)),
    ],
)
def test_who_is_named_is_found_in_who_else_is(
    larger: Principals | None, smaller: Principals | None, answer: tuple[bool, bool]
) -> None:
    assert names_at_least(larger, smaller, directly=False) is answer[0]
    assert names_at_least(larger, smaller, directly=True) is answer[1]


def test_the_account_of_a_principal() -> None:
    assert account_of(ALICE.arn) == MINE
    assert account_of(f"arn:aws:iam::{MINE}:root") == MINE
    assert account_of(f"arn:aws:iam::{MINE}") == ""
    assert account_of("arn:aws:iam:") == ""
    assert account_of("x") == ""
