"""QoS 1 and 2 towards one client: what is under way, what waits, and what is sent anew."""

from collections import deque
from collections.abc import Callable
from struct import Struct
from typing import Final

from hedgerow.kernel import Clock
from hedgerow.mqtt.brake import Brake, Publisher
from hedgerow.mqtt.codec import PacketType, ProtocolVersion, Pubrel, encode
from hedgerow.mqtt.keeper import Keeper, KeptDelivery
from hedgerow.mqtt.letter import Letter, Shape
from hedgerow.mqtt.limits import Limits
from hedgerow.mqtt.outbox import Outbox
from hedgerow.mqtt.waiting import Budget, Item

_HIGHEST_PACKET_ID: Final = 0xFFFF
_EXACTLY_ONCE: Final = 2
_TWO_BYTES: Final = Struct(">H")
_PUBACK: Final = b"\x40\x02"
_PUBACK_BYTES: Final = 4


class Deliveries:
    """A bounded queue with a window of unacknowledged messages; it lives as long as the session.

    Order holds: nothing overtakes what waits, and what was not acknowledged goes first when the
    client comes back. With a keeper every step is told to it.
    INVARIANT: at most `window` messages are under way; with those that wait they are at most
    `limits.in_flight` and `limits.waiting_messages`, and count for at most `limits.waiting_bytes`.
    """

    __slots__ = (
        "_acknowledged",
        "_allowance",
        "_backlog",
        "_brake",
        "_budget",
        "_client_id",
        "_clock",
        "_highest",
        "_keeper",
        "_last_id",
        "_left_waiting",
        "_limits",
        "_maximum_packet_bytes",
        "_next_number",
        "_outbox",
        "_passed",
        "_reserved",
        "_room",
        "_sent",
        "_speaks_5",
        "_waiting",
        "_window",
        "look_anew",
    )

    def __init__(self, client_id: str, limits: Limits, clock: Clock, budget: Budget) -> None:
        self._client_id = client_id
        self._budget = budget
        self._limits = limits
        self._clock = clock
        self._keeper: Keeper | None = None
        self._room = limits.waiting_bytes
        self._highest = limits.in_flight + limits.waiting_messages
        self._sent: dict[int, Item] = {}
        self._passed: dict[int, int] = {}
        self._waiting: deque[Item] = deque()
        self._reserved: set[int] = set()
        self._last_id = 0
        self._next_number = 1
        self._outbox: Outbox | None = None
        self._window = 0
        self._speaks_5 = False
        self._maximum_packet_bytes = 0
        self._brake: Brake | None = None
        self._acknowledged = 0
        self._backlog = 0
        self._allowance = 0.0
        self._left_waiting = False
        self.look_anew: Callable[[], None] | None = None
        """Is called before anything is sent that has waited: it may not be allowed any more."""

    def __len__(self) -> int:
        return len(self._sent) + len(self._passed) + len(self._waiting)

    # ---- the client comes and goes

    def attach(
        self, outbox: Outbox, *, window: int, speaks_5: bool, maximum_packet_bytes: int
    ) -> None:
        """Send to this connection from now on: first what was under way, in its order."""
        self._outbox = outbox
        self._window = min(window, _HIGHEST_PACKET_ID)
        self._speaks_5 = speaks_5
        self._maximum_packet_bytes = maximum_packet_bytes
        rate = self._limits.replayed_per_second
        if rate is not None:
            self._backlog, self._allowance = len(self._waiting), float(rate)
        self.fill()

    def detach(self) -> None:
        """Send nothing more: what is under way goes to the front of what waits."""
        self._outbox = None
        self._left_waiting |= self._brake is not None
        self._waiting.extendleft(reversed(self._sent.values()))
        self._reserved.update(self._sent)
        self._sent.clear()
        self._passed.clear()
        self.let_go()

    def keep(self, keeper: Keeper) -> None:
        """Tell a keeper of every step from now on, and first of what is here already."""
        self.go_on_with(keeper)
        for item in (*self._sent.values(), *self._waiting):
            self._tell_queued(item)

    def go_on_with(self, keeper: Keeper) -> None:
        """Tell a keeper of every step from now on; it knows what is here already."""
        self._keeper = keeper

    def end(self) -> None:
        """Let everything go; the keeper is told by who ends the session."""
        self._keeper = None
        self.look_anew = None
        for item in (*self._sent.values(), *self._waiting):
            self._budget.give_back(item.size)
        self._sent.clear()
        self._passed.clear()
        self._waiting.clear()
        self.let_go()

    def let_be(self) -> None:
        """Tell the keeper nothing more."""
        self._keeper = None

    def recall(self, number: int, delivery: KeptDelivery, letter: Letter) -> None:
        """Take up a delivery that was kept; to be called in the order of the numbers."""
        item = Item(
            letter,
            delivery.qos,
            delivery.identifiers,
            delivery.retain,
            letter.size,
            number,
            delivery.packet_id,
            delivery.released,
        )
        self._room -= item.size
        self._budget.give_back(-item.size)  # it was taken before: it may go beyond what is left
        self._waiting.append(item)
        self._next_number = max(self._next_number, number + 1)
        if item.packet_id:
            self._reserved.add(item.packet_id)

    def drop_if(self, unwanted: Callable[[Letter], bool]) -> int:
        """Let waiting messages go that the client may not have any more; return how many."""
        gone = [item for item in self._waiting if not item.released and unwanted(item.letter)]
        if gone:
            doomed = set(map(id, gone))
            self._waiting = deque(item for item in self._waiting if id(item) not in doomed)
            for item in gone:
                self._settle(item)
            self._backlog = min(self._backlog, len(self._waiting))
        return len(gone)

    # ---- messages

    def put(
        self,
        letter: Letter,
        qos: int,
        identifiers: tuple[int, ...] = (),
        *,
        retain: bool = False,
        late: bool = False,
    ) -> bool:
        """Send a message or have it wait; False if there is no room and it was not taken.

        `late`: it has waited before it came here.
        """
        size = letter.size
        if size > self._room or len(self) >= self._highest or not self._budget.take(size):
            return False
        item = Item(letter, qos, identifiers, retain, size, self._next_number)
        self._next_number += 1
        self._room -= size
        if self._keeper is not None:
            self._tell_queued(item)
        if self._waiting or not self._send(item, late=late):
            self._waiting.append(item)
        return True

    def fill(self) -> None:
        """Send of what waits as much as the window, the connection and the pace allow."""
        if self._waiting and self._outbox is not None and self.look_anew is not None:
            self.look_anew()
        waiting = self._waiting
        while waiting and (not self._backlog or self._allowance >= 1):
            if not self._send(waiting[0], late=True):
                break
            waiting.popleft()
            if self._backlog:
                self._backlog -= 1
                self._allowance -= 1
        if len(waiting) * 4 <= self._limits.waiting_messages:
            self._left_waiting = False
            self.let_go()

    def earn(self, messages: float) -> bool:
        """Allow more of the backlog of a client that came back; return whether there is one."""
        if self._outbox is None:
            self._backlog = 0
        if self._backlog:
            highest = float(self._limits.replayed_per_second or 0)
            self._allowance = min(self._allowance + messages, max(highest, 1.0))
            self.fill()
        return self._backlog > 0

    def has_room(self, size: int) -> bool:
        """Return whether a message of so many bytes can be passed on at once."""
        outbox = self._outbox
        return (
            outbox is not None
            and not self._waiting
            and len(self._passed) + len(self._sent) < self._window
            and size <= self._room
            and outbox.make_room(size)
        )

    def pass_on(self, head: bytes, tail: bytes, size: int) -> Outbox:
        """Send a QoS 1 message that `has_room`, and remember nothing of it but its size.

        Only for sessions that end with their connection: it can never be sent again.
        """
        outbox = self._outbox
        if outbox is None:
            raise RuntimeError("the client is away")
        packet_id = self._new_packet_id()
        self._passed[packet_id] = size
        self._room -= size
        outbox.push(head + _TWO_BYTES.pack(packet_id) + tail)
        return outbox

    # ---- acknowledgements

    def acknowledge_all(self, data: bytes, position: int, end: int) -> int:
        """Let go what a run of PUBACKs acknowledges, and return where it ends."""
        passed, before = self._passed, position
        while end - position >= _PUBACK_BYTES and data.startswith(_PUBACK, position):
            packet_id = data[position + 2] << 8 | data[position + 3]
            size = passed.pop(packet_id, None)
            if size is None:
                if not packet_id or self.contradicts(packet_id, PacketType.PUBACK):
                    break
                self.acknowledge(packet_id)
            else:
                self._room += size
                self._acknowledged += 1
            position += _PUBACK_BYTES
        if self._waiting and position > before:
            self.fill()
        return position

    def contradicts(self, packet_id: int, answer: PacketType) -> bool:
        """Return whether an answer cannot be one to what is under way with this packet id.

        An answer to nothing contradicts nothing: it may have crossed with the end of a session.
        """
        item = self._sent.get(packet_id)
        exactly_once = item is not None and item.qos == _EXACTLY_ONCE
        if answer is PacketType.PUBACK:
            return exactly_once
        if answer is PacketType.PUBCOMP and item is not None and not item.released:
            return True
        return not exactly_once and (item is not None or packet_id in self._passed)

    def acknowledge(self, packet_id: int) -> bool:
        """Let a QoS 1 message go; False if none was under way with this packet id."""
        size = self._passed.pop(packet_id, None)
        if size is not None:
            self._room += size
            self._acknowledged += 1
            self.fill()
            return True
        item = self._sent.get(packet_id)
        if item is None or item.qos == _EXACTLY_ONCE:
            return False
        self._end(item)
        return True

    def received(self, packet_id: int, *, refused: bool) -> bool:
        """Note PUBREC of a QoS 2 message; False if none was under way with this packet id."""
        item = self._sent.get(packet_id)
        if item is None or item.qos != _EXACTLY_ONCE:
            return False
        if refused:
            self._end(item)
        elif not item.released:
            item.released = True
            if self._keeper is not None:
                self._keeper.released(self._client_id, item.number)
        return True

    def complete(self, packet_id: int) -> bool:
        """Let a QoS 2 message go; False if none was released with this packet id."""
        item = self._sent.get(packet_id)
        if item is None or not item.released:
            return False
        self._end(item)
        return True

    # ---- those who publish too fast

    @property
    def is_crowded(self) -> bool:
        """Whether a connected client has so much waiting that its publishers should pause.

        One that has left while others waited for it has to catch up first.
        """
        if self._outbox is None or self._left_waiting:
            return False
        limits = self._limits
        return (
            len(self._waiting) * 2 >= limits.waiting_messages
            or self._room * 2 <= limits.waiting_bytes
        ) and bool(self._waiting)

    def hold_up(self, publisher: Publisher, give_up: Callable[[], None]) -> None:
        """Make a publisher wait; `give_up` is called if the client does not get on meanwhile.

        To get on is to acknowledge a message a second, seen over `acknowledgement_patience_s`.
        """
        if self._brake is None:

            def tired() -> None:
                enough = max(1, int(self._limits.acknowledgement_patience_s))
                if self._brake is not None and self._acknowledged >= min(enough, self._window):
                    self._acknowledged = 0
                    self._brake.wait_on()
                else:
                    give_up()

            self._acknowledged = 0
            self._brake = Brake(self._limits.acknowledgement_patience_s, tired)
        self._brake.hold(publisher)

    def let_go(self) -> None:
        """Let those who wait for this client go on."""
        brake, self._brake = self._brake, None
        if brake is not None:
            brake.let_go()

    # ---- steps

    def _send(self, item: Item, *, late: bool) -> bool:
        """Send a message if it can be now; True also if there is nothing to send any more."""
        outbox = self._outbox
        if outbox is None or len(self._sent) + len(self._passed) >= self._window:
            return False
        if item.released:
            frame = encode(Pubrel(item.packet_id), ProtocolVersion.V311)
        else:
            now = self._clock.now().timestamp() if late else 0.0
            if late and not item.packet_id and item.letter.is_over(now):
                self._settle(item)
                return True
            shape = Shape(self._speaks_5, item.qos, item.identifiers, item.retain)
            anew = item.packet_id != 0
            written = (
                item.letter.late_frame(shape, now, dup=anew) if late else item.letter.frame(shape)
            )
            frame = written.with_packet_id(item.packet_id or self._new_packet_id())
        if len(frame) > self._maximum_packet_bytes:
            self._settle(item)
            return True
        if not outbox.make_room(len(frame)):
            return False
        if not item.packet_id:
            item.packet_id = self._last_id
            if self._keeper is not None:
                self._keeper.sent(self._client_id, item.number, item.packet_id)
        self._reserved.discard(item.packet_id)
        self._sent[item.packet_id] = item
        outbox.push(frame)
        return True

    def _new_packet_id(self) -> int:
        packet_id = self._last_id
        while True:
            packet_id = packet_id % _HIGHEST_PACKET_ID + 1
            if not (
                packet_id in self._passed or packet_id in self._sent or packet_id in self._reserved
            ):
                self._last_id = packet_id
                return packet_id

    def _end(self, item: Item) -> None:
        del self._sent[item.packet_id]
        self._acknowledged += 1
        self._settle(item)
        if self._waiting:
            self.fill()

    def _settle(self, item: Item) -> None:
        self._room += item.size
        self._budget.give_back(item.size)
        self._reserved.discard(item.packet_id)
        if self._keeper is not None:
            self._keeper.settled(self._client_id, item.number)

    def _tell_queued(self, item: Item) -> None:
        if self._keeper is not None:
            delivery = KeptDelivery(
                item.letter.kept(),
                item.qos,
                item.identifiers,
                item.packet_id,
                item.released,
                item.retain,
            )
            self._keeper.queued(self._client_id, item.number, delivery)
