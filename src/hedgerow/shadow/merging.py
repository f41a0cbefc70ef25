"""The arithmetic of shadow state: merging, timestamps and differences. Pure."""

from hedgerow.shadow.documents import Json, Section


def merged(
    current: Section, times: Section, changes: Section, timestamp: int
) -> tuple[Section, Section]:
    """Return the section and its timestamps after the changes.

    Objects merge key by key, everything else is replaced, and null removes a key. Every key that
    the changes mention gets the timestamp, also where the value stays the same.
    """
    state, stamps = dict(current), dict(times)
    for key, value in changes.items():
        if value is None:
            state.pop(key, None)
            stamps.pop(key, None)
        elif isinstance(value, dict):
            inner = state.get(key)
            base, base_times = (inner, stamps.get(key, {})) if isinstance(inner, dict) else ({}, {})
            state[key], stamps[key] = merged(base, base_times, value, timestamp)
        else:
            state[key], stamps[key] = value, stamped(value, timestamp)
    return state, stamps


def stamped(value: Json, timestamp: int) -> Json:
    """Return the metadata of a value: its own shape with `{"timestamp": …}` in place of leaves."""
    if isinstance(value, dict):
        return {key: stamped(v, timestamp) for key, v in value.items() if v is not None}
    if isinstance(value, list):
        return [stamped(element, timestamp) for element in value]
    return {"timestamp": timestamp}


def difference(desired: Section, reported: Section, times: Section) -> tuple[Section, Section]:
    """Return what of `desired` is not so in `reported`, and the timestamps of that."""
    state: Section = {}
    stamps: Section = {}
    for key, wanted in desired.items():
        actual = reported.get(key)
        if isinstance(wanted, dict):
            inner, inner_stamps = difference(
                wanted, actual if isinstance(actual, dict) else {}, times.get(key, {})
            )
            if inner:
                state[key], stamps[key] = inner, inner_stamps
        elif key not in reported or not same(wanted, actual):
            state[key] = wanted
            if key in times:
                stamps[key] = times[key]
    return state, stamps


def same(one: Json, other: Json) -> bool:
    """Compare as JSON does: `true` is not 1, and 1 is 1.0."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return bool(one == other)
