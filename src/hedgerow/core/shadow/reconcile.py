"""Two copies of a shadow that changed apart become one again. Pure; the rules are the room's."""

from dataclasses import dataclass, field
from typing import Final

from hedgerow.shadow import Json, Section, Shadow, same, state_of, times_of


class _Absent:
    """What stands for a value that is not there; null is how a request says it."""


_ABSENT: Final = _Absent()
_Node = Json | _Absent

State = dict[str, Json]
"""The `desired` and `reported` sections of a shadow, those that are there."""


@dataclass(frozen=True, slots=True)
class Copy:
    """One side's shadow: its state, None if there is no shadow, and the time of every value."""

    state: State | None
    times: Section = field(default_factory=dict)

    @classmethod
    def of(cls, shadow: Shadow) -> "Copy":
        """Return the copy that a kept shadow is."""
        if shadow.deleted:
            return cls(None)
        return cls(state_of(shadow), times_of(shadow))


def reconciled(base: State | None, local: Copy, cloud: Copy) -> State | None:
    """Return what both sides should hold; `base` is what they last agreed on."""
    goal = _reconciled(
        _node(base), _node(local.state), local.times, _node(cloud.state), cloud.times
    )
    return goal if isinstance(goal, dict) else None


def acknowledged(base: State | None, offered: State | None, cloud: State | None) -> State | None:
    """Return `base`, with every value in it that the cloud holds as it was offered.

    The answer to the offer was lost; without this, the core's own value in the cloud would look
    like a change that somebody else made there.
    """
    known = _acknowledged(_node(base), _node(offered), _node(cloud))
    return known if isinstance(known, dict) else None


def changes_between(before: State | None, after: State) -> dict[str, Section | None]:
    """Return the `state` of an update that makes `after` of `before`; empty if they are equal."""
    return _changes(before or {}, after)


def differ(one: State | None, other: State | None) -> bool:
    """Tell whether two states are different, or one of them is not there."""
    return not _equal(_node(one), _node(other))


def _node(state: State | None) -> _Node:
    return _ABSENT if state is None else state


def _reconciled(
    base: _Node, local: _Node, local_times: Json, cloud: _Node, cloud_times: Json
) -> _Node:
    if _equal(local, cloud) or _equal(local, base):
        return cloud
    if _equal(cloud, base):
        return local
    if isinstance(local, dict) and isinstance(cloud, dict):
        parts = {
            key: _reconciled(
                _inner(base, key),
                _inner(local, key),
                _times(local_times, key),
                _inner(cloud, key),
                _times(cloud_times, key),
            )
            for key in {**cloud, **local}
        }
        return {key: part for key, part in parts.items() if part is not _ABSENT}
    if local is _ABSENT:
        return cloud
    if cloud is _ABSENT:
        return local
    return local if newest(local_times) > newest(cloud_times) else cloud


def _acknowledged(base: _Node, offered: _Node, cloud: _Node) -> _Node:
    if _equal(offered, cloud):
        return cloud
    if not isinstance(offered, dict) or not isinstance(cloud, dict):
        return base
    keys = {**cloud, **offered, **(base if isinstance(base, dict) else {})}
    parts = {
        key: _acknowledged(_inner(base, key), _inner(offered, key), _inner(cloud, key))
        for key in keys
    }
    return {key: part for key, part in parts.items() if part is not _ABSENT}


def newest(times: Json) -> int:
    """Return the newest time in the metadata of a value, 0 if it has none."""
    if isinstance(times, list):
        return max(map(newest, times), default=0)
    if not isinstance(times, dict):
        return 0
    stamp = times.get("timestamp")
    own = stamp if isinstance(stamp, int) else 0
    return max([own, *map(newest, times.values())])


def _changes(before: Section, after: Section) -> Section:
    changes: Section = {key: None for key in before if key not in after}
    for key, value in after.items():
        current = before.get(key, _ABSENT)
        if isinstance(value, dict) and isinstance(current, dict):
            inner = _changes(current, value)
            if inner:
                changes[key] = inner
        elif not _equal(current, value):
            changes[key] = value
    return changes


def _inner(node: _Node, key: str) -> _Node:
    return node.get(key, _ABSENT) if isinstance(node, dict) else _ABSENT


def _times(times: Json, key: str) -> Json:
    return times.get(key) if isinstance(times, dict) else None


def _equal(one: _Node, other: _Node) -> bool:
    if one is _ABSENT or other is _ABSENT:
        return one is other
    return same(one, other)
