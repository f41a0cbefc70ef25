"""The host's addresses, from the kernel (rtnetlink(7), `RTM_GETADDR`)."""

import ipaddress
import socket
import struct
from collections.abc import Iterator

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

_RTM_NEWADDR = 20
_RTM_GETADDR = 22
_NLMSG_DONE = 3
_NLM_F_REQUEST_DUMP = 0x301
_IFA_ADDRESS = 1
_IFA_LOCAL = 2
_HEADER = struct.Struct("=IHHII")
_ADDRESS_HEADER = struct.Struct("=BBBBI")
_ATTRIBUTE = struct.Struct("=HH")
_READ_BYTES = 65_536
_ANSWER_SECONDS = 2.0
_WIDTHS: dict[int, int] = {socket.AF_INET: 4, socket.AF_INET6: 16}


def local_addresses() -> tuple[IpAddress, ...]:
    """Return the addresses of this host that others may reach it by, loopback included.

    Link-local ones are left out: they mean nothing without an interface.
    """
    found: set[IpAddress] = set()
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as netlink:
        netlink.settimeout(_ANSWER_SECONDS)
        body = _ADDRESS_HEADER.pack(socket.AF_UNSPEC, 0, 0, 0, 0)
        size = _HEADER.size + len(body)
        netlink.send(_HEADER.pack(size, _RTM_GETADDR, _NLM_F_REQUEST_DUMP, 1, 0) + body)
        done = False
        while not done:
            addresses, done = parse_address_dump(netlink.recv(_READ_BYTES))
            found.update(addresses)
    usable = [address for address in found if not address.is_link_local]
    return tuple(sorted(usable, key=lambda address: (address.version, int(address))))


def parse_address_dump(data: bytes) -> tuple[list[IpAddress], bool]:
    """Return the addresses in a part of a dump, and whether it was the last part. Pure."""
    addresses: list[IpAddress] = []
    offset = 0
    while offset + _HEADER.size <= len(data):
        length, kind, *_ = _HEADER.unpack_from(data, offset)
        if kind == _NLMSG_DONE:
            return addresses, True
        if length < _HEADER.size:
            break
        if kind == _RTM_NEWADDR:
            addresses.extend(_address(data[offset + _HEADER.size : offset + length]))
        offset += _aligned(length)
    return addresses, False


def _address(message: bytes) -> Iterator[IpAddress]:
    """Yield the address of one message; of a point-to-point link, the host's own end."""
    if len(message) < _ADDRESS_HEADER.size:
        return
    family = message[0]
    attributes = dict(_attributes(message[_ADDRESS_HEADER.size :]))
    packed = attributes.get(_IFA_LOCAL) or attributes.get(_IFA_ADDRESS)
    if packed is not None and len(packed) == _WIDTHS.get(family):
        yield ipaddress.ip_address(packed)


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    offset = 0
    while offset + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, offset)
        if length < _ATTRIBUTE.size:
            return
        yield kind, data[offset + _ATTRIBUTE.size : offset + length]
        offset += _aligned(length)


def _aligned(length: int) -> int:
    return (length + 3) & ~3
