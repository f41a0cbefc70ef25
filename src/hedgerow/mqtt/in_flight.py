"""QoS 1 towards one client: what was sent and not acknowledged, and what waits behind it."""

from collections import deque

from hedgerow.mqtt.codec import PublishFrame

_HIGHEST_PACKET_ID = 0xFFFF


class InFlight:
    """A window of unacknowledged messages and a bounded queue; pure.

    INVARIANT: at most `window` messages are unacknowledged, at most `waiting` wait, and all of
    them together hold at most `maximum_bytes`. The frames are kept so that a session that
    outlives its connection can send them again.
    """

    def __init__(self, window: int, waiting: int, maximum_bytes: int) -> None:
        self._window = min(window, _HIGHEST_PACKET_ID)
        self._waiting_limit = waiting
        self._room = maximum_bytes
        self._sent: dict[int, PublishFrame] = {}
        self._waiting: deque[PublishFrame] = deque()
        self._last_id = 0

    def __len__(self) -> int:
        return len(self._sent) + len(self._waiting)

    def offer(self, frame: PublishFrame) -> bytes | None:
        """Return the bytes to send now, nothing (`b""`) if it waits, None if it was dropped."""
        size = len(frame.head) + len(frame.tail)
        if size > self._room:
            return None
        if len(self._sent) < self._window:
            self._room -= size
            return self._send(frame)
        if len(self._waiting) >= self._waiting_limit:
            return None
        self._room -= size
        self._waiting.append(frame)
        return b""

    def acknowledge(self, packet_id: int) -> bytes | None:
        """Return what may be sent now (or `b""`); None if no such message was in flight."""
        frame = self._sent.pop(packet_id, None)
        if frame is None:
            return None
        self._room += len(frame.head) + len(frame.tail)
        return self._send(self._waiting.popleft()) if self._waiting else b""

    def _send(self, frame: PublishFrame) -> bytes:
        packet_id = self._last_id
        while True:
            packet_id = packet_id % _HIGHEST_PACKET_ID + 1
            if packet_id not in self._sent:
                break
        self._last_id = packet_id
        self._sent[packet_id] = frame
        return frame.with_packet_id(packet_id)
