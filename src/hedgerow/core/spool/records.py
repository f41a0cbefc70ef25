"""The bytes of a spool on disk: length, checksum, number, topic, payload. Pure."""

import struct
import zlib
from dataclasses import dataclass

from hedgerow.core.spool.spool import QueuedMessage

HEADER = struct.Struct(">II")
"""Length of the body, and CRC-32 of the body."""

_BODY_START = struct.Struct(">QH")
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
    topic = message.topic.encode()
    body = _BODY_START.pack(message.number, len(topic)) + topic + message.payload
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
    number, topic_length = _BODY_START.unpack_from(body)
    end_of_topic = _BODY_START.size + topic_length
    if end_of_topic > length:
        return None
    try:
        topic = body[_BODY_START.size : end_of_topic].decode()
    except UnicodeDecodeError:
        return None
    return Record(QueuedMessage(number, topic, body[end_of_topic:]), HEADER.size + length)


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
