"""Whatever is done to a store, in whatever order: it answers as a plain list of records would."""

import asyncio
import tempfile
from dataclasses import dataclass
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.store_documents import ACCOUNT, LAMP, OTHER, Lamp, opened

from hedgerow.store import AlreadyExistsError, Store, Transaction


@dataclass(frozen=True)
class Step:
    """One thing to do; in what order the fields matter depends on `verb`."""

    verb: str
    account: str
    id: str
    name: str | None
    parent: str | None
    watts: int
    fails: bool


@dataclass(frozen=True)
class Kept:
    """What the model keeps of a record."""

    account: str
    id: str
    name: str | None
    parent: str | None
    watts: int
    version: int


_few = st.sampled_from(["a", "b", "c", "ü", ""])
_steps = st.lists(
    st.builds(
        Step,
        verb=st.sampled_from(["insert", "insert", "update", "rename", "delete"]),
        account=st.sampled_from([ACCOUNT, OTHER]),
        id=_few,
        name=st.none() | _few,
        parent=st.none() | _few,
        watts=st.integers(0, 9),
        fails=st.sampled_from([False, False, False, True]),
    ),
    max_size=25,
)


class _UndoneError(Exception):
    """Raised to leave a transaction without committing it."""


def _expected(kept: list[Kept], step: Step) -> list[Kept] | None:
    """Return what is kept after the step, or None if it must be refused."""
    mine = [one for one in kept if (one.account, one.id) == (step.account, step.id)]
    parent = mine[0].parent if mine and step.verb != "insert" else step.parent
    taken = step.name is not None and any(
        (one.account, one.parent, one.name) == (step.account, parent, step.name)
        for one in kept
        if one not in mine or step.verb == "insert"
    )
    if step.verb == "insert":
        if mine or taken:
            return None
        return [*kept, Kept(step.account, step.id, step.name, step.parent, step.watts, 1)]
    if not mine:
        return kept
    if step.verb == "delete":
        return [one for one in kept if one not in mine]
    name = mine[0].name
    if step.verb == "rename":
        if taken:
            return None
        name = step.name
    new = Kept(step.account, step.id, name, parent, step.watts, mine[0].version + 1)
    return [new if one in mine else one for one in kept]


async def _do(transaction: Transaction, step: Step) -> None:
    if step.verb == "insert":
        await transaction.insert(
            LAMP, step.account, step.id, Lamp("x", step.watts), parent=step.parent, name=step.name
        )
        return
    record = await transaction.get(LAMP, step.account, step.id)
    if record is None:
        return
    if step.verb == "delete":
        await transaction.delete(record)
    elif step.verb == "rename":
        await transaction.update(record, Lamp("x", step.watts), name=step.name)
    else:
        await transaction.update(record, Lamp("x", step.watts))


async def _apply(store: Store, kept: list[Kept], step: Step) -> list[Kept]:
    expected = _expected(kept, step)
    try:
        async with store.transaction() as transaction:
            await _do(transaction, step)
            if step.fails:
                raise _UndoneError
    except AlreadyExistsError:
        assert expected is None
    except _UndoneError:
        assert expected is not None
    else:
        assert expected is not None
        return expected
    return kept


async def _stored(store: Store, account: str | None, parent: str | None = None) -> list[Kept]:
    return [
        Kept(one.account, one.id, one.name, one.parent, one.document.watts, one.version)
        for one in await store.all(LAMP, account, parent=parent)
    ]


async def _paged(store: Store, account: str, parent: str | None) -> list[str]:
    ids: list[str] = []
    token: str | None = None
    while True:
        page = await store.list(LAMP, account, parent=parent, limit=2, after=token)
        ids += [one.id for one in page.records]
        token = page.next_token
        if token is None:
            return ids


async def _compare(steps: list[Step]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        kept: list[Kept] = []
        async with opened(Path(folder)) as store:
            for step in steps:
                kept = await _apply(store, kept, step)
        async with opened(Path(folder)) as store:
            assert await _stored(store, None) == kept
            for account in (ACCOUNT, OTHER):
                of_account = [one for one in kept if one.account == account]
                assert await _stored(store, account) == of_account
                assert await _paged(store, account, None) == [one.id for one in of_account]
                for parent in ("a", ""):
                    children = [one for one in of_account if one.parent == parent]
                    assert await _stored(store, account, parent) == children
                    assert await _paged(store, account, parent) == [one.id for one in children]
            for one in kept:
                if one.name is not None:
                    found = await store.find(LAMP, one.account, name=one.name, parent=one.parent)
                    assert found is not None
                    assert found.id == one.id


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(_steps)
def test_a_store_answers_as_a_plain_list_would(steps: list[Step]) -> None:
    asyncio.run(_compare(steps))
