"""What must hold of the codec for any bytes."""

from typing import Final

from hedgerow.mqtt import Decoder, MalformedPacketError, ProtocolVersion, ReasonCode, encode
from hedgerow.mqtt.codec import Packet

MAXIMUM_BYTES: Final = 1 << 16
_VERSIONS: Final = tuple(ProtocolVersion)
_LONGEST_STEP: Final = 64


def check(data: bytes) -> None:
    """Raise `AssertionError`, or whatever the codec raises that it must not.

    The first byte chooses the version and how the rest is cut.
    """
    if not data:
        return
    chosen, stream = data[0], data[1:]
    version = _VERSIONS[chosen % len(_VERSIONS)]
    packets, fault = read(stream, version, len(stream) or 1)
    cut_packets, cut_fault = read(stream, version, 1 + chosen % _LONGEST_STEP)
    assert cut_fault == fault, f"cut into pieces the stream is {cut_fault}, whole it is {fault}"
    if fault is None:
        assert cut_packets == packets, "cut into pieces the stream has other packets"
    for packet in cut_packets:
        written = encode(packet, version)
        (again,) = Decoder(version).feed(written)
        assert again == packet, f"{packet} is read as {again} when it was written"
        assert encode(again, version) == written


def read(
    stream: bytes, version: ProtocolVersion, step: int
) -> tuple[list[Packet], ReasonCode | None]:
    """Return the packets up to the first fault, and the fault's reason."""
    decoder = Decoder(version, maximum_bytes=MAXIMUM_BYTES)
    packets: list[Packet] = []
    for start in range(0, len(stream), step):
        try:
            packets += decoder.feed(stream[start : start + step])
        except MalformedPacketError as error:
            fault = error
            break
    else:
        return packets, None
    assert fault.reason.is_error
    assert str(fault)
    return packets, fault.reason
