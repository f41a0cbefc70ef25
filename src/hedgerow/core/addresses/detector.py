"""Publish the address list whenever it changes, for a group that asks for it.

Whoever serves is told first and has a certificate that names what is new: a client that discovers
an address finds a server that can prove it. The kernel tells of changes; a look now and then is for
hosts whose kernel does not.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from structlog.typing import FilteringBoundLogger

from hedgerow.contract import MAX_ADDRESSES, ConnectivityEntry, ConnectivityInfo, FunctionMember
from hedgerow.core.addresses.netlink import IpAddress, local_addresses
from hedgerow.core.addresses.settling import SettledAddresses
from hedgerow.core.addresses.watch import watching
from hedgerow.kernel import Clock, HedgerowError

DETECTOR_ARN = "arn:aws:lambda:::function:GGIPDetector:1"
"""The system function whose presence in a group switches detection on (guide page gg-core)."""

PAUSE_SECONDS = 2.0
"""Addresses are published once in so long at most: each time may take a certificate of its own."""

_LOOK_SECONDS = 10.0
_GATHER_SECONDS = 0.1
"""Changes come in flocks: each is looked at so long after it was told."""


class ConnectivityPublisher(Protocol):
    """The cloud's data plane, as the detector needs it (`link.CloudHttp`)."""

    async def update_connectivity(self, info: ConnectivityInfo) -> None:
        """Publish the core's addresses."""


class AnnouncedServer(Protocol):
    """What serves under the addresses (`certificates.CertificateKeeper`)."""

    async def serve_for(self, announced: tuple[ConnectivityEntry, ...]) -> None:
        """Serve a certificate that names these addresses."""

    def published(self) -> None:
        """Hear that they are published."""


def wants_detection(functions: Iterable[FunctionMember]) -> bool:
    """Tell whether a group asks for automatic detection."""
    return any(
        f.function_arn.rpartition(":")[0] == DETECTOR_ARN.rpartition(":")[0] for f in functions
    )


def connectivity_of(addresses: Sequence[IpAddress], port: int) -> ConnectivityInfo:
    """Return the connectivity information of these addresses, with ids as detection gives them."""
    return ConnectivityInfo(
        connectivity_info=tuple(
            ConnectivityEntry(
                id=f"AUTOIP_{address}_{number}", host_address=str(address), port_number=port
            )
            for number, address in enumerate(addresses[:MAX_ADDRESSES])
        )
    )


class AddressDetector:
    """Looks at the host's addresses; off until a group asks for it."""

    def __init__(
        self,
        publisher: ConnectivityPublisher,
        log: FilteringBoundLogger,
        *,
        server: AnnouncedServer,
        clock: Clock,
        addresses: Callable[[], Sequence[IpAddress]] = local_addresses,
        pause_seconds: float = PAUSE_SECONDS,
    ) -> None:
        self._clock = clock
        self._pause_seconds = pause_seconds
        self._settled = SettledAddresses()
        self._server = server
        self._publisher = publisher
        self._log = log
        self._addresses = addresses
        self._port: int | None = None
        self._published: ConnectivityInfo | None = None
        self._look = asyncio.Event()
        self.problem: str | None = None

    @property
    def is_on(self) -> bool:
        """Tell whether the group asks for detection."""
        return self._port is not None

    def switch_on(self, port: int) -> None:
        """Publish from now on, with this port of the local MQTT server."""
        self._port = port
        self._look.set()

    def switch_off(self) -> None:
        """Leave the connectivity information to people; forget what was published."""
        self._port = None
        self._published = None
        self._settled.forget()
        self.problem = None

    def look_again(self) -> None:
        """Look now rather than at the next interval, as after a new connection to the cloud."""
        self._look.set()

    async def run(self) -> None:
        """Look, publish, wait, until cancelled."""
        with watching(self._look_soon):
            while True:
                self._look.clear()
                if await self._publish_if_changed():
                    await asyncio.sleep(self._pause_seconds)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._seconds_to_next_look()):
                        await self._look.wait()

    def _look_soon(self) -> None:
        asyncio.get_running_loop().call_later(_GATHER_SECONDS, self._look.set)

    def entries(self, port: int) -> tuple[ConnectivityEntry, ...]:
        """Return the host's addresses as they would be published now."""
        present = self._settled.see(self._addresses(), self._clock.monotonic())
        return connectivity_of(present, port).connectivity_info

    async def publish(self, port: int) -> bool:
        """Publish the addresses if they are others than before; raises what goes wrong."""
        info = ConnectivityInfo(connectivity_info=self.entries(port))
        if info == self._published or not info.connectivity_info:
            return False
        await self._server.serve_for(info.connectivity_info)
        await self._publisher.update_connectivity(info)
        self._published = info
        self._server.published()
        self._log.info(
            "addresses published", addresses=[e.host_address for e in info.connectivity_info]
        )
        return True

    async def _publish_if_changed(self) -> bool:
        if self._port is None:
            return False
        try:
            published = await self.publish(self._port)
        except (HedgerowError, OSError) as error:
            self._tell(str(error))
            return False
        self.problem = None
        return published

    def _seconds_to_next_look(self) -> float | None:
        """Return when to look though nothing is heard; never for a group that did not ask."""
        if not self.is_on:
            return None
        moment = self._settled.next_moment()
        if moment is None:
            return _LOOK_SECONDS
        return min(max(moment - self._clock.monotonic(), 0.0), _LOOK_SECONDS)

    def _tell(self, reason: str) -> None:
        if reason != self.problem:
            self._log.warning("addresses cannot be published", reason=reason)
        self.problem = reason
