"""The running cloud: opened on a data folder, started, stopped.

Order matters: nothing listens before everything it needs runs, `endpoints.json` appears when all
doors are open, and at stop the doors close first.
"""

import asyncio
import os
import signal
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import msgspec
import structlog

from hedgerow.cloud.access.endpoint import ApiEndpoint, ApiPeer
from hedgerow.cloud.app.administrator import require_private_administrator, write_administrator
from hedgerow.cloud.app.authorities import Authorities, load_authorities
from hedgerow.cloud.app.composition import Rooms, compose
from hedgerow.cloud.app.device_front import AnyProtocol, DeviceFront
from hedgerow.cloud.app.doors import Doors
from hedgerow.cloud.app.endpoints import (
    Endpoints,
    PrivateApiEndpoint,
    remove_endpoints,
    write_endpoints,
)
from hedgerow.cloud.app.founding import found_if_missing
from hedgerow.cloud.app.layout import Layout, Settings, read_settings
from hedgerow.cloud.app.private_api import PrivateApi, PrivateDoor, private_doors
from hedgerow.cloud.app.records import record_refused_handshake
from hedgerow.cloud.app.session_vault import SessionVault
from hedgerow.cloud.cloudtrail import Deliveries, Intervals, TrailKeys
from hedgerow.cloud.greengrass import InputStores
from hedgerow.cloud.home import Home
from hedgerow.cloud.updates import Freshener, UpdateRepository
from hedgerow.kernel import Clock, ConfigurationError, SystemClock
from hedgerow.pki import TlsListener, TlsPeer, TlsSlot
from hedgerow.store import MasterKey, Store

API_PORT = 7443
DEVICE_HTTPS_PORT = 8443
DEVICE_MQTT_PORT = 8883
ANY_HOST = "0.0.0.0"  # noqa: S104 - devices come from the network, and every door has TLS
_LOG = structlog.get_logger("hedgerow.cloud.app")


@dataclass(frozen=True, slots=True)
class Ports:
    """Which doors are wanted; port 0 is any free one, None is none."""

    api: int | None
    device_https: int
    device_mqtt: int
    combined: int | None
    private: tuple[PrivateDoor, ...] = ()


class CloudApp:
    """One cloud. `open`, then `start`, then `stop`; it is not started twice."""

    def __init__(
        self,
        layout: Layout,
        settings: Settings,
        store: Store,
        authorities: Authorities,
        trail_keys: TrailKeys,
        *,
        host: str,
        ports: Ports,
        sessions: SessionVault,
        deliveries: Deliveries,
        inputs: InputStores,
        clock: Clock,
    ) -> None:
        self._layout = layout
        self._settings = settings
        self._authorities = authorities
        self._host = host
        self._ports = ports
        self._clock = clock
        self._store = store
        self._rooms: Rooms = compose(
            store,
            settings,
            authorities,
            trail_keys,
            sessions=sessions,
            deliveries=deliveries,
            inputs=inputs,
            updates=layout.updates,
            events=layout.events,
            clock=clock,
        )
        self._freshener = Freshener(UpdateRepository(layout.updates, clock))
        self._endpoints: Endpoints | None = None
        self._closing = AsyncExitStack()
        self._closing.push_async_callback(store.close)

    @classmethod
    async def open(
        cls,
        data_dir: Path,
        *,
        host: str = ANY_HOST,
        api_port: int | None = API_PORT,
        device_https_port: int = DEVICE_HTTPS_PORT,
        device_mqtt_port: int = DEVICE_MQTT_PORT,
        combined_port: int | None = None,
        private_apis: Sequence[PrivateApi] = (),
        deliveries: Path | None = None,
        trail_intervals: Intervals | None = None,
        clock: Clock | None = None,
    ) -> Self:
        """Open a cloud's data folder. Raises `ConfigurationError` that says what is wrong.

        Without an `api_port` the API is reached by its private doors only. `deliveries` is where
        trails deliver, a folder inside the data folder if it is left out.
        """
        clock = clock or SystemClock()
        private = private_doors(private_apis)
        if api_port is None and not private:
            raise ConfigurationError(
                "the API would have no door at all: add a private one, or leave the ordinary one"
            )
        layout = Layout(data_dir)
        settings = read_settings(layout)
        require_private_administrator(layout.administrator)
        authorities = await asyncio.to_thread(load_authorities, layout, clock)
        master_key = MasterKey.from_file(layout.master_key)
        inputs = InputStores.open(layout.buckets, layout.s3)
        trail_keys = await asyncio.to_thread(TrailKeys.open, layout.trail, master_key)
        store = await Store.open(layout.database, master_key, clock)
        ports = Ports(api_port, device_https_port, device_mqtt_port, combined_port, private)
        return cls(
            layout,
            settings,
            store,
            authorities,
            trail_keys,
            host=host,
            ports=ports,
            sessions=SessionVault(layout.sessions, master_key),
            deliveries=Deliveries(deliveries or layout.deliveries, trail_intervals or Intervals()),
            inputs=inputs,
            clock=clock,
        )

    @property
    def endpoints(self) -> Endpoints:
        """Where this cloud listens; there once it is started."""
        if self._endpoints is None:
            raise RuntimeError("the cloud is not started")
        return self._endpoints

    async def start(self) -> None:
        """Open every door, then write `endpoints.json`. A failure leaves nothing running."""
        try:
            await self._start_rooms()
            doors = await self._open_doors()
            self._endpoints = await self._listen(doors)
            write_endpoints(self._layout.endpoints, self._endpoints)
        except BaseException:
            await self.stop()
            raise
        _LOG.info("cloud started", **msgspec.to_builtins(self._endpoints))

    async def stop(self) -> None:
        """Close the doors, let requests in progress finish, and close the store."""
        if self._endpoints is not None:
            remove_endpoints(self._layout.endpoints)
            self._endpoints = None
        await self._closing.aclose()

    async def _start_rooms(self) -> None:
        await self._found_if_missing()
        self._closing.push_async_callback(self._rooms.identities.stop)
        await self._rooms.identities.start()
        self._closing.push_async_callback(self._rooms.accounts.stop)
        await self._rooms.accounts.start()
        self._closing.push_async_callback(self._freshener.stop)
        await self._freshener.start()
        self._closing.push_async_callback(self._rooms.gateway.stop)

    async def _found_if_missing(self) -> None:
        """Bring a data folder of the first version up to date."""
        home = Home(account=self._settings.account_id, region=self._settings.region)
        administrator = await found_if_missing(self._store, home)
        if administrator is not None:
            write_administrator(self._layout.administrator, administrator)
            _LOG.warning(
                "the administrator is an IAM user now, with a new access key",
                arn=administrator.arn,
                file=str(self._layout.administrator),
            )

    async def _open_doors(self) -> Doors:
        doors = Doors(
            self._layout,
            self._settings,
            self._rooms.accounts.anchors,
            root=self._authorities.root,
            server_key=self._authorities.server_key,
            clock=self._clock,
            further_names=[door.name for door in self._ports.private if door.name is not None],
        )
        self._closing.push_async_callback(doors.stop)
        await doors.start()
        return doors

    async def _listen(self, doors: Doors) -> Endpoints:
        ports, front = self._ports, DeviceFront(self._rooms.accounts)
        combined = None
        if ports.combined is not None:
            combined = await self._listener(doors.combined, front.combined, ports.combined)
        api = None
        if ports.api is not None:
            api = await self._listener(doors.api, self._api(None), ports.api)
        return Endpoints(
            host=self._settings.host_names[0],
            api_port=api,
            device_https_port=await self._listener(doors.https, front.https, ports.device_https),
            device_mqtt_port=await self._listener(doors.mqtt, front.mqtt, ports.device_mqtt),
            combined_port=combined,
            private_apis=tuple([await self._private_api(doors, door) for door in ports.private]),
            account_id=self._settings.account_id,
            region=self._settings.region,
            pid=os.getpid(),
        )

    async def _private_api(self, doors: Doors, door: PrivateDoor) -> PrivateApiEndpoint:
        factory = self._api(door.endpoint)
        port = await self._listener(doors.api, factory, door.port, door.host)
        host = door.name or self._settings.host_names[0]
        return PrivateApiEndpoint(id=door.endpoint.id, host=host, port=port)

    def _api(self, endpoint: ApiEndpoint | None) -> Callable[[TlsPeer], AnyProtocol]:
        """Return what serves connections of one door, whose calls say where they came in."""
        gateway = self._rooms.gateway
        return lambda peer: gateway.protocol_factory(ApiPeer(peer, endpoint))

    async def _listener(
        self,
        slot: TlsSlot,
        factory: Callable[[TlsPeer], AnyProtocol],
        port: int,
        host: str | None = None,
    ) -> int:
        listener = TlsListener(slot, factory, on_refusal=self._handshake_refused)
        await listener.start(self._host if host is None else host, port)
        self._closing.push_async_callback(listener.stop)
        return listener.port

    def _handshake_refused(self, reason: str, address: str) -> None:
        record_refused_handshake(self._rooms.accounts.founding.trail, reason, address)


async def run_cloud(
    data_dir: Path,
    *,
    host: str = ANY_HOST,
    api_port: int | None = API_PORT,
    device_https_port: int = DEVICE_HTTPS_PORT,
    device_mqtt_port: int = DEVICE_MQTT_PORT,
    combined_port: int | None = None,
    private_apis: Sequence[PrivateApi] = (),
    deliveries: Path | None = None,
    trail_intervals: Intervals | None = None,
    clock: Clock | None = None,
) -> None:
    """Serve a cloud until SIGTERM or SIGINT, then stop it cleanly.

    Meant for `uvloop.run`; it works on any event loop.
    """
    app = await CloudApp.open(
        data_dir,
        host=host,
        api_port=api_port,
        device_https_port=device_https_port,
        device_mqtt_port=device_mqtt_port,
        combined_port=combined_port,
        private_apis=private_apis,
        deliveries=deliveries,
        trail_intervals=trail_intervals,
        clock=clock,
    )
    asked_to_stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked_to_stop.set)
    try:
        await app.start()
        await asked_to_stop.wait()
    finally:
        await app.stop()
