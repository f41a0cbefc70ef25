"""Attacks by a client that was let in: honest packets of every type, each broken where it hurts.

No stream holds a byte 0xE0, so none says goodbye: whatever closes its connection is a refusal.
"""

import itertools
import random
from collections.abc import Callable, Iterator
from typing import NamedTuple

from tests.support.mqtt_broken_rules import BROKEN_RULES
from tests.support.mqtt_packets import wire_bytes

from hedgerow.kernel import Secret
from hedgerow.mqtt import ProtocolVersion, ReasonCode, encode
from hedgerow.mqtt.codec import (
    Auth,
    Connack,
    Connect,
    Packet,
    Pingreq,
    Pingresp,
    Properties,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Suback,
    Subscribe,
    SubscribeItem,
    Unsuback,
    Unsubscribe,
    Will,
)

V311, V5 = ProtocolVersion.V311, ProtocolVersion.V5
KEEP_ALIVE_S = 10
_GOODBYE = 0xE0
_TINY = 2000


class Attack(NamedTuple):
    """A stream in the chunks it is sent in."""

    name: str
    chunks: list[bytes]


def attacks(count: int, client_id: str, *, seed: int = 0) -> Iterator[Attack]:
    """Return so many attacks by a client of this id; always the same ones."""
    kinds = list(_KINDS.items())
    for number in range(seed, seed + count):
        name, kind = kinds[number % len(kinds)]
        chance = random.Random(number)  # noqa: S311 - repeatable, not secret
        data = kind(chance, client_id).replace(bytes([_GOODBYE]), b"\xe1")
        yield Attack(f"{name} {number}", _in_chunks(data, chance))


def connect(client_id: str, version: ProtocolVersion, *, will: Will | None = None) -> bytes:
    """Return an honest CONNECT, so that what follows meets a session."""
    packet = Connect(
        client_id, version, keep_alive_s=KEEP_ALIVE_S, will=will,
        username="user", password=Secret(b"password"),
    )  # fmt: skip
    return encode(packet, version)


def broken_rules() -> Iterator[tuple[str, ProtocolVersion, bytes, ReasonCode]]:
    """Return every packet that breaks one rule, with the reason it must be refused for."""
    for name, versions, data, reason in BROKEN_RULES:
        for version in versions:
            yield f"{name} ({version.name})", version, wire_bytes(data), reason


def _packets(chance: random.Random, version: ProtocolVersion) -> list[Packet]:
    alias = Properties(topic_alias=chance.randrange(1, 12)) if version is V5 else Properties()
    every: list[Packet] = [
        Publish("m/1", b"p" * chance.randrange(200)),
        Publish("m/1", b"p", qos=1, packet_id=7),
        Publish("m/2", b"p", qos=2, packet_id=8),
        Publish("m/3", b"p", properties=alias),
        Publish("m/4", b"p", retain=True),
        Subscribe(1, (SubscribeItem("m/#", 1), SubscribeItem("+/x"))),
        Unsubscribe(2, ("m/#", "x")),
        Puback(1), Pubrec(1), Pubrel(1), Pubcomp(1),
        Pingreq(), Pingresp(), Connack(),
        Suback(1, (ReasonCode.SUCCESS,)),
        Unsuback(1, (ReasonCode.SUCCESS,) if version is V5 else ()),
        *([Auth()] if version is V5 else []),
    ]  # fmt: skip
    return chance.sample(every, chance.randrange(2, 9))


class _Stream:
    """A CONNECT and packets behind it, as frames that may be broken one by one."""

    def __init__(self, chance: random.Random, client_id: str) -> None:
        self.chance = chance
        self.client_id = client_id
        self.version = chance.choice([V311, V5])
        will = Will("m/will", b"w" * 20) if chance.random() < 0.3 else None
        self.connect = connect(client_id, self.version, will=will)
        packets = _packets(chance, self.version)
        self.frames = [bytearray(encode(packet, self.version)) for packet in packets]

    def any_frame(self) -> bytearray:
        return self.chance.choice(self.frames)

    def bytes(self, first: bytes | None = None) -> bytes:
        return (self.connect if first is None else first) + b"".join(self.frames)


def _flipped(chance: random.Random, client_id: str) -> bytes:
    stream = _Stream(chance, client_id)
    for _ in range(chance.randrange(1, 4)):
        frame = stream.any_frame()
        frame[chance.randrange(len(frame))] ^= 1 << chance.randrange(8)
    return stream.bytes()


def _flipped_connect(chance: random.Random, client_id: str) -> bytes:
    stream = _Stream(chance, client_id)
    first = bytearray(stream.connect)
    first[chance.randrange(len(first))] ^= 1 << chance.randrange(8)
    return stream.bytes(bytes(first))


def _cut(chance: random.Random, client_id: str) -> bytes:
    stream = _Stream(chance, client_id)
    frame = stream.any_frame()
    del frame[chance.randrange(len(frame)) :]
    return stream.bytes()


def _edited(chance: random.Random, client_id: str) -> bytes:
    stream = _Stream(chance, client_id)
    frame = stream.any_frame()
    at = chance.randrange(len(frame))
    frame[at:at] = chance.randbytes(chance.randrange(1, 4))
    other = stream.any_frame()
    del other[chance.randrange(len(other))]
    return stream.bytes()


def _repeated(chance: random.Random, client_id: str) -> bytes:
    stream = _Stream(chance, client_id)
    stream.frames *= chance.randrange(2, 30)
    return stream.bytes()


def _wrong_flags(chance: random.Random, client_id: str) -> bytes:
    stream = _Stream(chance, client_id)
    for frame in stream.frames:
        frame[0] = frame[0] & 0xF0 | chance.randrange(16)
    return stream.bytes()


def _wrong_type(chance: random.Random, client_id: str) -> bytes:
    stream = _Stream(chance, client_id)
    frame = stream.any_frame()
    frame[0] = chance.randrange(16) << 4 | frame[0] & 0x0F
    return stream.bytes()


def _wrong_length(chance: random.Random, client_id: str) -> bytes:
    stream = _Stream(chance, client_id)
    frame = stream.any_frame()
    near = [bytes([frame[1] + 1 & 0x7F]), bytes([max(frame[1], 1) - 1])]
    lengths = [b"\0", b"\1", b"\x7f", b"\x80\0", b"\x85\0", b"\xff" * 5, b"\xff\xff\xff\x7f",
               b"\xff\xff\x03", *near]  # fmt: skip
    frame[1:2] = chance.choice(lengths)
    return stream.bytes()


def _wrong_numbers(chance: random.Random, client_id: str) -> bytes:
    """Put 0, 1 or far too much where a packet id, a text's length or a property stands."""
    stream = _Stream(chance, client_id)
    for frame in stream.frames:
        if len(frame) > 3:
            at = chance.randrange(2, len(frame) - 1)
            frame[at : at + 2] = chance.choice([b"\0\0", b"\0\1", b"\xff\xff", b"\x7f\xff"])
    return stream.bytes()


def _wrong_texts(chance: random.Random, client_id: str) -> bytes:
    """Overwrite topics with what is no UTF-8, not allowed in MQTT, or a wildcard."""
    stream = _Stream(chance, client_id)
    bad = chance.choice([b"\xff\xfe\xfd", b"m\0\x31", b"\xed\xa0\x80", b"m/+", b"m/#", b"#/m"])
    frames = [bytearray(frame.replace(b"m/1", bad).replace(b"m/#", bad)) for frame in stream.frames]
    stream.frames = [*frames, bytearray(encode(Publish("m/1", b""), stream.version))]
    stream.frames[-1][4:7] = bad
    return stream.bytes()


def _one_broken_rule(chance: random.Random, client_id: str) -> bytes:
    _, version, data, _ = chance.choice(list(broken_rules()))
    return connect(client_id, version) + data


def _random_properties(chance: random.Random, client_id: str) -> bytes:
    """Send property ids at random, known and unknown, in packets that may have properties."""
    properties = chance.randbytes(chance.randrange(1, 30))
    properties = bytes([chance.randrange(1, 0x2C)]) + properties
    field = bytes([len(properties)]) + properties
    first, body = chance.choice(
        [
            (0x30, b"\0\1t" + field),
            (0x82, b"\0\1" + field + b"\0\1t\0"),
            (0xA2, b"\0\1" + field + b"\0\1t"),
            (0x40, b"\0\1\0" + field),
            (0xF0, b"\0" + field),
        ]
    )
    return connect(client_id, V5) + bytes([first, len(body)]) + body


def _unadmitted(chance: random.Random, client_id: str) -> bytes:
    """Begin with anything but the CONNECT of one's own name."""
    stream = _Stream(chance, client_id)
    others = [b"", connect("", V5), connect("x" * 200, V5), connect("healthy", V5),
              connect(client_id + "\u202e", V311), chance.randbytes(40)]  # fmt: skip
    return stream.bytes(chance.choice(others))


def _connect_twice(chance: random.Random, client_id: str) -> bytes:
    stream = _Stream(chance, client_id)
    return stream.bytes(stream.connect * 2)


def _alias_misuse(chance: random.Random, client_id: str) -> bytes:
    wrong = chance.choice([0, 1, 7, 8, 9, 0xFFFF])
    frames = []
    for topic, alias in (("m/1", 2), ("", 2), ("m/2", 2), ("", wrong)):
        name = len(topic).to_bytes(2, "big") + topic.encode()
        body = name + b"\3\x23" + alias.to_bytes(2, "big") + b"x"
        frames.append(bytes([0x30, len(body)]) + body)
    return connect(client_id, V5) + b"".join(frames)


def _flood(chance: random.Random, client_id: str) -> bytes:
    """Send lawful packets in numbers that nobody needs."""
    version = chance.choice([V311, V5])
    filters = [SubscribeItem(f"m/{chance.randrange(10**6)}/#", 1) for _ in range(300)]
    subscribes: list[Packet] = [
        Subscribe(number + 1, (item,)) for number, item in enumerate(filters)
    ]
    at_once: list[Packet] = [Subscribe(1, tuple(filters))]
    pings: list[Packet] = [Pingreq() for _ in range(2000)]
    publishes: list[Packet] = [Publish(f"m/{number}", b"x" * 50) for number in range(500)]
    refused: list[Packet] = [
        Publish(f"no/{number}", b"", qos=1, packet_id=1) for number in range(300)
    ]
    packets = chance.choice([subscribes, at_once, pings, publishes, refused])
    return connect(client_id, version) + b"".join(encode(packet, version) for packet in packets)


def _large(chance: random.Random, client_id: str) -> bytes:
    """Come to the limits of a payload and a topic, and one step beyond."""
    version = chance.choice([V311, V5])
    topics = ["m/1", "m" * 256, "m" * 257, "m" + "/m" * 7, "m" + "/m" * 8]
    size = chance.choice([0, 128 * 1024, 128 * 1024 + 1])
    message = Publish(chance.choice(topics), b"x" * size)
    return connect(client_id, version) + encode(message, version) * 3


def _noise(chance: random.Random, client_id: str) -> bytes:
    first = connect(client_id, chance.choice([V311, V5])) if chance.random() < 0.7 else b""
    return first + chance.randbytes(chance.randrange(1, 400))


_KINDS: dict[str, Callable[[random.Random, str], bytes]] = {
    "bits flipped": _flipped,
    "a bit of CONNECT flipped": _flipped_connect,
    "cut": _cut,
    "bytes put in and taken out": _edited,
    "repeated": _repeated,
    "wrong flags": _wrong_flags,
    "wrong type": _wrong_type,
    "wrong length": _wrong_length,
    "wrong numbers": _wrong_numbers,
    "wrong texts": _wrong_texts,
    "one broken rule": _one_broken_rule,
    "random properties": _random_properties,
    "not admitted": _unadmitted,
    "CONNECT twice": _connect_twice,
    "alias misuse": _alias_misuse,
    "flood": _flood,
    "large": _large,
    "noise": _noise,
}


def _in_chunks(data: bytes, chance: random.Random) -> list[bytes]:
    if len(data) < _TINY and chance.random() < 0.2:
        return [data[index : index + 1] for index in range(len(data))]
    edges = sorted({0, len(data), *(chance.randrange(len(data) + 1) for _ in range(3))})
    return [data[start:stop] for start, stop in itertools.pairwise(edges)]
