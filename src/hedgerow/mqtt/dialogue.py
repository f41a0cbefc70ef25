"""One client's conversation with the broker, from CONNECT to the end; it has no socket."""

from dataclasses import replace
from enum import Enum, auto
from typing import Final, Protocol

from hedgerow.kernel import new_token
from hedgerow.mqtt.answers import ANSWERS
from hedgerow.mqtt.authority import Peer, Refused
from hedgerow.mqtt.brake import Brake
from hedgerow.mqtt.codec import (
    NO_PROPERTIES,
    Connack,
    Connect,
    Disconnect,
    Packet,
    PacketType,
    Pingreq,
    Pingresp,
    Properties,
    ProtocolVersion,
    ReasonCode,
    Will,
    encode,
)
from hedgerow.mqtt.codec.codes import REASONS_OF
from hedgerow.mqtt.deliveries import Deliveries
from hedgerow.mqtt.engine import OVERDUE, Engine, Parting
from hedgerow.mqtt.outbox import Outbox
from hedgerow.mqtt.rules import Refusal, connack_properties, connect_refusal, explained, unexpected
from hedgerow.mqtt.session import Link, Session

_ASSIGNED_ID_BITS: Final = 128
_OUTGOING_FULL: Final = Refusal(
    "limit",
    ReasonCode.QUOTA_EXCEEDED,
    "the client does not even read the answers to its own packets",
    name="outgoing-full",
)


_UNSAYABLE: Final = Refusal(
    "limit",
    ReasonCode.PACKET_TOO_LARGE,
    "the client takes no packet that is large enough for the answer",
    name="maximum-packet-size",
)


class State(Enum):
    """Where a conversation stands; it only ever goes forwards."""

    AWAITING_CONNECT = auto()
    CONNECTED = auto()
    CLOSED = auto()


class Line(Protocol):
    """The transport's side of a conversation."""

    @property
    def outbox(self) -> Outbox:
        """Return where frames to the client go."""

    @property
    def is_held(self) -> bool:
        """Return whether the client is made to wait."""

    def hang_up(self, *, at_once: bool = False) -> None:
        """Close after what was written, or cut the line."""

    @property
    def is_impatient(self) -> bool:
        """Return whether it has just waited for somebody who did not read."""

    def hold(self, brake: Brake) -> None:
        """Stop reading until `release`."""

    def release(self, brake: Brake) -> None:
        """Read on, unless another brake still holds."""


class Dialogue:
    """Answers one client's packets. Before a CONNECT was admitted nothing else is answered."""

    def __init__(self, engine: Engine, peer: Peer, line: Line) -> None:
        self.engine = engine
        self.peer = peer
        self.state = State.AWAITING_CONNECT
        self.version = ProtocolVersion.V311
        self.session: Session | None = None
        self._line = line
        self._will: Will | None = None
        self._waits_since: float | None = None
        self._free_until = 0.0

    def is_over(self) -> bool:
        """Return whether nothing is read or answered any more."""
        return self.state is State.CLOSED

    def receive(self, packet: Packet) -> None:
        """Answer one packet; what may not come in this state ends the conversation.

        Raises `NotNowError` for a message that has to wait until there is room for it.
        """
        session = self.session
        if self.state is State.CLOSED:
            return
        if session is None:
            if isinstance(packet, Connect):
                self._connect(packet)
            else:
                self.end(unexpected(f"{packet.type.name} came before CONNECT"))
        elif isinstance(packet, Pingreq):
            self.send(Pingresp())
        elif isinstance(packet, Disconnect):
            self._goodbye(packet)
        elif (answer := ANSWERS.get(packet.type)) is not None:
            answer(self, session, packet)
        else:
            self.end(unexpected(f"{packet.type.name} may not come from a connected client"))

    def send(self, packet: Packet) -> None:
        """Send a packet, without its explanation if the client takes no packets of that size."""
        frame = encode(packet, self.version)
        if self.session is not None and len(frame) > self.session.maximum_packet_bytes:
            # [MQTT-3.2.2-19] and its like for the other packets.
            frame = encode(_unexplained(packet), self.version)
            if len(frame) > self.session.maximum_packet_bytes:
                self._leave_unsaid(packet, self.session)
                return
        self.send_frame(frame)

    def send_frame(self, frame: bytes) -> None:
        """Send bytes; a client that leaves no room even for answers is cut off."""
        if self.state is State.CLOSED:
            return
        outbox = self._line.outbox
        if outbox.push(frame):
            self.engine.courier.queue(outbox)
        else:
            self.engine.refuse(_OUTGOING_FULL, self.session.ref if self.session else self.peer)
            self._close(_parting(_OUTGOING_FULL, self._will), at_once=True)

    def _leave_unsaid(self, packet: Packet, session: Session) -> None:
        """Close, because an answer may not be sent [MQTT-3.1.2-24] and cannot be left out."""
        if not isinstance(packet, Disconnect):
            self.engine.refuse(_UNSAYABLE, session.ref)
            self._close(_parting(_UNSAYABLE, self._will))

    def wrote(self) -> None:
        """Have what was pushed into the outbox sent at the end of this read."""
        self.engine.courier.queue(self._line.outbox)

    @property
    def is_held(self) -> bool:
        """Return whether the client is made to wait."""
        return self._line.is_held

    def wait_for(self, deliveries: Deliveries, link: Link) -> bool:
        """Wait until another client has caught up, unless this one has waited long enough.

        The other one is cut if it does not catch up, but not for what it cannot help: while it is
        made to wait itself, its acknowledgements are not read.
        """
        now = self.engine.clock.monotonic()
        if now < self._free_until:
            return False

        def give_up() -> None:
            if link.is_held:
                deliveries.let_go()
            else:
                link.end(OVERDUE)

        if self._waits_since is None:
            self._waits_since = now
        deliveries.hold_up(self._line, give_up)
        return True

    def waited(self) -> None:
        """Note that there is nobody to wait for now."""
        self._waits_since = None

    def has_waited_enough(self, now: float) -> bool:
        """Return whether to wait no longer, for whomever; for some time it will not wait again."""
        since, limits = self._waits_since, self.engine.limits
        if since is None or now - since < limits.publisher_wait_s:
            return False
        self._waits_since, self._free_until = None, now + limits.publisher_free_s
        return True

    def end(self, refusal: Refusal, *, will: bool = True) -> None:
        """Count a refusal that ends the conversation, tell an MQTT 5 client why, and close."""
        if self.state is State.CLOSED:
            return
        session = self.session
        self.engine.refuse(refusal, session.ref if session else self.peer)
        if session is not None and session.speaks_5:
            allowed = refusal.reason in REASONS_OF[PacketType.DISCONNECT]
            reason = refusal.reason if allowed else ReasonCode.UNSPECIFIED_ERROR
            self.send(Disconnect(reason, self.explained(refusal.text)))
        self._close(_parting(refusal, self._will if will else None))

    def turn_away(self, refusal: Refusal, client_id: str = "") -> None:
        """Count a refusal of a CONNECT, answer it with a CONNACK and close."""
        self.engine.refuse(refusal, self.peer, client_id)
        allowed = refusal.reason in REASONS_OF[PacketType.CONNACK] and refusal.reason.is_error
        reason = refusal.reason if allowed else ReasonCode.NOT_AUTHORIZED
        self.send(Connack(reason, properties=explained(refusal.text)))
        self._close(_parting(refusal, None))

    def lost(self) -> None:
        """Note that the client vanished without a goodbye: its will is due."""
        if self.state is not State.CLOSED:
            self._close(Parting("lost", "the connection broke", self._will))

    def explained(self, text: str) -> Properties:
        """Return properties with a reason string, unless the client wants none."""
        session = self.session
        return explained(text, wanted=session is None or session.problem_information)

    def _connect(self, connect: Connect) -> None:
        self.version = connect.version
        engine = self.engine
        others = len(engine.sessions) - (connect.client_id in engine.sessions)
        refusal = connect_refusal(connect, engine.limits, others)
        if refusal is not None:
            self.turn_away(refusal, connect.client_id)
            return
        assigned = None if connect.client_id else new_token(_ASSIGNED_ID_BITS)
        if assigned is not None:
            connect = replace(connect, client_id=assigned)
        admission = engine.authority.admit(self.peer, connect.client_id, connect)
        if isinstance(admission, Refused):
            text = admission.text
            refusal = Refusal("connect", admission.reason, text, name="connect-denied")
            self.turn_away(refusal, connect.client_id)
            return
        ref = engine.admitted(self.peer, admission.session_identity, connect)
        if isinstance(ref, Refusal):
            self.turn_away(ref, connect.client_id)
            return
        session, resumed = engine.enter(ref, connect, self._line.outbox, self)
        self.session, self.state, self._will = session, State.CONNECTED, connect.will
        properties = connack_properties(connect, engine.limits, session.keep_alive_s, assigned)
        # MQTT 3.1 has no word for a session that was there before.
        present = resumed and self.version is not ProtocolVersion.V31
        self.send(Connack(session_present=present, properties=properties))
        if self.session is session:
            engine.welcome(session, connect, resumed=resumed)

    def _goodbye(self, packet: Disconnect) -> None:
        session, asked_s = self.session, packet.properties.session_expiry_interval
        if session is not None and asked_s is not None:
            if asked_s and not session.expiry_s:
                # MQTT 5.0, section 3.14.2.2.2
                text = "DISCONNECT asks for a session that CONNECT did not ask for"
                self.end(unexpected(text))
                return
            session.expiry_s = min(asked_s, self.engine.limits.session_expiry_s)
        keeps_will = packet.reason is not ReasonCode.SUCCESS
        will = self._will if keeps_will else None
        self._close(Parting("client", "the client said goodbye", will))

    def _close(self, parting: Parting, *, at_once: bool = False) -> None:
        self.state = State.CLOSED
        session, self.session = self.session, None
        self._line.hang_up(at_once=at_once)
        if session is not None:
            self.engine.leave(session, parting)


def _parting(refusal: Refusal, will: Will | None) -> Parting:
    return Parting(refusal.code, refusal.text, will)


def _unexplained(packet: Packet) -> Packet:
    if isinstance(packet, Pingreq | Pingresp):
        return packet
    if isinstance(packet, Connack):
        # What else it tells, the client has to know.
        return replace(packet, properties=replace(packet.properties, reason_string=None))
    return replace(packet, properties=NO_PROPERTIES)
