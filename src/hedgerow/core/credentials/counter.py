"""Where a process of this machine fetches its token: a socket that only the core's user can open.

The kernel says who is at the other end (`SO_PEERCRED`), so a process gets a token for itself and
for no other. The token goes out over the socket and is never written to a file.
"""

import asyncio
import contextlib
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec
from structlog.typing import FilteringBoundLogger

from hedgerow.core.credentials.credentials import Credentials
from hedgerow.core.credentials.processes import process_of
from hedgerow.kernel import ConfigurationError, DeniedError, HedgerowError, PeerError

_MODE: Final = 0o600
_CREDENTIALS_FORMAT: Final = "3i"
_BACKLOG: Final = 16
_ANSWER_BYTES_LIMIT: Final = 65_536
_PATIENCE_SECONDS: Final = 30.0


class CounterAnswer(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A token and where it is good, or one sentence that says why there is none."""

    token: str = ""
    uri: str = ""
    error: str = ""

    def __repr__(self) -> str:
        """Show no token."""
        return f"CounterAnswer(uri={self.uri!r}, error={self.error!r})"


class TokenCounter:
    """Issues tokens over a Unix socket. Start it, stop it."""

    def __init__(self, path: Path, credentials: Credentials, log: FilteringBoundLogger) -> None:
        self._path = path
        self._credentials = credentials
        self._log = log
        self._uri = ""
        self._server: asyncio.Server | None = None

    async def start(self, uri: str) -> None:
        """Listen; `uri` is where the tokens are good. The socket has mode 0600 from the start."""
        self._uri = uri
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            os.fchmod(listening.fileno(), _MODE)  # what bind makes gets no more than this
            self._path.unlink(missing_ok=True)
            with _short(self._path) as name:
                listening.bind(name)
            listening.listen(_BACKLOG)
            self._server = await asyncio.start_unix_server(self._serve, sock=listening)
        except OSError as error:
            listening.close()
            raise ConfigurationError(f"cannot listen on {self._path}: {error.strerror}") from error

    async def stop(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None
            self._path.unlink(missing_ok=True)

    async def _serve(self, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            answer = await self._answer(writer.get_extra_info("socket"))
            writer.write(msgspec.json.encode(answer))
            await writer.drain()
        except OSError:
            self._log.info("a process that asked for a token did not wait for it")
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _answer(self, connection: socket.socket) -> CounterAnswer:
        try:
            pid, user = _peer(connection)
            if not may_ask(user, own=os.geteuid()):
                raise DeniedError("only the core's own user may ask for a token")
            process = await asyncio.to_thread(process_of, pid)
            async with asyncio.timeout(_PATIENCE_SECONDS):
                await self._credentials.ready()
            return CounterAnswer(
                token=self._credentials.issue_token(process).reveal(), uri=self._uri
            )
        except HedgerowError as error:
            return CounterAnswer(error=error.message)
        except TimeoutError:
            return CounterAnswer(error="the cloud did not answer in time; try again")


def fetch_token(path: Path) -> CounterAnswer:
    """Ask the core that listens at `path` for a token of this very process.

    Raises `ConfigurationError` without such a core, `PeerError` with its reason for giving none.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.settimeout(_PATIENCE_SECONDS * 2)
        try:
            with _short(path) as name:
                asking.connect(name)
            data = b"".join(iter(lambda: asking.recv(_ANSWER_BYTES_LIMIT), b""))
            answer = msgspec.json.decode(data, type=CounterAnswer)
        except msgspec.DecodeError:
            raise PeerError("the core ended while it was asked for a token; try again") from None
        except OSError as error:
            raise ConfigurationError(
                f"cannot ask the core at {path} for a token: {error.strerror or error}; is it "
                "running, and does it belong to this user?"
            ) from error
    if answer.error:
        raise PeerError(answer.error)
    return answer


def may_ask(user: int, *, own: int) -> bool:
    """Tell whether a process of this user may have a token: the core's own user and root may."""
    return user in {own, 0}


def _peer(connection: socket.socket) -> tuple[int, int]:
    """Return process number and user at the other end, as they were when it connected."""
    with socket.socket(fileno=os.dup(connection.fileno())) as copy:
        raw = copy.getsockopt(
            socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize(_CREDENTIALS_FORMAT)
        )
    pid, user, _group = struct.unpack(_CREDENTIALS_FORMAT, raw)
    return pid, user


@contextmanager
def _short(path: Path) -> Iterator[str]:
    """Give a name for a path that is never too long for a socket (108 bytes)."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
