"""Synchronisation under edits on both sides, cuts and kills, against the rules as they are stated.

More examples: `HEDGEROW_SHADOW_PLAYS=20000`.
"""

import asyncio
import os
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.clock import ManualClock
from tests.support.shadow_play import (
    NAME,
    Mishap,
    MishapCloud,
    Play,
    Side,
    allowed_values,
    play,
    same_json,
    value_at,
)

PLAYS = int(os.environ.get("HEDGEROW_SHADOW_PLAYS", "60"))

_paths = st.sampled_from([("reported", "a"), ("desired", "o", "x"), ("desired", "o", "y")])
_sides = st.sampled_from(get_args(Side))
_edits = st.tuples(st.just("edit"), _sides, _paths, st.booleans())
_syncs = st.tuples(st.just("sync"), st.sampled_from(get_args(Mishap)))
_meddled = st.tuples(
    st.just("meddled"), st.sampled_from(["GET", "POST", "DELETE"]), _sides, _paths, st.booleans()
)
_deletions = st.tuples(st.just("delete"), _sides)
_STEPS = 6
_LONG = 24


def _lists(step: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    """Return plays of a length that is often worth it."""
    return st.lists(step, min_size=_STEPS, max_size=_LONG)


@settings(max_examples=PLAYS, deadline=None)
@given(_lists(_edits | _edits | _syncs | _meddled))
def test_each_value_ends_as_the_stated_rules_say(steps: list[Any]) -> None:
    """No acknowledged edit is lost but where the rules name the side that wins."""

    async def check(played: Play) -> None:
        end = played.here.state(NAME) or {}
        for path in {edit.path for edit in played.edits}:
            assert value_at(end, path) in allowed_values(played, path), (path, played.edits)

    _run(steps, check)


@settings(max_examples=PLAYS, deadline=None)
@given(_lists(_edits | _syncs | _meddled | _deletions))
def test_with_deletions_both_sides_agree_and_nothing_stands_that_was_not_set(
    steps: list[Any],
) -> None:
    """A deleted shadow loses as a whole, so values of before can stand again."""

    async def check(played: Play) -> None:
        end = played.here.state(NAME) or {}
        for path in {edit.path for edit in played.edits}:
            edits = [edit for edit in played.edits if edit.path == path]
            assert value_at(end, path) in [None, *(edit.value for edit in edits)], edits
            last = edits[-1]
            if last.value is not None and last.at > played.deleted_at:
                assert value_at(end, path) == last.value, (path, played.edits)

    _run(steps, check)


def _run(steps: list[Any], check: Callable[[Play], Awaitable[None]]) -> None:
    async def whole(folder: Path) -> None:
        with play(folder, MishapCloud(ManualClock())) as played:
            for step in steps:
                await _step(played, step)
            await played.settle()
            assert same_json(played.here.state(NAME), played.cloud.state(NAME))
            before = played.versions
            await played.settle()
            assert played.versions == before, "what is at rest stays at rest"
            await check(played)

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(whole(Path(folder)))


async def _step(played: Play, step: Any) -> None:
    match step:
        case ("edit", side, path, remove):
            played.edit(side, path, remove=remove)
        case ("delete", side):
            played.delete(side)
        case ("sync", mishap):
            await played.synchronise(mishap)
        case ("meddled", method, side, path, remove):

            async def meddle(asked: str, _name: str) -> None:
                if asked == method:
                    played.cloud.before_answer = None
                    played.edit(side, path, remove=remove)

            played.cloud.before_answer = meddle
            await played.synchronise("")
            played.cloud.before_answer = None


@pytest.mark.parametrize("mishap", [mishap for mishap in get_args(Mishap) if mishap])
def test_an_edit_outlives_every_mishap(mishap: Mishap) -> None:
    _run(
        [("edit", "here", ("reported", "a"), False), ("sync", mishap)],
        _expect_last_edit,
    )


async def _expect_last_edit(played: Play) -> None:
    assert value_at(played.cloud.state(NAME), ("reported", "a")) == played.edits[-1].value


def test_a_deletion_takes_nothing_with_it_that_came_just_before() -> None:
    """The cloud's copy changes between the core's reading it and its deletion there."""
    path = ("reported", "a")
    _run(
        [
            ("edit", "here", path, False),
            ("sync", ""),
            ("delete", "here"),
            ("meddled", "DELETE", "there", path, False),
        ],
        _expect_last_edit,
    )
