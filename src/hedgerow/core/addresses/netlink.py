"""The host's addresses, from the kernel (rtnetlink(7), `RTM_GETADDR`)."""

import ipaddress
import socket
import struct
import sys
from collections.abc import Iterable, Iterator

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

_RTM_NEWADDR = 20
_RTM_GETADDR = 22
_NLMSG_DONE = 3
_NLM_F_REQUEST_DUMP = 0x301
_IFA_ADDRESS = 1
_IFA_LOCAL = 2
_IFA_FLAGS = 8
_TEMPORARY, _OPTIMISTIC, _DAD_FAILED, _DEPRECATED, _TENTATIVE = 0x01, 0x04, 0x08, 0x20, 0x40
_UNFIT = _TEMPORARY | _OPTIMISTIC | _DAD_FAILED | _DEPRECATED | _TENTATIVE
"""Flags of IPv6 addresses that clients are not to be led to: not yet or no longer the host's, or
made to be changed every day (RFC 8981). IPv4 has another meaning for the first."""
_HEADER = struct.Struct("=IHHII")
_ADDRESS_HEADER = struct.Struct("=BBBBI")
_ATTRIBUTE = struct.Struct("=HH")
_FLAGS_BYTE = 2
_WIDE_FLAGS = 4
_READ_BYTES = 65_536
_ANSWER_SECONDS = 2.0
_WIDTHS: dict[int, int] = {socket.AF_INET: 4, socket.AF_INET6: 16}


def local_addresses() -> tuple[IpAddress, ...]:
    """Return the addresses of this host that others may reach it by, loopback included.

    Link-local ones are left out: they mean nothing without an interface. So are those of IPv6 that
    are temporary, or not yet or no longer to be used. Those of the loopback come last.
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
    return in_order(usable)


def in_order(addresses: Iterable[IpAddress]) -> tuple[IpAddress, ...]:
    """Return addresses as clients should try them: IPv4, IPv6, at last what leads to themselves."""
    return tuple(sorted(addresses, key=lambda each: (each.is_loopback, each.version, int(each))))


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
    if family == socket.AF_INET6 and _flags(message[_FLAGS_BYTE], attributes) & _UNFIT:
        return
    packed = attributes.get(_IFA_LOCAL) or attributes.get(_IFA_ADDRESS)
    if packed is not None and len(packed) == _WIDTHS.get(family):
        yield ipaddress.ip_address(packed)


def _flags(short: int, attributes: dict[int, bytes]) -> int:
    """Return the flags of an address: the wide ones where the kernel gives them."""
    wide = attributes.get(_IFA_FLAGS, b"")
    return int.from_bytes(wide, sys.byteorder) if len(wide) == _WIDE_FLAGS else short


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
