"""The message that each topic retains for those who subscribe later: bounded, found by filter."""

from collections.abc import Iterator

from hedgerow.mqtt.keeper import KeptMessage


class _Node:
    __slots__ = ("children", "message")

    def __init__(self) -> None:
        self.children: dict[str, _Node] = {}
        self.message: KeptMessage | None = None


class RetainedMessages:
    """At most one message a topic, `highest` in number, `highest_bytes` in memory.

    `find` costs what matches, not what there is.
    """

    def __init__(self, highest: int, highest_bytes: int) -> None:
        self._highest = highest
        self._room = highest_bytes
        self._root = _Node()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def has_room(self, topic: str, size: int) -> bool:
        """Return whether a message of so many bytes would be kept."""
        before = self.get(topic)
        if before is None:
            return self._count < self._highest and size <= self._room
        return size <= self._room + before.size

    def put(self, message: KeptMessage) -> bool:
        """Keep a message in the place of its topic's last one; False if there is no room."""
        if not self.has_room(message.topic, message.size):
            return False
        node = self._root
        for level in message.topic.split("/"):
            node = node.children.setdefault(level, _Node())
        if node.message is None:
            self._count += 1
        else:
            self._room += node.message.size
        self._room -= message.size
        node.message = message
        return True

    def remove(self, topic: str) -> bool:
        """Let a topic's message go and return whether there was one."""
        path = self._path(topic)
        message = None if path is None else path[-1].message
        if path is None or message is None:
            return False
        self._room += message.size
        path[-1].message = None
        self._count -= 1
        levels = topic.split("/")
        for parent, level in zip(reversed(path[:-1]), reversed(levels), strict=True):
            child = parent.children[level]
            if child.children or child.message is not None:
                break
            del parent.children[level]
        return True

    def get(self, topic: str) -> KeptMessage | None:
        """Return the message of exactly this topic."""
        path = self._path(topic)
        return path[-1].message if path is not None else None

    def all(self) -> list[KeptMessage]:
        """Return every message, by topic."""
        return sorted(_below(self._root), key=lambda message: message.topic)

    def find(self, topic_filter: str) -> list[KeptMessage]:
        """Return the messages whose topics match a filter, as `topics.matches` says."""
        nodes = [self._root]
        levels = topic_filter.split("/")
        for depth, level in enumerate(levels):
            if level == "#":
                found: list[KeptMessage] = []
                for node in nodes:
                    # `#` stands for nothing too; [MQTT-4.7.2-1] for the first level.
                    if depth and node.message is not None:
                        found.append(node.message)
                    for name, child in node.children.items():
                        if depth or not name.startswith("$"):
                            found += _below(child)
                return found
            if level == "+":
                nodes = [
                    child
                    for node in nodes
                    for name, child in node.children.items()
                    if depth or not name.startswith("$")
                ]
            else:
                nodes = [node.children[level] for node in nodes if level in node.children]
        return [node.message for node in nodes if node.message is not None]

    def _path(self, topic: str) -> list[_Node] | None:
        """Return the nodes from the root to a topic's, or None."""
        path = [self._root]
        for level in topic.split("/"):
            below = path[-1].children.get(level)
            if below is None:
                return None
            path.append(below)
        return path


def _below(node: _Node) -> Iterator[KeptMessage]:
    """Yield the messages of a node and all below it."""
    nodes = [node]
    while nodes:
        node = nodes.pop()
        if node.message is not None:
            yield node.message
        nodes.extend(node.children.values())
