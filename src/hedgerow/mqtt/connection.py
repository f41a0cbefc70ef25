"""One connection: the asyncio protocol object between a transport and a dialogue."""

import asyncio
import logging
from collections.abc import Callable
from typing import Final, cast

from hedgerow.mqtt.acknowledged_run import AT_LEAST_ONCE, acknowledged_run
from hedgerow.mqtt.answers import NotNowError
from hedgerow.mqtt.authority import Peer
from hedgerow.mqtt.brake import Brake
from hedgerow.mqtt.codec import (
    Assembly,
    MalformedPacketError,
    ProtocolVersion,
    ReasonCode,
    decode_body,
    packet_bounds,
)
from hedgerow.mqtt.codec.wire import Reader
from hedgerow.mqtt.dialogue import Dialogue
from hedgerow.mqtt.engine import Engine
from hedgerow.mqtt.outbox import Outbox
from hedgerow.mqtt.plain_run import AT_MOST_ONCE, plain_run
from hedgerow.mqtt.rules import Refusal, verdict_refusal
from hedgerow.mqtt.session import Session

_log: Final = logging.getLogger(__name__)
_KEEP_ALIVE_GRACE: Final = 1.5
_PUBACK: Final = 0x40
_MOSTLY: Final = 0.9
"""Of a pause: timers are not exact."""

_CONNECT_TIMEOUT: Final = Refusal(
    "session", ReasonCode.KEEP_ALIVE_TIMEOUT, "no CONNECT came in time", name="connect-timeout"
)
_KEEP_ALIVE_TIMEOUT: Final = Refusal(
    "session", ReasonCode.KEEP_ALIVE_TIMEOUT, "nothing came for one and a half keep-alives"
)
_INTERNAL_ERROR: Final = Refusal(
    "packet",
    ReasonCode.IMPLEMENTATION_SPECIFIC_ERROR,
    "the broker failed on this packet",
    name="internal-error",
)


class Connection(asyncio.BufferedProtocol):
    """Reads chunks, writes once per chunk, and lets no exception out to the event loop.

    `opened` and `closed` tell the broker; `buffer` may be shared by all connections of a loop,
    because what is read into it is copied out before control returns.
    """

    def __init__(
        self,
        engine: Engine,
        peer: Peer,
        buffer: memoryview,
        opened: Callable[["Connection"], None],
        closed: Callable[["Connection"], None],
    ) -> None:
        self._engine = engine
        self._buffer = buffer
        self._opened = opened
        self._closed = closed
        self._assembly = Assembly()
        self._held_by: set[Brake] = set()
        self._held_at = 0.0
        self._impatient_until = 0.0
        self._waits = False
        self._transport: asyncio.Transport | None = None
        self._outbox: Outbox | None = None
        self._since = engine.clock.monotonic()
        self.dialogue = Dialogue(engine, peer, self)

    @property
    def outbox(self) -> Outbox:
        """Return where frames to the client go; there is one from `connection_made` on."""
        if self._outbox is None:
            raise RuntimeError("the connection was not made yet")
        return self._outbox

    def is_silent(self) -> bool:
        """Return whether the client has not been let in yet, nor turned away."""
        return self.dialogue.session is None and not self.dialogue.is_over()

    # ---- what the transport calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        # Not every loop's transports derive from asyncio's classes (uvloop's TLS does not), so
        # that it is a stream is the listener's word and cannot be asked of the object.
        stream = cast("asyncio.Transport", transport)
        limits = self._engine.limits
        self._transport = stream
        self._outbox = Outbox(stream, limits, self._engine.clock)
        stream.set_write_buffer_limits(high=limits.transport_bytes)
        self._since = self._engine.clock.monotonic()
        self._opened(self)

    def get_buffer(self, _sizehint: int) -> memoryview:
        """Return where the next chunk goes."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Take a chunk."""
        self.take(self._buffer[:nbytes])

    def pause_writing(self) -> None:
        """Note that the client reads slowly."""
        self.outbox.pause()

    def resume_writing(self) -> None:
        """Note that the client caught up."""
        session = self.dialogue.session
        if self.dialogue.is_over():
            return
        self.outbox.resume()
        if session is not None:
            session.deliveries.fill()
            if self._engine.commit():
                self.outbox.flush()

    def connection_lost(self, _error: Exception | None) -> None:
        """End; the client's will is published if it left without a goodbye."""
        try:
            self.dialogue.lost()
        except Exception:  # noqa: BLE001 - the event loop must not see it
            _log.exception("the end of a connection failed")
            self._engine.counters.refusals[_INTERNAL_ERROR.code] += 1
        self.outbox.close()
        self._held_by.clear()
        self._engine.courier.flush()
        self._closed(self)

    # ---- what came in

    def take(self, chunk: bytes | memoryview) -> None:
        """Answer every packet that is complete with this chunk, then write everything once."""
        if self.dialogue.is_over():
            return
        data = self._assembly.add(chunk)
        if self._waits:
            self._assembly.keep(data, 0, 0)
            return
        now = self._engine.clock.monotonic()
        self._take_whole(data)
        if self.dialogue.session is not None:
            # A CONNECT that comes a byte at a time must be whole in time as any other.
            self._since = now

    def _go_on(self) -> None:
        """Answer what was set aside when a message had to wait, and only then read more.

        To read first would set aside more each time than goes on.
        """
        self._waits = False
        if not self.dialogue.is_over():
            self._take_whole(self._assembly.add(b""))
            self._read_on()

    def _read_on(self) -> None:
        if self._transport is not None and not (self._held_by or self._transport.is_closing()):
            self._transport.resume_reading()

    def _take_whole(self, data: bytes) -> None:
        try:
            self._answer(data)
        except MalformedPacketError as error:
            self._refuse_malformed(error)
        except Exception:  # noqa: BLE001 - our own bug costs this one client its connection
            _log.exception("a packet could not be handled")
            self._end_safely()
        if not self._engine.commit():
            # What could not be kept must not be acknowledged.
            self.outbox.discard()
            self._end_safely()
        self._engine.courier.flush(None if self.dialogue.is_over() else self)

    def _answer(self, data: bytes) -> None:
        engine, dialogue = self._engine, self.dialogue
        packet_bytes = engine.limits.packet_bytes
        position, end = 0, len(data)
        while position < end and not dialogue.is_over():
            if dialogue.session is not None:
                try:
                    passed = self._fast(data, position, end, dialogue.session)
                except NotNowError:
                    self._set_aside(data, position)
                    return
                if passed > position:
                    position = passed
                    continue
            version = dialogue.version
            strict = version is ProtocolVersion.V5
            body, stop = packet_bounds(data, position, end, packet_bytes, strict=strict)
            if stop > end:
                self._assembly.keep(data, position, stop - position)
                return
            packet = decode_body(data[position], Reader(data, body, stop), version)
            try:
                dialogue.receive(packet)
            except NotNowError:
                self._set_aside(data, position)
                return
            position = stop

    def _set_aside(self, data: bytes, position: int) -> None:
        """Keep what cannot be answered yet; the brake that holds us sees to the rest."""
        self._waits = True
        self._assembly.keep(data, position, 0)

    def _fast(self, data: bytes, position: int, end: int, session: Session) -> int:
        """Take runs of plain packets and return where they end; what is not plain stays.

        Raises `NotNowError` if this client is made to wait before the next run.
        """
        engine, first = self._engine, data[position]
        if first == _PUBACK:
            stop = session.deliveries.acknowledge_all(data, position, end)
            engine.courier.queue(self.outbox)
            return stop
        engine.router.refresh(session)
        if first == AT_MOST_ONCE:
            run = plain_run(data, position, end, session, engine.limits)
            if run is None:
                return position
            verdict = run.route.verdict
            if verdict.allowed and engine.courier.must_wait(run.route, run.stop - position, self):
                raise NotNowError
            engine.counters.messages_received += run.messages
            if verdict.allowed:
                engine.courier.push_plain(run.route, data[position : run.stop], run.messages)
            else:
                refusal = verdict_refusal("publish", verdict, run.route.topic)
                engine.refuse(refusal, session.ref, count=run.messages)
            return run.stop
        if first == AT_LEAST_ONCE:
            handed = acknowledged_run(data, position, end, session, engine.limits, engine.courier)
            if handed is None:
                return position
            engine.counters.messages_received += handed.messages
            self.dialogue.send_frame(handed.answers)
            return handed.stop
        return position

    def _refuse_malformed(self, error: MalformedPacketError) -> None:
        refusal = Refusal("packet", error.reason, error.message)
        unspoken = error.reason is ReasonCode.UNSUPPORTED_PROTOCOL_VERSION
        if unspoken and self.dialogue.session is None:
            self.dialogue.turn_away(refusal)
        else:
            self.dialogue.end(refusal)

    def _end_safely(self) -> None:
        try:
            self.dialogue.end(_INTERNAL_ERROR)
        except Exception:  # noqa: BLE001 - whatever it is, the line is cut
            _log.exception("a connection could not be ended in good order")
            self.hang_up(at_once=True)

    # ---- what the others ask for

    def hang_up(self, *, at_once: bool = False) -> None:
        """Close after what was written, or cut the line; nothing that comes is read any more."""
        self._since = self._engine.clock.monotonic()
        if not self._engine.commit():
            self.outbox.discard()
        flushed = self.outbox.flush()
        self.outbox.close()
        self._assembly = Assembly()
        if self._transport is not None:
            if at_once or not flushed:
                self._transport.abort()
            else:
                self._transport.close()

    @property
    def is_held(self) -> bool:
        """Return whether the client is made to wait for another."""
        return bool(self._held_by)

    @property
    def is_impatient(self) -> bool:
        """Return whether the client has just waited for somebody who did not read."""
        return self._engine.clock.monotonic() < self._impatient_until

    def hold(self, brake: Brake) -> None:
        """Stop reading until the brake lets go: a subscriber of this client is slow."""
        if not self._held_by and self._transport is not None:
            self._held_at = self._engine.clock.monotonic()
            self._transport.pause_reading()
        self._held_by.add(brake)

    def release(self, brake: Brake) -> None:
        """Read on, unless another brake still holds."""
        if brake not in self._held_by:
            return
        self._held_by.discard(brake)
        if not self._held_by:
            now, limits = self._engine.clock.monotonic(), self._engine.limits
            self._since = now
            if now - self._held_at >= limits.publisher_pause_s * _MOSTLY:
                self._impatient_until = now + limits.publisher_grace_s
            if self._waits:
                # Not from within the reading of the one that caught up.
                asyncio.get_running_loop().call_soon(self._go_on)
            else:
                self._read_on()

    def check_deadline(self, now: float) -> None:
        """End or cut the connection if its time is up."""
        limits, dialogue = self._engine.limits, self.dialogue
        if self._held_by and dialogue.has_waited_enough(now):
            for brake in tuple(self._held_by):
                self.release(brake)
        idle_s = now - self._since
        if dialogue.is_over():
            if idle_s >= limits.close_timeout_s and self._transport is not None:
                self._transport.abort()
        elif dialogue.session is None:
            if idle_s >= limits.connect_timeout_s:
                dialogue.end(_CONNECT_TIMEOUT)
        elif not self._held_by and idle_s > dialogue.session.keep_alive_s * _KEEP_ALIVE_GRACE:
            dialogue.end(_KEEP_ALIVE_TIMEOUT)
