"""What clients know of their broker: the account that sessions found again are compared with.

Every message has a number that is its payload's beginning. Publishers and subscribers have sessions
that stay. `take` keeps the account of what they sent and got; `compare` says what may be there.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from bench.kill9.zygote import Entry, FailedError
from hedgerow.mqtt import KeptMessage, KeptSession

PUBLISHERS: Final = {"p0": 1, "p1": 2}
"""With the QoS that each publishes with what is retained."""
SUBSCRIBERS: Final = {"s0": 1, "s1": 2, "s2": 1}
"""With the QoS that each subscribes with."""
ALL: Final = "t/#"
EXACTLY_ONCE: Final = 2
_NUMBER_BYTES: Final = 8


def payload_of(number: int, size: int) -> bytes:
    """Return a message's payload."""
    return number.to_bytes(_NUMBER_BYTES) + bytes(size)


def number_of(payload: bytes) -> int:
    """Return which message it is."""
    return int.from_bytes(payload[:_NUMBER_BYTES])


@dataclass(slots=True)
class Published:
    """One message, from its publisher's side."""

    publisher: str
    qos: int
    topic: str
    clears: bool
    tries: int = 0
    acknowledged: bool = False


@dataclass(slots=True)
class Sending:
    """One packet id in use by a publisher."""

    number: int
    received: bool = False
    """QoS 2: PUBREC came."""


@dataclass(slots=True)
class Publisher:
    """What a publisher remembers over connections."""

    lets_stay: bool = False
    sending: dict[int, Sending] = field(default_factory=dict)
    next_id: int = 1
    retained: list[int] = field(default_factory=list)
    """Numbers that may be its topic's retained message: the last acknowledged one and later."""


@dataclass(slots=True)
class Subscriber:
    """What a subscriber remembers over connections."""

    lets_stay: bool = False
    subscribed: bool = False
    extra: set[bool] = field(default_factory=lambda: {False})
    """Whether it may have its second subscription."""
    in_hand: dict[int, int] = field(default_factory=dict)
    """QoS 2: packet ids whose handshake is not over, and which message that was."""
    came: Counter[int] = field(default_factory=Counter)
    ended: Counter[int] = field(default_factory=Counter)
    """How often it acknowledged a message and the broker has taken that."""
    ending: dict[int, int] = field(default_factory=dict)
    """Packet ids whose last acknowledgement was sent, and may or may not have been taken."""
    maybe_ended: Counter[int] = field(default_factory=Counter)
    due: set[int] = field(default_factory=set)
    """Acknowledged messages that did not end yet."""


class SessionsAccount:
    """All that clients know."""

    def __init__(self) -> None:
        self.acknowledged = 0
        self.next_number = 1
        self.messages: dict[int, Published] = {}
        self.publishers = {name: Publisher() for name in PUBLISHERS}
        self.subscribers = {name: Subscriber() for name in SUBSCRIBERS}

    def take(self, entry: Entry) -> None:
        """Take what a client sent or got into the account."""
        _STEPS[entry[0]](self, *entry[1:])

    # ---- what publishers send and get

    def _connected(self, name: str, present: bool) -> None:  # noqa: FBT001 - a word of an entry
        client = self.publishers.get(name) or self.subscribers[name]
        if client.lets_stay and not present:
            raise FailedError(f"the session of {name} is gone")
        client.lets_stay = True

    def _publish(self, name: str, packet_id: int, number: int, qos: int, topic: str) -> None:
        publisher = self.publishers[name]
        clears = topic.startswith("clear ")
        message = self.messages.setdefault(
            number, Published(name, qos, topic.removeprefix("clear "), clears)
        )
        message.tries += 1
        publisher.sending[packet_id] = Sending(number)
        publisher.next_id = max(publisher.next_id, packet_id % 60_000 + 1)
        self.next_number = max(self.next_number, number + 1)
        if message.topic.startswith("r/") and number not in publisher.retained:
            publisher.retained.append(number)

    def _taken(self, name: str, packet_id: int) -> None:
        """PUBACK or PUBREC came: from here on the broker answers for the message."""
        publisher = self.publishers[name]
        number = publisher.sending[packet_id].number
        message = self.messages[number]
        if not message.acknowledged:
            message.acknowledged = True
            self.acknowledged += 1
            if message.topic.startswith("r/"):
                publisher.retained = [one for one in publisher.retained if one >= number]
            else:
                for subscriber in self.subscribers.values():
                    if subscriber.subscribed and not subscriber.ended[number]:
                        subscriber.due.add(number)
        if message.qos == EXACTLY_ONCE:
            publisher.sending[packet_id].received = True
        else:
            del publisher.sending[packet_id]

    def _complete(self, name: str, packet_id: int) -> None:
        self.publishers[name].sending.pop(packet_id, None)

    # ---- what subscribers send and get

    def _granted(self, name: str) -> None:
        self.subscribers[name].subscribed = True

    def _extra(self, name: str, may_be: list[bool]) -> None:
        self.subscribers[name].extra = set(may_be)

    def _came(self, name: str, packet_id: int, number: int, qos: int) -> None:
        subscriber = self.subscribers[name]
        message = self.messages.get(number)
        if message is None:
            raise FailedError(f"{name} got message {number}, which is over or was never sent")
        self._ended(name, packet_id)  # or the packet id would not be used again
        if qos == EXACTLY_ONCE:
            before = subscriber.in_hand.get(packet_id)
            if before == number:
                return  # sent anew
            if before is not None:
                raise FailedError(f"{name} got {number} under the packet id that {before} has")
            subscriber.in_hand[packet_id] = number
            subscriber.came[number] += 1
            if subscriber.came[number] > 1:
                raise FailedError(f"{name} got message {number} twice with QoS 2")

    def _ending(self, name: str, packet_id: int, number: int) -> None:
        """Note that the last acknowledgement of a delivery is about to be sent."""
        subscriber = self.subscribers[name]
        if packet_id in subscriber.ending:
            raise FailedError(f"{name} got packet id {packet_id} again before it was free")
        subscriber.ending[packet_id] = number
        subscriber.maybe_ended[number] += 1

    def _ended(self, name: str, packet_id: int) -> None:
        """Note that the broker has taken it."""
        subscriber = self.subscribers[name]
        number = subscriber.ending.pop(packet_id, None)
        if number is None:
            return
        subscriber.maybe_ended[number] -= 1
        subscriber.ended[number] += 1
        subscriber.in_hand.pop(packet_id, None)
        subscriber.due.discard(number)

    def _not_ended(self, name: str, packet_id: int) -> None:
        """Note that the broker was killed before it took it."""
        subscriber = self.subscribers[name]
        subscriber.maybe_ended[subscriber.ending.pop(packet_id)] -= 1

    # ---- what may be there

    def open_ends(self, sessions: Iterable[KeptSession]) -> Iterable[tuple[str, str, int]]:
        """Give what became of acknowledgements that were sent just before a kill, as entries."""
        for kept in sessions:
            subscriber = self.subscribers.get(kept.facts.client_id)
            if subscriber is None:
                continue
            there = {
                one.packet_id: number_of(one.message.payload) for one in kept.deliveries.values()
            }
            for packet_id, number in tuple(subscriber.ending.items()):
                word = "not ended" if there.get(packet_id) == number else "ended"
                yield word, kept.facts.client_id, packet_id

    def compare(self, sessions: Iterable[KeptSession], retained: Iterable[KeptMessage]) -> None:
        """Raise `FailedError` if something is missing or is there that cannot be."""
        found = {kept.facts.client_id: kept for kept in sessions}
        for name, publisher in self.publishers.items():
            if publisher.lets_stay and name not in found:
                raise FailedError(f"the session of {name} was not found")
        for name, subscriber in self.subscribers.items():
            kept = found.get(name)
            if kept is not None:
                self._compare(name, subscriber, kept)
            elif subscriber.lets_stay:
                raise FailedError(f"the session of {name} was not found")
        self._compare_retained({message.topic: message for message in retained})

    def _compare(self, name: str, subscriber: Subscriber, kept: KeptSession) -> None:
        filters = {one.item.topic_filter: one.qos for one in kept.subscriptions}
        if subscriber.subscribed and filters.get(ALL) != SUBSCRIBERS[name]:
            raise FailedError(f"the subscription of {name} was not found")
        if ("x" in filters) not in subscriber.extra:
            raise FailedError(f"{name} has another second subscription than it was told")
        queue = [number_of(one.message.payload) for one in kept.deliveries.values()]
        there = Counter(queue)
        for number in subscriber.due:
            if not there[number] + subscriber.maybe_ended[number]:
                raise FailedError(f"message {number} for {name} was acknowledged and is lost")
        for number, copies in there.items():
            message = self.messages.get(number)
            if message is None:
                raise FailedError(f"message {number} for {name} is over or was never sent")
            most = 1 if message.qos == EXACTLY_ONCE else message.tries
            if copies + subscriber.ended[number] > most:
                raise FailedError(f"message {number} is there {copies} times more for {name}")
        # What was sent once only has its place; a copy of what was sent again comes later.
        once = [number for number in queue if self.messages[number].tries == 1]
        for publisher in PUBLISHERS:
            own = [number for number in once if self.messages[number].publisher == publisher]
            if own != sorted(own):
                raise FailedError(f"messages of {publisher} for {name} are out of order: {own}")

    def _compare_retained(self, found: Mapping[str, KeptMessage]) -> None:
        for name, publisher in self.publishers.items():
            message = found.get(f"r/{name}")
            candidates = publisher.retained
            acknowledged = any(
                self.messages[one].acknowledged for one in candidates if one in self.messages
            )
            if message is not None:
                if number_of(message.payload) not in candidates:
                    raise FailedError(
                        f"the retained message of {name} is {number_of(message.payload)}, "
                        f"which is none of {candidates}"
                    )
            elif acknowledged and not any(self.messages[one].clears for one in candidates):
                raise FailedError(f"the retained message of {name} is gone")

    def tidy(self) -> None:
        """Forget messages that are over for everybody, so that an account does not grow."""
        kept = {number for one in self.publishers.values() for number in one.retained}
        kept |= {s.number for one in self.publishers.values() for s in one.sending.values()}
        over = [
            number
            for number, message in self.messages.items()
            if message.acknowledged and number not in kept and self._is_over(number, message)
        ]
        for number in over:
            del self.messages[number]
            for subscriber in self.subscribers.values():
                del subscriber.ended[number], subscriber.came[number]
                del subscriber.maybe_ended[number]

    def _is_over(self, number: int, message: Published) -> bool:
        if message.topic.startswith("r/"):
            return True
        most = 1 if message.qos == EXACTLY_ONCE else message.tries
        return all(one.ended[number] >= most for one in self.subscribers.values())


_STEPS: Final[Mapping[str, Callable[..., None]]] = {
    "connected": SessionsAccount._connected,  # noqa: SLF001 - the table of its own steps
    "publish": SessionsAccount._publish,  # noqa: SLF001
    "taken": SessionsAccount._taken,  # noqa: SLF001
    "complete": SessionsAccount._complete,  # noqa: SLF001
    "granted": SessionsAccount._granted,  # noqa: SLF001
    "extra": SessionsAccount._extra,  # noqa: SLF001
    "came": SessionsAccount._came,  # noqa: SLF001
    "ending": SessionsAccount._ending,  # noqa: SLF001
    "ended": SessionsAccount._ended,  # noqa: SLF001
    "not ended": SessionsAccount._not_ended,  # noqa: SLF001
}
