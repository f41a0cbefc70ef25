"""Byte streams that no honest client sends: random ones, and honest ones with something broken."""

import itertools
import random
from collections.abc import Callable, Iterator

from hedgerow.kernel import Secret
from hedgerow.mqtt import ProtocolVersion, ReasonCode, encode
from hedgerow.mqtt.codec import (
    Auth,
    Connack,
    Connect,
    Disconnect,
    Packet,
    Pingreq,
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


def hostile_streams(count: int) -> Iterator[tuple[str, list[bytes]]]:
    """Return so many streams, each with its name and cut into chunks; always the same ones."""
    kinds = list(_KINDS)
    for number in range(count):
        kind = kinds[number % len(kinds)]
        chance = random.Random(number)  # noqa: S311 - repeatable, not secret
        data = _KINDS[kind](chance)
        yield f"{kind} {number}", _cut(data, chance)


def _random(chance: random.Random) -> bytes:
    return chance.randbytes(chance.randrange(1, 400))


def _random_after_connect(chance: random.Random) -> bytes:
    return _connect(chance) + _random(chance)


def _flipped(chance: random.Random) -> bytes:
    data = bytearray(_honest(chance))
    for _ in range(chance.randrange(1, 6)):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return bytes(data)


def _flipped_after_connect(chance: random.Random) -> bytes:
    return _connect(chance) + _flipped(chance)[30:]


def _spliced(chance: random.Random) -> bytes:
    data = _honest(chance)
    start, stop = sorted(chance.randrange(len(data)) for _ in range(2))
    return data[:start] + data[stop:] + data[start:stop] * chance.randrange(3)


def _cut_short(chance: random.Random) -> bytes:
    data = _honest(chance)
    return data[: chance.randrange(1, len(data))]


def _wrong_lengths(chance: random.Random) -> bytes:
    parts = []
    for packet in _packets(chance):
        frame = bytearray(encode(packet, V5))
        at = chance.choice([1, 2, 3, len(frame) - 1])
        frame[min(at, len(frame) - 1)] = chance.choice([0, 1, 0x7F, 0x80, 0xFF])
        parts.append(bytes(frame))
    return _connect(chance) + b"".join(parts)


def _out_of_order(chance: random.Random) -> bytes:
    version = chance.choice([V311, V5])
    packets = [*_packets(chance), Connect("again", version)]
    if version is V311:
        packets = [packet for packet in packets if not isinstance(packet, Auth)]
    chance.shuffle(packets)
    first = _connect(chance, version) if chance.random() < 0.7 else b""
    return first + b"".join(encode(packet, version) for packet in packets)


def _other_protocols(chance: random.Random) -> bytes:
    return chance.choice(
        [
            b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + chance.randbytes(200),
            b"SSH-2.0-OpenSSH_9.0\r\n",
            b"\x10" + b"\xff" * 500,
            b"\x00" * 500,
            b"\xff" * 500,
            bytes.fromhex("30ffffff7f") + b"x" * 500,
        ]
    )


def _hostile_texts(chance: random.Random) -> bytes:
    """Put bad UTF-8, wildcards and long texts where topics and filters stand."""
    bad = chance.choice(
        [b"\xff", b"a\0b", b"\xed\xa0\x80", b"\xc0\xaf", b"+", b"a/#", b"/" * 300, b"+/" * 200,
         b"\xf4\x90\x80\x80", b"", b"$share/a/b", "\u202e☃".encode() * 50]
    )  # fmt: skip
    field = len(bad).to_bytes(2, "big") + bad
    version = chance.choice([V311, V5])
    extra = b"\0" if version is V5 else b""
    body, first = chance.choice(
        [
            (field + extra + b"x", 0x30),
            (field + b"\0\1" + extra + b"x", 0x32),
            (b"\0\1" + extra + field + b"\1", 0x82),
            (b"\0\1" + extra + field, 0xA2),
        ]
    )
    size = len(body)
    length = bytes([size]) if size < 128 else bytes([size & 0x7F | 0x80, size >> 7])
    return _connect(chance, version) + bytes([first]) + length + body + encode(Pingreq(), version)


_KINDS: dict[str, Callable[[random.Random], bytes]] = {
    "random": _random,
    "random after CONNECT": _random_after_connect,
    "bits flipped": _flipped,
    "bits flipped after CONNECT": _flipped_after_connect,
    "spliced": _spliced,
    "cut short": _cut_short,
    "wrong lengths": _wrong_lengths,
    "out of order": _out_of_order,
    "other protocols": _other_protocols,
    "hostile texts": _hostile_texts,
}


def _honest(chance: random.Random) -> bytes:
    version = chance.choice([V311, V5])
    packets = [packet for packet in _packets(chance) if not isinstance(packet, Auth)]
    return _connect(chance, version) + b"".join(encode(packet, version) for packet in packets)


def _connect(chance: random.Random, version: ProtocolVersion | None = None) -> bytes:
    version = version or chance.choice([V311, V5])
    will = Will("wills/x", b"w" * 20) if chance.random() < 0.5 else None
    connect = Connect(
        f"mischief-{chance.randrange(5)}", version, keep_alive_s=10, will=will,
        username="user", password=Secret(b"password"),
    )  # fmt: skip
    return encode(connect, version)


def _packets(chance: random.Random) -> list[Packet]:
    """Return packets that MQTT has, some of which may not come from a client."""
    properties = Properties(topic_alias=chance.randrange(1, 12), content_type="t")
    every: list[Packet] = [
        Publish("m/1", b"p" * chance.randrange(200)),
        Publish("m/1", b"p", qos=1, packet_id=7),
        Publish("m/2", b"p", qos=2, packet_id=8),
        Publish("m/3", b"p", properties=properties),
        Publish("m/4", b"p", retain=True),
        Subscribe(1, (SubscribeItem("m/#", 1), SubscribeItem("+/x"))),
        Unsubscribe(2, ("m/#",)),
        Pingreq(),
        Puback(1),
        Pubrec(1),
        Pubrel(1),
        Pubcomp(1),
        Connack(),
        Suback(1, (ReasonCode.SUCCESS,)),
        Unsuback(1, (ReasonCode.SUCCESS,)),
        Auth(),
        Disconnect(),
    ]
    return chance.sample(every, chance.randrange(2, 8))


def _cut(data: bytes, chance: random.Random) -> list[bytes]:
    if chance.random() < 0.3:
        return [data[index : index + 1] for index in range(len(data))]
    edges = sorted({0, len(data), *(chance.randrange(len(data) + 1) for _ in range(3))})
    return [data[start:stop] for start, stop in itertools.pairwise(edges)]
