"""A stream of bytes to packets: finds where each begins and ends, whatever the chunks."""

from hedgerow.mqtt.codec.codes import ProtocolVersion, ReasonCode
from hedgerow.mqtt.codec.decoding import decode_body
from hedgerow.mqtt.codec.packets import Connect, Packet
from hedgerow.mqtt.codec.wire import (
    MAXIMUM_VARIABLE_INTEGER,
    MalformedPacketError,
    Reader,
    read_variable_integer,
)

_SHORTEST = 2


def packet_bounds(
    data: bytes, position: int, end: int, maximum_bytes: int, *, strict: bool
) -> tuple[int, int]:
    """Return where the body of the packet at `position` begins and ends.

    The end may lie beyond `end` if more has to come; a body position of 0 says that not even
    the length is complete. Raises if the length has no end or the packet is larger than
    `maximum_bytes`; `strict` (MQTT 5) also refuses a length written in more bytes than needed.
    """
    length, body = read_variable_integer(data, position + 1, end)
    if length < 0:
        return 0, end + 1
    if strict and body - position > _SHORTEST and not data[body - 1]:
        raise MalformedPacketError("a packet's length is longer than it needs to be")
    stop = body + length
    if stop - position > maximum_bytes:
        raise MalformedPacketError(
            f"a packet has {stop - position} bytes; at most {maximum_bytes} are taken",
            ReasonCode.PACKET_TOO_LARGE,
        )
    return body, stop


class Assembly:
    """Keeps the packet at the end of a chunk until it is whole.

    INVARIANT: each byte is copied a bounded number of times, however small the chunks.
    """

    __slots__ = ("_kept", "_needed")

    def __init__(self) -> None:
        self._kept = bytearray()
        self._needed = 0

    def add(self, chunk: bytes | memoryview) -> bytes:
        """Return all bytes from the front of a packet on, or nothing while it is not whole."""
        if not self._kept:
            return bytes(chunk)
        self._kept += chunk
        if len(self._kept) < self._needed:
            return b""
        data = bytes(self._kept)
        self._kept = bytearray()
        return data

    def keep(self, data: bytes, position: int, needed: int) -> None:
        """Keep what follows `position`; nothing is returned before there are `needed` bytes."""
        self._kept += memoryview(data)[position:]
        self._needed = needed


class Decoder:
    """Turns a stream's chunks into packets; the same for both sides.

    `version` may be left open on the serving side: the CONNECT says it.
    """

    def __init__(
        self,
        version: ProtocolVersion | None = None,
        *,
        maximum_bytes: int = MAXIMUM_VARIABLE_INTEGER,
    ) -> None:
        self.version = version
        self._maximum_bytes = maximum_bytes
        self._assembly = Assembly()

    def feed(self, chunk: bytes) -> list[Packet]:
        """Return the packets that are complete with this chunk, or raise `MalformedPacketError`."""
        data = self._assembly.add(chunk)
        position, end = 0, len(data)
        packets: list[Packet] = []
        while position < end:
            version = self.version or ProtocolVersion.V311
            body, stop = packet_bounds(
                data, position, end, self._maximum_bytes, strict=version is ProtocolVersion.V5
            )
            if stop > end:
                self._assembly.keep(data, position, stop - position)
                break
            packet = decode_body(data[position], Reader(data, body, stop), version)
            if isinstance(packet, Connect) and self.version is None:
                self.version = packet.version
            packets.append(packet)
            position = stop
        return packets
