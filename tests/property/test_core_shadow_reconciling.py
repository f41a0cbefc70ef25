"""Reconciling: what must always hold, and a naive model for shadows without inner objects."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from hedgerow.core.shadow import Copy, State, changes_between, reconciled
from hedgerow.shadow import (
    NO_SHADOW,
    Shadow,
    ShadowRemoval,
    ShadowUpdate,
    apply_delete,
    apply_update,
    same,
    state_of,
)

_keys = st.sampled_from(["a", "b", "timestamp"])
_values = st.integers(0, 2) | st.sampled_from([True, "x"]) | st.lists(st.integers(0, 1), max_size=2)
_sections = st.recursive(
    st.none() | _values, lambda inner: st.dictionaries(_keys, inner, max_size=3), max_leaves=5
).filter(lambda section: isinstance(section, dict))
_updates = st.dictionaries(
    st.sampled_from(["desired", "reported"]), st.none() | _sections, min_size=1
)
_steps = st.lists(st.none() | _updates, max_size=4)
"""None deletes the shadow."""

_flat_sections = st.dictionaries(_keys, st.none() | _values, max_size=3)
_flat_steps = st.lists(st.fixed_dictionaries({"reported": _flat_sections}), max_size=4)


def after(shadow: Shadow, steps: list[Any], times: list[int]) -> Shadow:
    """Return a shadow after updates and deletions at these times."""
    for step, time in zip(steps, times, strict=False):
        if step is None:
            shadow = (
                shadow if shadow.deleted else apply_delete(shadow, "t", ShadowRemoval(), time)[0]
            )
        else:
            shadow = apply_update(shadow, ShadowUpdate(step, None, None), time).shadow
    return shadow


def state(shadow: Shadow) -> State | None:
    return None if shadow.deleted else state_of(shadow)


_times = st.lists(st.integers(1, 6), min_size=4, max_size=4).map(sorted)


@given(_steps, _steps, _steps, _times, _times)
def test_both_sides_become_alike_and_stay_so(
    start: list[Any], here: list[Any], there: list[Any], at_here: list[int], at_there: list[int]
) -> None:
    base = after(NO_SHADOW, start, [0] * 4)
    local, cloud = after(base, here, at_here), after(base, there, at_there)
    goal = reconciled(state(base), Copy.of(local), Copy.of(cloud))
    for side in (local, cloud):
        if goal is None:
            continue
        changes = changes_between(state(side), goal)
        reached = apply_update(side, ShadowUpdate(changes, None, None), 9).shadow
        assert same(state_of(reached), goal)
        assert reconciled(goal, Copy.of(reached), Copy(goal)) == goal


@given(_steps, _steps, _times)
def test_what_only_one_side_changed_is_taken_from_it(
    start: list[Any], steps: list[Any], times: list[int]
) -> None:
    base = after(NO_SHADOW, start, [0] * 4)
    changed = after(base, steps, times)
    for local, cloud in ((changed, base), (base, changed)):
        goal = reconciled(state(base), Copy.of(local), Copy.of(cloud))
        assert goal == state(changed)


@given(_flat_steps, _flat_steps, _flat_steps, _times, _times)
def test_value_by_value_the_newer_one_stands_and_the_clouds_where_they_are_equal(
    start: list[Any], here: list[Any], there: list[Any], at_here: list[int], at_there: list[int]
) -> None:
    first = {"reported": {"a": 0}}
    base = after(after(NO_SHADOW, [first], [0]), start, [0] * 4)
    local, cloud = after(base, here, at_here), after(base, there, at_there)
    goal = reconciled(state(base), Copy.of(local), Copy.of(cloud))
    assert goal is not None
    sections = [dict(shadow.reported or {}) for shadow in (base, local, cloud)]
    model: dict[str, Any] = {}
    for key in {key for section in sections for key in section}:
        was, here, there = (section.get(key, _GONE) for section in sections)
        value = _chosen(was, here, there, _last(key, local) > _last(key, cloud))
        if value != _GONE:
            model[key] = value
    assert same(goal["reported"], model)


_GONE = ("gone",)


def _last(key: str, shadow: Shadow) -> int:
    """Return when a value was last set, as its metadata says."""
    stamps = shadow.reported_times.get(key)
    while isinstance(stamps, list):  # an array's elements share one time
        stamps = stamps[0] if stamps else None
    return stamps["timestamp"] if stamps else 0


def _chosen(was: Any, here: Any, there: Any, ours_is_newer: bool) -> Any:  # noqa: FBT001
    if same(here, was):
        return there
    if same(there, was):
        return here
    if _GONE in (here, there):
        return there if here == _GONE else here
    return here if ours_is_newer else there
