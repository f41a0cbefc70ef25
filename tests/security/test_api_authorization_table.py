"""Every operation of every API needs the permissions of its row: no more, and no less.

The walk is over the models, so that an operation that is not built yet is walked as well.
"""

from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.support.access import PREFIXES, JudgedAccount, allow, deny, judged_account
from tests.support.aws_requests import ACCOUNT, REGION
from tests.support.model_inputs import smallest_input

from hedgerow.cloud.access import Row, models, rows_of
from hedgerow.cloud.access.templates import Scope

MODELS = models()
SCOPE = Scope(region=REGION, account=ACCOUNT)
FOREIGN = "444455556666"


@pytest.fixture
async def account(tmp_path: Path) -> AsyncIterator[JudgedAccount]:
    async with judged_account(tmp_path) as opened:
        yield opened


def judged(model: str) -> Iterator[tuple[Row, Mapping[str, Any]]]:
    for row in rows_of(model).values():
        if row.judged == "by-policies":
            yield row, smallest_input(model, row.operation)


def permissions(row: Row, members: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the actions and resources that the smallest input needs, by the row."""
    found = []
    for need in row.needs:
        if need.when and not any(members.get(path[0]) for path in need.when):
            continue
        names: list[str] = []
        for target in need.targets:
            names.extend(target.name.fill(members, SCOPE) or ([] if target.optional else ["*"]))
        found += [(need.action, name) for name in names or ["*"]]
    return [(action, name if name.startswith("arn:") else "*") for action, name in found]


@pytest.mark.promise(1)
@pytest.mark.parametrize("model", MODELS)
async def test_no_operation_is_open_to_a_user_without_permission(
    account: JudgedAccount, model: str
) -> None:
    nobody = await account.user("nobody")
    opened = [
        row.operation
        for row, members in judged(model)
        if await account.refused(nobody, model, row.operation, members) is None
    ]
    assert not opened


@pytest.mark.promise(1)
@pytest.mark.parametrize("model", MODELS)
async def test_permission_for_all_other_actions_does_not_open_an_operation(
    account: JudgedAccount, model: str
) -> None:
    """Every operation is denied alone, and everything else is allowed."""
    opened = []
    for number, (row, members) in enumerate(judged(model)):
        action = row.needs[0].action
        other = await account.user(f"u{number}", {**allow(), "Action": "*"}, deny(action))
        refusal = await account.refused(other, model, row.operation, members)
        if refusal is None or refusal.decision["action"] != action:
            opened.append(row.operation)
    assert not opened


@pytest.mark.parametrize("model", MODELS)
async def test_the_permissions_of_the_row_and_no_more_open_an_operation(
    account: JudgedAccount, model: str
) -> None:
    """The literal resources are allowed, with no wildcard but where the row has none to name."""
    closed = []
    for number, (row, members) in enumerate(judged(model)):
        statements = [allow(action, on=name) for action, name in permissions(row, members)]
        holder = await account.user(f"u{number}", *statements)
        refusal = await account.refused(holder, model, row.operation, members)
        if refusal is not None:
            closed.append((row.operation, refusal.message))
    assert not closed


@pytest.mark.promise(1)
@pytest.mark.parametrize("model", MODELS)
async def test_whole_arns_of_another_account_are_refused_even_to_its_root(
    account: JudgedAccount, model: str
) -> None:
    opened = []
    for row, members in judged(model):
        whole = [
            member
            for target in row.needs[0].targets
            for member in target.name.members
            if target.name.text.startswith(f"{{{member}") or f"{{{member}!arn}}" in target.name.text
        ]
        if not whole:
            continue
        arn = f"arn:aws:{PREFIXES.get(model, model)}:{REGION}:{FOREIGN}:thing/x"
        for member in whole:
            given: Any = [arn] if isinstance(members.get(member), list) else arn
            asked = {**members, member: given}
            refusal = await account.refused(account.root, model, row.operation, asked)
            if refusal is None or refusal.decision["layer"] != "resource":
                opened.append((row.operation, member))
    assert not opened
