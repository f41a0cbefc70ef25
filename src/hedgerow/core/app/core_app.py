"""One core: its parts, joined."""

import asyncio
import os
from contextlib import AsyncExitStack
from pathlib import Path
from typing import IO

from hedgerow.contract import DeploymentNotice
from hedgerow.core.addresses import AddressDetector, connectivity_of, local_addresses
from hedgerow.core.app.activation import GroupActivation, Parts
from hedgerow.core.app.endpoints import CoreEndpoints, remove_endpoints, write_endpoints
from hedgerow.core.app.health_check import HealthCheck
from hedgerow.core.app.local_tls import local_tls
from hedgerow.core.app.lock import RootLock
from hedgerow.core.app.log import RotatingFile, system_log
from hedgerow.core.app.notices import AfterNotices, NoticeBoard, addresses_topic
from hedgerow.core.app.status import StatusBoard
from hedgerow.core.certificates import CertificateKeeper, OwnAuthority, ServerCertificateStore
from hedgerow.core.config import (
    CoreConfig,
    LastGood,
    load_config,
    require_link_protection,
    require_seccomp,
)
from hedgerow.core.credentials import (
    CREDENTIALS_PATH,
    Credentials,
    CredentialsEndpoint,
    RoleKeeper,
    TokenCounter,
)
from hedgerow.core.deployment import DeploymentAgent, DeploymentFolder, Mode
from hedgerow.core.health import HealthServer
from hedgerow.core.link import (
    Backoff,
    CloudHttp,
    CloudLink,
    LinkHandlers,
    LinkIdentity,
    carried,
    load_key,
)
from hedgerow.core.server import LocalOffer, LocalServer
from hedgerow.core.shadow import (
    CloudCopies,
    LocalShadows,
    ShadowDatabase,
    ShadowRequests,
    ShadowSync,
)
from hedgerow.core.spool import CloudQueue
from hedgerow.core.telemetry import DropMeter, HostMeter, RuntimeConfiguration, TelemetryAgent
from hedgerow.kernel import Clock, new_uuid
from hedgerow.mqtt import NO_KEEPER, Keeper, Message
from hedgerow.mqtt.keeping import FileKeeper
from hedgerow.pki import TwinFile

_LONGEST_QUEUE_PAUSE_SECONDS = 60.0
_FIRST_QUEUE_PAUSE_SECONDS = 1.0


class CoreApp:
    """A core on a root folder. `start`, then it serves until `stop`; it is started once.

    Nothing of the start waits for the cloud: what was deployed before is served at once.
    """

    def __init__(
        self,
        root: Path,
        *,
        clock: Clock,
        insecure_skip_link_protection: bool = False,
        echo: IO[str] | None = None,
    ) -> None:
        self._root = root
        self._clock = clock
        self._insecure = insecure_skip_link_protection
        self._echo = echo
        self._background: asyncio.Task[None] | None = None
        self._held = AsyncExitStack()

    async def start(self) -> None:
        """Read the configuration, serve what is deployed, and begin to reach for the cloud.

        Raises `ConfigurationError` that says what is wrong with the root folder or the host.
        """
        require_link_protection(insecure_skip=self._insecure)
        require_seccomp(insecure_skip=self._insecure)
        last_good = LastGood(self._root)
        self._mended = last_good.mend()
        self.config = load_config(self._root)
        lock = RootLock(self.config.folders.state)
        lock.take()
        self._held.callback(lock.release)
        try:
            self._join(self.config)
            await self._serve()
        except BaseException:
            await self._held.aclose()
            raise
        self._keep_copies(last_good)
        self._log.info("core serves", mqtt_port=self.mqtt_port, daemon_port=self.daemon_port)

    async def stop(self) -> None:
        """Say goodbye to clients and cloud, and bring to the disk what is to be kept."""
        if self._background is None:
            return
        remove_endpoints(self.config.folders)
        if not self._background.done():
            self.agent.stopped()
        self._background.cancel()
        await asyncio.gather(self._background, return_exceptions=True)
        self._background = None
        self._log.info("core stops")
        await self._held.aclose()

    async def wait(self) -> None:
        """Wait until the core fails; it never ends by itself otherwise."""
        if self._background is not None:
            await self._background

    @property
    def mqtt_port(self) -> int:
        """The port of the local MQTT server in force."""
        return self.server.port

    @property
    def daemon_port(self) -> int:
        """The port of the health API in force."""
        return self._health.port

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong now, each in one sentence."""
        return self.board.problems()

    def _keep_copies(self, last_good: LastGood) -> None:
        """Keep what the core has just started with, for the day a power cut damages it."""
        try:
            last_good.keep(self.config)
        except OSError as error:
            self._log.warning("no copies are kept of what this core starts with", reason=str(error))

    def _join(self, config: CoreConfig) -> None:
        """Make all parts and join them; opens nothing but the log."""
        clock, folders = self._clock, config.folders
        file = RotatingFile(folders.system_log / "runtime.log")
        self._held.callback(file.close)
        self._log = log = system_log(file, clock, self._echo)
        if self._insecure:
            log.warning(
                "insecure mode: the kernel was not asked for link protection and seccomp (-i)"
            )
        for finding in self._mended:
            log.error("a file was damaged", reason=finding)
        for key in config.options.unknown:
            log.warning("an option of config.json is not known and has no effect", key=key)
        for key in config.misplaced_options:
            log.warning(
                "a key of config.json has no effect; options stand at the top under 'hedgerow'",
                key=key,
            )
        identity = LinkIdentity.load(config)
        self.http = CloudHttp(config, identity, clock)
        self.queue = CloudQueue(
            folders.spool,
            clock=clock,
            log=log.bind(component="GGCloudSpooler"),
            retry=Backoff(_LONGEST_QUEUE_PAUSE_SECONDS, _FIRST_QUEUE_PAUSE_SECONDS),
            topics_arn=f"arn:aws:iot:{config.thing_arn.region}:{config.thing_arn.account}:topic/",
            window=config.options.spooler_in_flight,
        )
        self._held.callback(self.queue.close)
        self._join_shadows(config)
        self.server = LocalServer(
            self._queue_for_cloud,
            self.shadow_requests.take,
            clock=clock,
            log=log.bind(component="GGConnManager"),
            offer=LocalOffer(
                qos=config.options.local_qos,
                sessions_s=int(config.options.local_sessions.total_seconds()),
                retained=config.options.local_retained,
                shared_subscriptions=config.options.local_shared_subscriptions,
            ),
            tls=local_tls(config.options),
            keeper=self._session_keeper(config),
        )
        certificates = log.bind(component="GGDeviceCertificateManager")
        self.keeper = CertificateKeeper(
            ServerCertificateStore(
                folders.server,
                load_key(config.server_key, config.token) if config.server_key else None,
            ),
            self.http,
            self.server.serve_certificate,
            clock=clock,
            log=certificates,
            own_addresses=lambda: (
                connectivity_of(local_addresses(), self.server.port).connectivity_info
            ),
            own_authority=OwnAuthority(folders.server, clock=clock, log=certificates)
            if config.options.delegated_issuing
            else None,
        )
        self.detector = AddressDetector(
            self.http, log.bind(component="GGIPDetector"), server=self.keeper, clock=clock
        )
        tes = log.bind(component="GGTES")
        self.role = RoleKeeper(self.http, clock=clock, log=tes)
        self.credentials = Credentials(self.role, log=tes)
        self._counter = TokenCounter(folders.credentials_socket, self.credentials, tes)
        self._join_telemetry(config)
        self.notices = NoticeBoard(
            config,
            log,
            on_notice=self._heard,
            bells={
                addresses_topic(config.thing_name): self.keeper.addresses_changed,
                self.configuration.topic: self.configuration.look_again,
            },
        )
        self.link = CloudLink(
            config,
            identity,
            self.notices.filters,
            LinkHandlers(
                notice=self.notices.hear,
                message=lambda m: self.server.publish_from_cloud(m.topic, m.payload, m.properties),
                connected=self._connected,
                shadow=self.sync.hear,
                shadows_heard=self.sync.heard_from_now_on,
            ),
            clock=clock,
            log=log,
        )
        self._join_deployments(config, identity)

    def _session_keeper(self, config: CoreConfig) -> Keeper:
        """Return what keeps sessions and retained messages, if any are to last."""
        if not config.options.local_sessions and not config.options.local_retained:
            return NO_KEEPER
        keeper = FileKeeper(config.folders.state / "sessions", seal=None, clock=self._clock)
        keeper.open()
        self._held.callback(keeper.close)
        for finding in keeper.findings:
            self._log.error("sessions are lost", reason=finding)
        return keeper

    def _join_shadows(self, config: CoreConfig) -> None:
        service = self._log.bind(component="GGShadowService")
        database = ShadowDatabase(config.folders.shadows)
        self._held.callback(database.close)
        if database.damage is not None:
            service.error("local shadows are lost", reason=database.damage)
        self.shadows = LocalShadows(
            database,
            self._publish_from_shadows,
            clock=self._clock,
            log=service,
        )
        self.shadow_requests = ShadowRequests(self.shadows)
        self.sync = ShadowSync(
            self.shadows,
            CloudCopies(self.http, config.shadow_sync_timeout),
            backoff=_patience(config),
            log=self._log.bind(component="GGShadowSyncManager"),
            named=config.options.sync_named_shadows,
        )

    def _join_telemetry(self, config: CoreConfig) -> None:
        log = self._log.bind(component="GGTelemetry")
        host, drops = HostMeter(), DropMeter(lambda: self.queue.counters.dropped)
        self.telemetry = TelemetryAgent(
            config.thing_name,
            TwinFile(config.folders.telemetry),
            lambda: (*host.measure(), *drops.measure()),
            clock=self._clock,
            log=log,
        )
        self.configuration = RuntimeConfiguration(
            config.thing_name,
            self.http,
            self.telemetry.switch,
            retry=_patience(config),
            log=log,
        )

    def _join_deployments(self, config: CoreConfig, identity: LinkIdentity) -> None:
        parts = Parts(
            self.server,
            self.queue,
            self.keeper,
            self.detector,
            self.link,
            self.credentials,
            self.shadows,
            self.sync,
        )
        self._folder = DeploymentFolder(
            config.folders.deployment, str(config.thing_arn), identity.roots
        )
        self._health_check = HealthCheck(
            self._folder,
            self.server,
            self.keeper,
            self.queue,
            self.shadows,
            deadline=config.runtime.post_start_health_check_timeout,
        )
        self.activation = GroupActivation(parts, config.folders, self._health_check)
        self.agent = DeploymentAgent(
            config.thing_arn,
            folder=self._folder,
            roots=identity.roots,
            cloud=self.http,
            activation=self.activation,
            retry=_patience(config),
            clock=self._clock,
            log=self._log,
        )
        self.board = StatusBoard(
            parts, self.agent, self.notices, self.role, self.configuration, self.telemetry
        )
        self.board.found_at_start = self._mended
        self._health = HealthServer(
            self.board.workers,
            self.board.status,
            CredentialsEndpoint(self.credentials).routes(),
        )
        self._health_check.api = self._health

    async def _serve(self) -> None:
        config = self.config
        await self._held.enter_async_context(self.http)
        await self.server.start(config.gg_mqtt_port)
        self._held.push_async_callback(self.server.stop)
        await self._health.start(config.gg_daemon_port)
        self._held.push_async_callback(self._health.stop)
        self._resume()
        await self._counter.start(f"http://127.0.0.1:{self.daemon_port}{CREDENTIALS_PATH}")
        self._held.push_async_callback(self._counter.stop)
        self._background = asyncio.get_running_loop().create_task(self._work(), name="core")
        self._tell_ports()

    def _tell_ports(self) -> None:
        """Tell tools on this host where the core is; on a full disk it serves all the same."""
        ports = CoreEndpoints(
            gg_mqtt_port=self.mqtt_port, gg_daemon_port=self.daemon_port, pid=os.getpid()
        )
        try:
            write_endpoints(self.config.folders, ports)
        except OSError as error:
            finding = f"tools cannot find this core: {error}"
            self.board.found_at_start = (*self.board.found_at_start, finding)
            self._log.error("the ports cannot be written", reason=str(error))

    def _resume(self) -> None:
        """Serve the last deployment that can be run, and never fail over it."""
        self.agent.begin()
        if self.agent.state.mode is not Mode.RESCUE:  # a rescued core gets its sessions back later
            self.server.recall()

    async def _work(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.link.run(), name="link")
            tasks.create_task(self.server.run(), name="local server")
            tasks.create_task(self.queue.run(AfterNotices(self.link, self.notices)), name="queue")
            tasks.create_task(self.shadow_requests.run(), name="shadow requests")
            tasks.create_task(self.sync.run(self.link), name="shadow sync")
            tasks.create_task(self.notices.run(self.link), name="notices")
            tasks.create_task(self.agent.run(), name="deployments")
            tasks.create_task(self.keeper.run(), name="certificates")
            tasks.create_task(self.role.run(), name="role")
            tasks.create_task(self.credentials.run(), name="credentials")
            tasks.create_task(self.detector.run(), name="addresses")
            tasks.create_task(self.configuration.run(), name="configuration")
            tasks.create_task(self.telemetry.run(self.link), name="telemetry")

    def _publish_from_shadows(self, topic: str, payload: bytes) -> None:
        self.server.publish_from_shadows(topic, payload)

    def _queue_for_cloud(self, message: Message) -> None:
        properties = message.properties
        message_id = new_uuid() if self.config.options.message_ids else None
        self.queue.put(
            message.topic,
            message.payload,
            properties=carried(properties, message_id),
            expires_in_s=properties.message_expiry_interval,
        )

    def _heard(self, notice: DeploymentNotice) -> None:
        self.agent.hear(notice)
        self.credentials.role_is(notice.group_id, notice.role_version)

    def _connected(self) -> None:
        """Catch up with what may have changed while there was no connection."""
        self.notices.connected()
        self.keeper.addresses_changed()
        self.detector.look_again()
        self.credentials.cloud_is_back()
        self.sync.look_again()
        self.configuration.look_again()
        self.telemetry.look_again()


def _patience(config: CoreConfig) -> Backoff:
    return Backoff(config.mqtt_max_connection_retry_interval.total_seconds())
