"""Which subscriptions a topic belongs to: an index by filter, pure and iterative."""

from typing import Final, Generic, TypeVar

from hedgerow.mqtt.topics import has_wildcard

K = TypeVar("K")
V = TypeVar("V")

_ONE: Final = "+"
_REST: Final = "#"


class _Node(Generic[K, V]):
    __slots__ = ("children", "values")

    def __init__(self) -> None:
        self.children: dict[str, _Node[K, V]] = {}
        self.values: dict[K, V] = {}


class FilterTree(Generic[K, V]):
    """Values under (filter, key); `find` returns those whose filter matches a topic.

    The filters must be valid. Filters without a wildcard are found by one look-up; for the
    others the work is bounded by the number of filters, never by what a topic looks like.
    """

    def __init__(self) -> None:
        self._exact: dict[str, dict[K, V]] = {}
        self._root: _Node[K, V] = _Node()

    def add(self, topic_filter: str, key: K, value: V) -> None:
        """Put a value; one under the same filter and key is replaced."""
        if not has_wildcard(topic_filter):
            self._exact.setdefault(topic_filter, {})[key] = value
            return
        node = self._root
        for level in topic_filter.split("/"):
            below = node.children.get(level)
            if below is None:
                below = node.children[level] = _Node()
            node = below
        node.values[key] = value

    def remove(self, topic_filter: str, key: K) -> bool:
        """Take a value out and return whether it was there; empty branches go with it."""
        if not has_wildcard(topic_filter):
            values = self._exact.get(topic_filter, {})
            found = values.pop(key, None) is not None
            if found and not values:
                del self._exact[topic_filter]
            return found
        path: list[tuple[_Node[K, V], str]] = []
        node = self._root
        for level in topic_filter.split("/"):
            below = node.children.get(level)
            if below is None:
                return False
            path.append((node, level))
            node = below
        found = node.values.pop(key, None) is not None
        for parent, level in reversed(path):
            child = parent.children[level]
            if child.children or child.values:
                break
            del parent.children[level]
        return found

    def find(self, topic: str) -> list[V]:
        """Return the values of every filter that matches the topic, as `topics.matches` says."""
        found = list(self._exact.get(topic, {}).values())
        if not self._root.children:
            return found
        # [MQTT-4.7.2-1]: a wildcard on the first level does not match `$…`.
        frontier = [self._root]
        wild = not topic.startswith("$")
        for level in topic.split("/"):
            reached: list[_Node[K, V]] = []
            for node in frontier:
                children = node.children
                if wild:
                    if (rest := children.get(_REST)) is not None:
                        found += rest.values.values()
                    if (one := children.get(_ONE)) is not None:
                        reached.append(one)
                if (same := children.get(level)) is not None:
                    reached.append(same)
            frontier = reached
            wild = True
        for node in frontier:
            found += node.values.values()
            if (rest := node.children.get(_REST)) is not None:
                found += rest.values.values()
        return found
