"""The data types of the wire (MQTT 5.0, section 1.5): read with every bound checked, or written."""

from collections.abc import Callable
from typing import Final, TypeVar

from hedgerow.kernel import CallerError, PeerError, quoted
from hedgerow.mqtt.codec.codes import ReasonCode

MAXIMUM_TEXT_BYTES: Final = 0xFFFF
MAXIMUM_VARIABLE_INTEGER: Final = 268_435_455
_MAXIMUM_VARIABLE_BYTES: Final = 4
_MORE: Final = 0x80
_SEVEN_BITS: Final = 0x7F

T = TypeVar("T")


class MalformedPacketError(PeerError):
    """The peer sent bytes that are no MQTT packet, or a packet that breaks the protocol.

    `reason` is what an MQTT 5 peer is told before the connection is closed.
    """

    code = "MalformedPacket"

    def __init__(
        self, message: str, reason: ReasonCode = ReasonCode.MALFORMED_PACKET, *, code: str = ""
    ) -> None:
        super().__init__(message, code=code or reason.name.lower().replace("_", "-"))
        self.reason = reason


def protocol_error(message: str) -> MalformedPacketError:
    """Return the error for a well-formed packet that the protocol does not allow here."""
    return MalformedPacketError(message, ReasonCode.PROTOCOL_ERROR)


def checked_text(raw: bytes) -> str:
    """Return the text, or raise if it is not UTF-8 as MQTT wants it: no NUL, no surrogates."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise MalformedPacketError("a text is not UTF-8") from None
    if "\0" in text:
        raise MalformedPacketError("a text holds the character U+0000")
    return text


def read_variable_integer(data: bytes, position: int, end: int) -> tuple[int, int]:
    """Return a variable byte integer and the position after it; (-1, position) if it is cut off."""
    value = 0
    for index in range(_MAXIMUM_VARIABLE_BYTES):
        at = position + index
        if at >= end:
            return -1, position
        byte = data[at]
        value |= (byte & _SEVEN_BITS) << (7 * index)
        if not byte & _MORE:
            return value, at + 1
    raise MalformedPacketError("a length takes more than four bytes")


class Reader:
    """Reads one packet's body from front to back; every read past its end is malformed."""

    __slots__ = ("_data", "_end", "_position")

    def __init__(self, data: bytes, position: int = 0, end: int | None = None) -> None:
        self._data = data
        self._position = position
        self._end = len(data) if end is None else end

    @property
    def remaining(self) -> int:
        """Return how many bytes are left."""
        return self._end - self._position

    def take(self, count: int) -> bytes:
        """Return the next `count` bytes."""
        start = self._position
        stop = start + count
        if stop > self._end:
            raise MalformedPacketError("a packet ends before its content does")
        self._position = stop
        return self._data[start:stop]

    def rest(self) -> bytes:
        """Return all that is left."""
        return self.take(self.remaining)

    def byte(self) -> int:
        """Return the next byte."""
        return self.take(1)[0]

    def flag(self) -> bool:
        """Return the next byte, which may only be 0 or 1."""
        value = self.byte()
        if value > 1:
            raise protocol_error(f"a property is 0 or 1, not {value}")
        return value == 1

    def two_bytes(self) -> int:
        """Return the next two bytes as a number."""
        return int.from_bytes(self.take(2), "big")

    def four_bytes(self) -> int:
        """Return the next four bytes as a number."""
        return int.from_bytes(self.take(4), "big")

    def variable_integer(self) -> int:
        """Return the next variable byte integer, which must use no more bytes than it needs."""
        start = self._position
        value, position = read_variable_integer(self._data, start, self._end)
        if value < 0:
            raise MalformedPacketError("a packet ends before its content does")
        if position - start > 1 and not self._data[position - 1]:
            raise MalformedPacketError("a variable byte integer is longer than it needs to be")
        self._position = position
        return value

    def binary(self) -> bytes:
        """Return the next length-prefixed bytes."""
        return self.take(self.two_bytes())

    def text(self) -> str:
        """Return the next length-prefixed text."""
        return checked_text(self.binary())

    def text_pair(self) -> tuple[str, str]:
        """Return the next two texts."""
        return self.text(), self.text()

    def part(self, length: int) -> "Reader":
        """Return a reader of the next `length` bytes and step over them."""
        start = self._position
        self.take(length)
        return Reader(self._data, start, start + length)

    def items(self, read: Callable[["Reader"], T]) -> tuple[T, ...]:
        """Read items until nothing is left."""
        found = []
        while self.remaining:
            found.append(read(self))
        return tuple(found)

    def finish(self) -> None:
        """Raise unless everything was read."""
        if self.remaining:
            raise MalformedPacketError("a packet has more bytes than its content")


def write_two_bytes(value: int) -> bytes:
    """Return a number as two bytes."""
    return value.to_bytes(2, "big")


def write_four_bytes(value: int) -> bytes:
    """Return a number as four bytes."""
    return value.to_bytes(4, "big")


def write_variable_integer(value: int) -> bytes:
    """Return a number in as few bytes as it needs."""
    if not 0 <= value <= MAXIMUM_VARIABLE_INTEGER:
        raise CallerError(f"a packet or number of {value} is more than MQTT can carry")
    written = bytearray()
    while True:
        value, byte = value >> 7, value & _SEVEN_BITS
        written.append(byte | _MORE if value else byte)
        if not value:
            return bytes(written)


def write_binary(value: bytes) -> bytes:
    """Return bytes with their length before them."""
    if len(value) > MAXIMUM_TEXT_BYTES:
        raise CallerError(
            f"MQTT carries at most {MAXIMUM_TEXT_BYTES} bytes in a field, not {len(value)}"
        )
    return write_two_bytes(len(value)) + value


def write_text(value: str) -> bytes:
    """Return a text with its length before it."""
    if "\0" in value:
        raise CallerError(f"MQTT carries no text with U+0000: {quoted(value)}")
    try:
        raw = value.encode()
    except UnicodeEncodeError:
        raise CallerError(f"MQTT carries no half surrogate pairs: {quoted(value)}") from None
    return write_binary(raw)


def write_text_pair(value: tuple[str, str]) -> bytes:
    """Return two texts with their lengths."""
    return write_text(value[0]) + write_text(value[1])
