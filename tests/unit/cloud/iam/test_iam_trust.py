"""Trust policies and whom they name."""

import json

import pytest
from tests.support.iam_cloud import document, trusting
from tests.support.store_documents import ACCOUNT, OTHER

from hedgerow.aws import AwsError
from hedgerow.cloud.iam.trust import held_principals, named_entities, with_principals

ALICE = f"arn:aws:iam::{ACCOUNT}:user/plant/alice"
ROLE = f"arn:aws:iam::{OTHER}:role/r"
ASSUME = {"Effect": "Allow", "Action": "sts:AssumeRole"}


def test_users_and_roles_are_found_wherever_a_principal_can_stand() -> None:
    text = document(
        {**ASSUME, "Principal": {"AWS": ALICE, "Service": "iot.amazonaws.com"}},
        {**ASSUME, "Principal": {"AWS": [ACCOUNT, "*", ROLE, ALICE]}},
        {**ASSUME, "Effect": "Deny", "NotPrincipal": {"AWS": [ROLE]}},
        {**ASSUME, "Principal": "*"},
    )
    assert named_entities(text) == (ALICE, ROLE)


@pytest.mark.parametrize(
    "principal",
    [
        ACCOUNT,
        f"arn:aws:iam::{ACCOUNT}:root",
        f"arn:aws:sts::{ACCOUNT}:assumed-role/r/s",
        "AIDA234567890",
        "*",
    ],
)
def test_what_has_no_entity_behind_it_is_not_held(principal: str) -> None:
    assert named_entities(trusting(AWS=principal)) == ()


def test_a_document_with_one_statement_that_is_no_list_is_read() -> None:
    statement = {**ASSUME, "Principal": {"AWS": ALICE}}
    text = json.dumps({"Version": "2012-10-17", "Statement": statement})
    assert named_entities(text) == (ALICE,)
    changed = json.loads(with_principals(text, {ALICE: "AIDA1"}))
    assert changed["Statement"]["Principal"]["AWS"] == ["AIDA1"]


def test_a_policy_stays_as_it_was_written_if_nobody_has_another_name() -> None:
    text = trusting(AWS=ALICE) + "\n"
    assert with_principals(text, {}) == text


def test_only_the_principals_change() -> None:
    condition = {"ArnEquals": {"aws:PrincipalArn": ALICE}}
    text = document({**ASSUME, "Principal": {"AWS": [ALICE, ROLE]}, "Condition": condition})
    changed = json.loads(with_principals(text, {ALICE: "AIDA1"}))["Statement"][0]
    assert changed["Principal"] == {"AWS": ["AIDA1", ROLE]}
    assert changed["Condition"] == condition


async def test_who_does_not_exist_is_told_of_ones_own_account_only() -> None:
    async def nobody(_arn: str) -> str | None:
        return None

    assert await held_principals(nobody, ACCOUNT, trusting(AWS=ROLE)) == {}
    with pytest.raises(AwsError, match="Invalid principal"):
        await held_principals(nobody, ACCOUNT, trusting(AWS=[ROLE, ALICE]))
