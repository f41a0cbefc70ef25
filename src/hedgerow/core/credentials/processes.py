"""Which process is at the other end of a loopback connection, as the Linux kernel tells it.

Everything here reads `/proc` and blocks for a moment; call it in a thread.
"""

import os
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hedgerow.kernel import CallerError

Address = tuple[str, int]
"""An IPv4 address and a port."""

_PROC: Final = Path("/proc")
_STATE, _PARENT, _STARTED = 0, 1, 19
"""Places of fields in `/proc/<pid>/stat`, counted after the command's name (proc(5))."""

_SOCKET: Final = re.compile(r"socket:\[(\d+)\]")


@dataclass(frozen=True, slots=True)
class Process:
    """One process and no later one of the same number: `started` is in ticks since boot."""

    pid: int
    started: int
    user: int


@dataclass(frozen=True, slots=True)
class _Connection:
    inode: str
    user: int


def process_of(pid: int) -> Process:
    """Return the process that has this number now, or raise `CallerError`."""
    try:
        user = (_PROC / str(pid)).stat().st_uid
        fields = _stat_fields(pid)
    except OSError:
        raise CallerError(f"there is no process {pid}") from None
    return Process(pid=pid, started=int(fields[_STARTED]), user=user)


def is_running(process: Process) -> bool:
    """Tell whether it is still there."""
    try:
        fields = _stat_fields(process.pid)
    except OSError:
        return False
    return int(fields[_STARTED]) == process.started and fields[_STATE] not in {"Z", "X"}


def holds_connection(process: Process, *, local: Address, peer: Address) -> bool:
    """Tell whether a connection from `peer` to us at `local` is this process's, or a child's.

    Where the kernel does not show us the open files of a process of another user, that user is
    all that can be compared.
    """
    connection = _connection(local, peer)
    if connection is None or not is_running(process):
        return False
    hidden = False
    for pid in _family(process.pid):
        try:
            if connection.inode in _sockets(pid):
                return is_running(process)  # or its number has gone to another one meanwhile
        except PermissionError:
            hidden = True
        except OSError:
            continue  # it ended meanwhile
    return hidden and connection.user == process.user


def _connection(local: Address, peer: Address) -> _Connection | None:
    """Return the peer's end of a TCP connection between two addresses of this machine."""
    wanted = (_hex(peer), _hex(local))
    for line in (_PROC / "self/net/tcp").read_text("ascii").splitlines()[1:]:
        fields = line.split()
        if (fields[1], fields[2]) == wanted:
            return _Connection(inode=fields[9], user=int(fields[7]))
    return None


def _hex(address: Address) -> str:
    """Return an address as `/proc/net/tcp` prints it: a number in the machine's byte order."""
    host, port = address
    number = int.from_bytes(bytes(int(part) for part in host.split(".")), "little")
    return f"{number:08X}:{port:04X}"


def _family(pid: int) -> Iterator[int]:
    """Yield a process, and then all that it started and that are still below it."""
    yield pid  # nearly always it is this one, and the others need not be looked for
    children: dict[int, list[int]] = defaultdict(list)
    for entry in os.scandir(_PROC):
        if entry.name.isdecimal():
            try:
                children[int(_stat_fields(int(entry.name))[_PARENT])].append(int(entry.name))
            except OSError:
                continue
    waiting = list(children[pid])
    while waiting:
        current = waiting.pop()
        yield current
        waiting.extend(children[current])


def _sockets(pid: int) -> set[str]:
    found = set()
    for entry in os.scandir(_PROC / str(pid) / "fd"):
        try:
            match = _SOCKET.fullmatch(str(Path(entry.path).readlink()))
        except FileNotFoundError:
            continue
        if match is not None:
            found.add(match[1])
    return found


def _stat_fields(pid: int) -> list[str]:
    """Return the fields after the command, whose name may hold anything, even `)`."""
    text = (_PROC / str(pid) / "stat").read_text("utf-8", errors="replace")
    return text.rpartition(")")[2].split()
