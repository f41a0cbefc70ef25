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


class Budget:
    """What all queues of a broker may hold together, in bytes."""

    __slots__ = ("_left",)

    def __init__(self, size: int) -> None:
        self._left = size

    def take(self, size: int) -> bool:
        """Take so much, or nothing; False if there is not so much left."""
        if size > self._left:
            return False
        self._left -= size
        return True

    def give_back(self, size: int) -> None:
        """Return what was taken."""
        self._left += size
