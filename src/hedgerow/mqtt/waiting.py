"""What waits for clients: a message in a queue, and the bound of all queues together."""

from dataclasses import dataclass

from hedgerow.mqtt.letter import Letter


@dataclass(slots=True, eq=False)
class Item:
    """One message in one client's queue. `packet_id` is 0 until it was sent for the first time."""

    letter: Letter
    qos: int
    identifiers: tuple[int, ...]
    retain: bool
    size: int
    number: int
    packet_id: int = 0
    released: bool = False


@dataclass(slots=True, eq=False)
class Share:
    """What the sessions of one owner have together: how many they are, and their room."""

    owner: str
    budget: "Budget"
    sessions: int = 0


class Budget:
    """What queues may hold together, in bytes; what is taken is taken `within` another one too."""

    __slots__ = ("_left", "_within")

    def __init__(self, size: int, within: "Budget | None" = None) -> None:
        self._left = size
        self._within = within

    def take(self, size: int) -> bool:
        """Take so much, or nothing; False if there is not so much left."""
        if size > self._left or not (self._within is None or self._within.take(size)):
            return False
        self._left -= size
        return True

    def give_back(self, size: int) -> None:
        """Return what was taken."""
        self._left += size
        if self._within is not None:
            self._within.give_back(size)
