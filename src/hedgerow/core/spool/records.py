"""The bytes of a spool on disk: length, checksum, number, topic, extras, payload. Pure."""

import struct
import zlib
from dataclasses import dataclass

from hedgerow.core.spool.spool import NO_EXTRAS, Extras, QueuedMessage

HEADER = struct.Struct(">II")
"""Length of the body, and CRC-32 of the body."""

_BODY_START = struct.Struct(">QH")
_HAS_EXTRAS = 0x8000
"""Set in the length of the topic where extras stand before the topic."""

_EXTRAS_START = struct.Struct(">QI")
_POSITION = struct.Struct(">QI")

BODY_BYTES_LIMIT = 16 * 1_048_576
"""A length over this is damage, not a message."""

POSITION_BYTES = _POSITION.size


@dataclass(frozen=True, slots=True)
class Record:
    """A message and how many bytes it takes on disk."""

    message: QueuedMessage
    size: int


def encode_record(message: QueuedMessage) -> bytes:
    """Return the message as it is appended to a segment."""
    topic, extras = message.topic.encode(), message.extras
    if extras:
        start = _BODY_START.pack(message.number, len(topic) | _HAS_EXTRAS)
        start += _EXTRAS_START.pack(extras.expires_at_ms, len(extras.properties))
    else:
        start = _BODY_START.pack(message.number, len(topic))
    body = start + extras.properties + topic + message.payload
    return HEADER.pack(len(body), zlib.crc32(body)) + body


def decode_record(data: bytes | memoryview, offset: int = 0) -> Record | None:
    """Return the record at the offset, or None if it is cut short or damaged."""
    if len(data) < offset + HEADER.size:
        return None
    length, checksum = HEADER.unpack_from(data, offset)
    if not _BODY_START.size <= length <= BODY_BYTES_LIMIT:
        return None
    body = bytes(data[offset + HEADER.size : offset + HEADER.size + length])
    if len(body) != length or zlib.crc32(body) != checksum:
        return None
    message = _decode_body(body)
    return Record(message, HEADER.size + length) if message is not None else None


def _decode_body(body: bytes) -> QueuedMessage | None:
    number, topic_length = _BODY_START.unpack_from(body)
    extras, topic_starts = NO_EXTRAS, _BODY_START.size
    if topic_length & _HAS_EXTRAS:
        topic_length ^= _HAS_EXTRAS
        if len(body) < _BODY_START.size + _EXTRAS_START.size:
            return None
        expires_at_ms, properties_length = _EXTRAS_START.unpack_from(body, _BODY_START.size)
        properties_start = _BODY_START.size + _EXTRAS_START.size
        topic_starts = properties_start + properties_length
        extras = Extras(expires_at_ms, body[properties_start:topic_starts])
    topic_ends = topic_starts + topic_length
    if topic_ends > len(body):
        return None
    try:
        topic = body[topic_starts:topic_ends].decode()
    except UnicodeDecodeError:
        return None
    return QueuedMessage(number, topic, body[topic_ends:], extras)


def encode_position(number: int) -> bytes:
    """Return a position: the number of the first message that still waits."""
    packed = _POSITION.pack(number, 0)[:8]
    return packed + struct.pack(">I", zlib.crc32(packed))


def decode_position(data: bytes) -> int | None:
    """Return the position, or None if it is cut short or damaged."""
    if len(data) != POSITION_BYTES:
        return None
    number, checksum = _POSITION.unpack(data)
    return int(number) if zlib.crc32(data[:8]) == checksum else None
