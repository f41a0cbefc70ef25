"""The codec over all packets that can be, and over all bytes that should not be."""

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.mqtt_packets import packets, versions

from hedgerow.mqtt import Decoder, MalformedPacketError, ProtocolVersion, encode
from hedgerow.mqtt.codec import Packet


@st.composite
def _streams(draw: st.DrawFn) -> tuple[ProtocolVersion, list[Packet], list[int]]:
    version = draw(versions)
    sent = draw(st.lists(packets(version), min_size=1, max_size=5))
    cuts = draw(st.lists(st.integers(0, 2000), max_size=8))
    return version, sent, cuts


@given(_streams())
def test_what_was_written_is_read_again_however_it_is_cut(
    stream: tuple[ProtocolVersion, list[Packet], list[int]],
) -> None:
    version, sent, cuts = stream
    data = b"".join(encode(packet, version) for packet in sent)
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    decoder = Decoder(version)
    received: list[Packet] = []
    for start, stop in itertools.pairwise(edges):
        received += decoder.feed(data[start:stop])
    assert received == sent


@given(_streams())
def test_what_is_read_is_written_again_with_the_same_bytes(
    stream: tuple[ProtocolVersion, list[Packet], list[int]],
) -> None:
    version, sent, _ = stream
    for packet in sent:
        data = encode(packet, version)
        (read,) = Decoder(version).feed(data)
        assert encode(read, version) == data


@given(versions, st.binary(max_size=200))
def test_any_bytes_give_packets_or_a_named_fault(version: ProtocolVersion, data: bytes) -> None:
    decoder = Decoder(version, maximum_bytes=1 << 16)
    fault = None
    try:
        decoder.feed(data)
    except MalformedPacketError as error:
        fault = error
    assert fault is None or (fault.reason.is_error and str(fault))


@given(_streams(), st.data())
def test_a_packet_with_flipped_bytes_gives_packets_or_a_named_fault(
    stream: tuple[ProtocolVersion, list[Packet], list[int]], draw: Any
) -> None:
    version, sent, _ = stream
    data = bytearray(b"".join(encode(packet, version) for packet in sent))
    for _ in range(draw.draw(st.integers(1, 4))):
        data[draw.draw(st.integers(0, len(data) - 1))] = draw.draw(st.integers(0, 255))
    decoder = Decoder(version, maximum_bytes=1 << 16)
    try:
        read = decoder.feed(bytes(data))
    except MalformedPacketError:
        return
    for packet in read:
        # What is accepted is something that we can say ourselves.
        assert encode(packet, version)


@pytest.mark.parametrize("size", [1, 2, 7])
def test_chunks_of_any_size_cost_a_bounded_number_of_copies(size: int) -> None:
    """A packet that trickles in is joined once: the time grows with its size, not its square."""
    data = b"\x30\x80\x80\x08\x00\x01t" + b"x" * (128 * 1024 - 3)
    decoder = Decoder(ProtocolVersion.V311)
    received: list[Packet] = []
    for start in range(0, len(data), size):
        received += decoder.feed(data[start : start + size])
    assert len(received) == 1
