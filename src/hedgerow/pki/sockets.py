"""Listening sockets: every address of a host on one port.

Addresses of a family that this machine has switched off are passed over, as long as one is left.
"""

import contextlib
import errno
import socket
from collections.abc import Sequence
from typing import Any

BACKLOG = 4096
"""A fleet that comes back at once waits in the kernel; who finds no place tries again in seconds.
Linux gives as many as `net.core.somaxconn` says, which is 4096 unless it was changed."""
_ATTEMPTS = 5
_FAMILY_IS_OFF = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})

SocketAddress = tuple[Any, ...]


def listening_sockets(
    addresses: Sequence[tuple[int, SocketAddress]], port: int, receive_bytes: int | None = None
) -> list[socket.socket]:
    """Return non-blocking sockets that listen on each (family, address), all on one port.

    Port 0 takes one that is free on all of them. Of `receive_bytes` at most wait in the kernel for
    each connection; without it the kernel lets them grow. Raises `OSError` if there is none to be
    had.
    """
    attempts = 1 if port else _ATTEMPTS
    while True:
        attempts -= 1
        try:
            return _all_or_none(addresses, port, receive_bytes)
        except OSError as error:
            # The port that was free on the first address may be taken on the second.
            if error.errno != errno.EADDRINUSE or not attempts:
                raise


def _all_or_none(
    addresses: Sequence[tuple[int, SocketAddress]], port: int, receive_bytes: int | None
) -> list[socket.socket]:
    made: list[socket.socket] = []
    for family, address in addresses:
        own_port = made[0].getsockname()[1] if made else port
        is_last_hope = not made and (family, address) == addresses[-1]
        try:
            made.append(_listening(family, (address[0], own_port, *address[2:]), receive_bytes))
        except OSError as error:
            if error.errno in _FAMILY_IS_OFF and not is_last_hope:
                continue
            for sock in made:
                sock.close()
            raise
    return made


def _listening(family: int, address: SocketAddress, receive_bytes: int | None) -> socket.socket:
    # Named, so that Python's own loop too sends small packets at once: it looks at the protocol.
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if receive_bytes is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        sock.bind(address)
        sock.listen(BACKLOG)
        sock.settimeout(0)
    except BaseException:
        sock.close()
        raise
    return sock
