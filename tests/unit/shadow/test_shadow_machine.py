"""The shadow as a pure machine: merging, versions, deltas, answers."""

from typing import Any

import msgspec
import pytest

from hedgerow.shadow import ShadowError
from hedgerow.shadow.documents import MAX_DOCUMENT_BYTES, NO_SHADOW, Shadow
from hedgerow.shadow.machine import ShadowChange, apply_delete, apply_update, get_answer
from hedgerow.shadow.merging import same
from hedgerow.shadow.requests import ShadowRemoval, parse_removal, parse_update


def update(shadow: Shadow, body: dict[str, Any], at: int = 100) -> ShadowChange:
    return apply_update(shadow, parse_update(msgspec.json.encode(body)), at)


def read(payload: bytes | None) -> Any:
    assert payload is not None
    return msgspec.json.decode(payload)


def state_of(shadow: Shadow) -> Any:
    return read(get_answer(shadow, "lamp", None, 999))["state"]


def test_the_first_update_makes_version_one_and_echoes_what_was_sent() -> None:
    change = update(
        NO_SHADOW, {"state": {"desired": {"on": True}}, "clientToken": "t-1"}, at=1_700_000_000
    )
    assert read(change.accepted) == {
        "state": {"desired": {"on": True}},
        "metadata": {"desired": {"on": {"timestamp": 1_700_000_000}}},
        "version": 1,
        "timestamp": 1_700_000_000,
        "clientToken": "t-1",
    }
    assert change.shadow.version == 1


def test_objects_merge_key_by_key_and_everything_else_is_replaced() -> None:
    first = update(
        NO_SHADOW, {"state": {"reported": {"a": {"x": 1, "y": 2}, "list": [1, 2], "s": "old"}}}
    )
    second = update(
        first.shadow, {"state": {"reported": {"a": {"y": 3}, "list": [9], "s": {"now": "object"}}}}
    )
    assert state_of(second.shadow) == {
        "reported": {"a": {"x": 1, "y": 3}, "list": [9], "s": {"now": "object"}}
    }


def test_null_removes_a_key_and_a_null_section_removes_it_all() -> None:
    first = update(
        NO_SHADOW,
        {"state": {"desired": {"a": 1, "b": {"c": 2, "d": 3}}, "reported": {"z": 0}}},
    )
    second = update(first.shadow, {"state": {"desired": {"a": None, "b": {"c": None}}}})
    assert state_of(second.shadow)["desired"] == {"b": {"d": 3}}
    assert read(second.accepted)["state"] == {"desired": {"a": None, "b": {"c": None}}}
    third = update(second.shadow, {"state": {"desired": None}})
    assert state_of(third.shadow) == {"reported": {"z": 0}}
    assert "desired" not in read(get_answer(third.shadow, "lamp", None, 1))["metadata"]


def test_null_inside_a_new_object_leaves_no_trace() -> None:
    change = update(NO_SHADOW, {"state": {"desired": {"a": {"b": None, "c": 1}}}})
    assert state_of(change.shadow)["desired"] == {"a": {"c": 1}}
    assert read(change.accepted)["metadata"]["desired"] == {"a": {"c": {"timestamp": 100}}}


def test_metadata_holds_when_each_value_was_last_written() -> None:
    first = update(NO_SHADOW, {"state": {"desired": {"a": 1, "b": [1, {"k": 2}]}}}, at=100)
    second = update(first.shadow, {"state": {"desired": {"a": 1}}}, at=200)
    metadata = read(get_answer(second.shadow, "lamp", None, 300))["metadata"]
    assert metadata == {
        "desired": {
            "a": {"timestamp": 200},
            "b": [{"timestamp": 100}, {"k": {"timestamp": 100}}],
        }
    }


def test_the_delta_holds_what_is_desired_and_not_reported() -> None:
    change = update(
        NO_SHADOW,
        {
            "state": {
                "desired": {"same": 1, "other": 2, "deep": {"p": 1, "q": 2}, "list": [1, 2]},
                "reported": {"same": 1, "other": 3, "deep": {"p": 1}, "list": [2, 1], "extra": 0},
            },
            "clientToken": "who",
        },
    )
    assert read(change.delta) == {
        "version": 1,
        "timestamp": 100,
        "state": {"other": 2, "deep": {"q": 2}, "list": [1, 2]},
        "metadata": {
            "other": {"timestamp": 100},
            "deep": {"q": {"timestamp": 100}},
            "list": [{"timestamp": 100}, {"timestamp": 100}],
        },
        "clientToken": "who",
    }
    assert state_of(change.shadow)["delta"] == {"other": 2, "deep": {"q": 2}, "list": [1, 2]}


def test_there_is_no_delta_when_the_device_reports_what_is_desired() -> None:
    first = update(NO_SHADOW, {"state": {"desired": {"on": True}}})
    assert first.delta is not None
    second = update(first.shadow, {"state": {"reported": {"on": True}}})
    assert second.delta is None
    assert "delta" not in state_of(second.shadow)


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        (1, 1.0, True),
        (True, 1, False),
        (False, 0, False),
        ([True], [1], False),
        ({"a": [1]}, {"a": [1]}, True),
        ({"a": 1}, {"b": 1}, False),
        (None, 0, False),
        ("1", 1, False),
        ([1], {"0": 1}, False),
    ],
)
def test_values_compare_as_json_does(one: Any, other: Any, equal: bool) -> None:  # noqa: FBT001 - a table's column
    assert same(one, other) is equal


def test_the_documents_notice_shows_before_and_after() -> None:
    first = update(NO_SHADOW, {"state": {"desired": {"a": 1}}}, at=100)
    assert "previous" not in read(first.documents)
    second = update(first.shadow, {"state": {"desired": {"a": 2}}}, at=200)
    assert read(second.documents) == {
        "previous": {
            "state": {"desired": {"a": 1}},
            "metadata": {"desired": {"a": {"timestamp": 100}}},
            "version": 1,
        },
        "current": {
            "state": {"desired": {"a": 2}},
            "metadata": {"desired": {"a": {"timestamp": 200}}},
            "version": 2,
        },
        "timestamp": 200,
    }


@pytest.mark.parametrize("stale", [0, 2, 7])
def test_an_update_for_another_version_is_a_conflict(stale: int) -> None:
    shadow = update(NO_SHADOW, {"state": {"desired": {"a": 1}}}).shadow
    with pytest.raises(ShadowError) as refused:
        update(shadow, {"state": {"desired": {"a": 2}}, "version": stale, "clientToken": "t"})
    assert read(refused.value.payload(5)) == {
        "code": 409,
        "message": "Version conflict",
        "timestamp": 5,
        "clientToken": "t",
    }


def test_an_update_for_the_current_version_is_taken() -> None:
    shadow = update(NO_SHADOW, {"state": {"desired": {"a": 1}}, "version": 0}).shadow
    assert update(shadow, {"state": {"desired": {"a": 2}}, "version": 1}).shadow.version == 2


def test_the_state_cannot_grow_over_its_limit_in_steps() -> None:
    text = "x" * (MAX_DOCUMENT_BYTES // 2)
    shadow = update(NO_SHADOW, {"state": {"desired": {"a": text}}}).shadow
    with pytest.raises(ShadowError, match="exceeds the maximum size") as refused:
        update(shadow, {"state": {"reported": {"b": text}}})
    assert refused.value.status == 413


def test_deleting_keeps_counting_versions() -> None:
    shadow = update(NO_SHADOW, {"state": {"desired": {"a": 1}}}).shadow
    tombstone, answer = apply_delete(shadow, "lamp", ShadowRemoval(client_token="bye"), 7)
    assert read(answer) == {"version": 1, "timestamp": 7, "clientToken": "bye"}
    again = update(tombstone, {"state": {"reported": {"b": 1}}})
    assert again.shadow.version == 2
    assert state_of(again.shadow) == {"reported": {"b": 1}}


def test_versions_of_a_deleted_shadow_count_on_for_48_hours() -> None:
    shadow = update(NO_SHADOW, {"state": {"desired": {"a": 1}}}).shadow
    tombstone, _ = apply_delete(shadow, "lamp", ShadowRemoval(), 1000)
    body = {"state": {"desired": {"a": 1}}}
    assert update(tombstone, body, at=1000 + 48 * 3600).shadow.version == 2
    later = update(tombstone, body, at=1001 + 48 * 3600)
    assert later.shadow.version == 1
    assert "previous" not in read(later.documents)


def test_an_update_for_version_0_makes_a_deleted_shadow_anew_and_changes_no_other() -> None:
    shadow = update(NO_SHADOW, {"state": {"desired": {"a": 1}}}).shadow
    body = {"state": {"desired": {"a": 2}}, "version": 0}
    with pytest.raises(ShadowError, match="Version conflict"):
        update(shadow, body)
    tombstone, _ = apply_delete(shadow, "lamp", ShadowRemoval(), 100)
    assert update(tombstone, body).shadow.version == 2


@pytest.mark.parametrize("shadow", [NO_SHADOW, Shadow(version=3, deleted=True)])
def test_what_is_not_there_can_be_neither_read_nor_deleted(shadow: Shadow) -> None:
    with pytest.raises(ShadowError, match="No shadow exists with name: 'lamp'") as refused:
        get_answer(shadow, "lamp", "t", 1)
    assert (refused.value.status, refused.value.client_token) == (404, "t")
    with pytest.raises(ShadowError, match="No shadow exists"):
        apply_delete(shadow, "lamp", ShadowRemoval(), 1)


def test_a_change_leaves_the_shadow_it_came_from_as_it_was() -> None:
    before = update(NO_SHADOW, {"state": {"desired": {"a": {"b": 1}}}}).shadow
    frozen = msgspec.json.encode(before)
    update(before, {"state": {"desired": {"a": {"b": 2, "c": [1]}}}})
    assert msgspec.json.encode(before) == frozen


def test_a_deletion_for_a_version_is_for_that_version_alone() -> None:
    shadow = update(NO_SHADOW, {"state": {"desired": {"a": 1}}}).shadow
    stale = parse_removal(b'{"version":7,"clientToken":"t"}')
    with pytest.raises(ShadowError, match="Version conflict") as refused:
        apply_delete(shadow, "lamp", stale, 1)
    assert (refused.value.status, refused.value.client_token) == (409, "t")
    tombstone, _ = apply_delete(shadow, "lamp", parse_removal(b'{"version":1}'), 1)
    assert tombstone.deleted
