"""Does the core do its work with the group that it runs: asked after a switch, and after a start.

Each question is put to the part itself, the way that what depends on it does: by a handshake, over
HTTP, from the disk. What depends on the cloud is not asked: a core without one is healthy.
"""

import asyncio
import sqlite3
import ssl
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta

import aiohttp
import msgspec

from hedgerow.core.certificates import CertificateKeeper
from hedgerow.core.deployment import DeploymentFolder, UnhealthyError, VerifiedGroup
from hedgerow.core.health import STATUS_PATH, HealthServer
from hedgerow.core.server import LocalServer
from hedgerow.core.shadow import LocalShadows
from hedgerow.core.spool import CloudQueue, StorageType
from hedgerow.kernel import HedgerowError

_FAULTS = (
    HedgerowError, OSError, sqlite3.Error, ssl.SSLError, aiohttp.ClientError, msgspec.MsgspecError
)  # fmt: skip
_OK = 200


@dataclass(frozen=True, slots=True)
class _Question:
    """What is asked of one part; `put` raises what is wrong with it."""

    part: str
    put: Callable[[], Awaitable[None]]


class HealthCheck:
    """Asks every part, within `deadline` (`postStartHealthCheckTimeout`)."""

    def __init__(
        self,
        folder: DeploymentFolder,
        server: LocalServer,
        keeper: CertificateKeeper,
        queue: CloudQueue,
        shadows: LocalShadows,
        *,
        deadline: timedelta,
    ) -> None:
        self._folder = folder
        self._server = server
        self._keeper = keeper
        self._queue = queue
        self._shadows = shadows
        self._deadline = deadline
        self.api: HealthServer | None = None
        """The health API, once it is there."""

    def closed_ports(self) -> Iterator[str]:
        """Yield which of the core's ports it does not listen on, though it should."""
        if not self._server.is_listening:
            yield "the local MQTT server does not listen any more; restart the core"
        if self.api is not None and not self.api.is_listening:
            yield "the health API does not listen any more; restart the core"

    async def run(self, group: VerifiedGroup, storage: StorageType) -> None:
        """Pass only if every part does its work; `UnhealthyError` lists what does not."""
        questions = (
            _Question("the stored deployment", lambda: self._ask_disk(group)),
            _Question("the local MQTT server", self._ask_server),
            _Question("the health API", self._ask_api),
            _Question("the queue for the cloud", lambda: self._ask_queue(storage)),
            _Question("the local shadows", lambda: self._ask_shadows(group)),
        )
        found: list[str] = []
        asked = ""
        try:
            async with asyncio.timeout(self._deadline.total_seconds()):
                for question in questions:
                    asked = question.part
                    try:
                        await question.put()
                    except _FAULTS as error:
                        found.append(f"{asked}: {error}")
        except TimeoutError:
            seconds = self._deadline.total_seconds()
            found.append(f"{asked}: no answer within {seconds:.0f} s")
        if found:
            raise UnhealthyError("; ".join(found))

    async def _ask_disk(self, group: VerifiedGroup) -> None:
        self._folder.require_running(group)

    async def _ask_server(self) -> None:
        """Begin a handshake as a device does, as far as the server's certificate."""
        if not self._server.is_listening:
            raise UnhealthyError("it does not listen any more")
        served = self._keeper.served
        if served is None:
            return  # it refuses newcomers, as documented, until the cloud gives it a certificate
        if not self._server.is_open:
            raise UnhealthyError(f"it lets nobody in: {self._server.authority.closed_because}")
        shown = self._server.shown_certificate()
        if shown is not None and shown != served.leaf_der():
            raise UnhealthyError("it does not prove itself with its newest certificate")

    async def _ask_api(self) -> None:
        api = self.api
        if api is None:
            return
        url = f"http://127.0.0.1:{api.port}{STATUS_PATH}"
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            await answer.read()
            if answer.status != _OK:
                raise UnhealthyError(f"it answers {answer.status}")

    async def _ask_queue(self, storage: StorageType) -> None:
        if not self._queue.is_changing and self._queue.storage != storage:
            raise UnhealthyError(f"it is kept in {self._queue.storage}, not in {storage}")

    async def _ask_shadows(self, group: VerifiedGroup) -> None:
        self._shadows.require_readable(group.group.core.thing_name)
