"""Shadow arithmetic against a naive model: RFC 7386 (JSON Merge Patch), which it agrees with."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from hedgerow.shadow.merging import difference, merged, same

_keys = st.sampled_from(["a", "b", "c"])
_leaves = st.booleans() | st.integers(0, 2) | st.sampled_from(["", "x"])
_lists = st.lists(_leaves, max_size=2)


def _objects(values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(_keys, values, max_size=3)


_states = st.recursive(_leaves | _lists, _objects, max_leaves=8).filter(
    lambda state: isinstance(state, dict)
)
_patches = st.recursive(st.none() | _leaves | _lists, _objects, max_leaves=8).filter(
    lambda state: isinstance(state, dict)
)


def merge_patch(target: Any, patch: Any) -> Any:
    """RFC 7386, section 2, word for word."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merge_patch(result.get(name), value)
    return result


def shape(value: Any) -> Any:
    """Return where the leaves of a document are."""
    if isinstance(value, dict):
        return {} if set(value) == {"timestamp"} else {k: shape(v) for k, v in value.items()}
    if isinstance(value, list):
        return [shape(element) for element in value]
    return {}


def stripped(value: Any) -> Any:
    """Return a state with every leaf as its metadata shows it."""
    if isinstance(value, dict):
        return {key: stripped(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [stripped(element) for element in value]
    return {}


@given(_states, _patches)
def test_merging_is_json_merge_patch(state: dict[str, Any], patch: dict[str, Any]) -> None:
    after, _ = merged(state, {}, patch, 1)
    assert same(after, merge_patch(state, patch))


@given(st.lists(_patches, max_size=4))
def test_metadata_always_mirrors_the_state(patches: list[dict[str, Any]]) -> None:
    state: dict[str, Any] = {}
    times: dict[str, Any] = {}
    for timestamp, patch in enumerate(patches):
        state, times = merged(state, times, patch, timestamp)
        assert shape(times) == stripped(state)


@given(_states, _states)
def test_reporting_the_delta_leaves_no_delta(
    desired: dict[str, Any], reported: dict[str, Any]
) -> None:
    """A device that does what the delta says, and says so, is done."""
    delta, _ = difference(desired, reported, {})
    after, _ = merged(reported, {}, delta, 1)
    assert difference(desired, after, {}) == ({}, {})


@given(_states)
def test_a_state_does_not_differ_from_itself(state: dict[str, Any]) -> None:
    assert difference(state, state, {}) == ({}, {})
