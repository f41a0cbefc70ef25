"""Relations between topic filters that MQTT itself has no need of: overlapping and covering."""

from collections.abc import Iterable, Sequence

from hedgerow.mqtt import FilterTree


def overlap(one: str, other: str) -> bool:
    """Tell whether some topic matches both filters.

    As for `mqtt.matches`: `#` stands for nothing too, and a wildcard on the first level does not
    match topics that begin with `$`.
    """
    a, b = one.split("/"), other.split("/")
    if _hides_dollar(a[0], b[0]) or _hides_dollar(b[0], a[0]):
        return False
    for index in range(max(len(a), len(b))):
        left = a[index] if index < len(a) else None
        right = b[index] if index < len(b) else None
        if left == "#" or right == "#":
            return True
        if left is None or right is None:
            return False
        if left != right and "+" not in {left, right}:
            return False
    return True


def covers(wide: str, narrow: str) -> bool:
    """Tell whether every topic that matches `narrow` matches `wide` too."""
    a, b = wide.split("/"), narrow.split("/")
    if _hides_dollar(a[0], b[0]):
        return False
    for index, level in enumerate(a):
        if level == "#":
            return True
        if index >= len(b) or b[index] == "#" or (level not in {"+", b[index]}):
            return False
    return len(a) == len(b)


def covering(filters: Iterable[str]) -> tuple[str, ...]:
    """Return the fewest of these filters that together match the same topics, sorted.

    Only one filter at a time is held against another: `a/+` and `a/b` give `a/+`.
    """
    distinct = sorted(set(filters))
    tree: FilterTree[str, str] = FilterTree()
    for topic_filter in distinct:
        tree.add(topic_filter, topic_filter, topic_filter)
    # A filter, looked up as if it were a topic, finds every filter that can cover it.
    return tuple(f for f in distinct if not _is_covered(f, tree.find(f)))


def _is_covered(topic_filter: str, candidates: Sequence[str]) -> bool:
    return any(other != topic_filter and covers(other, topic_filter) for other in candidates)


def _hides_dollar(wildcard: str, level: str) -> bool:
    return wildcard in {"+", "#"} and level.startswith("$")
