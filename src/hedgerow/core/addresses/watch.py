"""Hear from the kernel that addresses or links changed (rtnetlink(7))."""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_LINKS, _IPV4_ADDRESSES, _IPV6_ADDRESSES = 0x1, 0x10, 0x100
_GROUPS = _LINKS | _IPV4_ADDRESSES | _IPV6_ADDRESSES
_READ_BYTES = 65_536


@contextmanager
def watching(on_change: Callable[[], None]) -> Iterator[bool]:
    """Call `on_change` after every change until the block ends; False if the host does not tell.

    What changed is not told: whoever hears looks. Changes come in flocks.
    """
    try:
        netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
    except OSError:
        yield False
        return
    with netlink:
        try:
            netlink.settimeout(0)
            netlink.bind((0, _GROUPS))
        except OSError:
            yield False
            return
        loop = asyncio.get_running_loop()
        loop.add_reader(netlink.fileno(), lambda: _heard(netlink, on_change))
        try:
            yield True
        finally:
            loop.remove_reader(netlink.fileno())


def _heard(netlink: socket.socket, on_change: Callable[[], None]) -> None:
    """Take all that came, until there is no more; ENOBUFS (it came too fast) is a change too."""
    with contextlib.suppress(OSError):
        while True:
            netlink.recv(_READ_BYTES)
    on_change()
