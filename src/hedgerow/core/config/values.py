"""The configuration as the core uses it: resolved, checked, frozen."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from hedgerow.core.config.key_uri import KeyUri
from hedgerow.core.config.legacy_tls import LegacyTlsOption
from hedgerow.kernel import Arn, Secret


@dataclass(frozen=True, slots=True)
class CoreFolders:
    """The documented layout of a Greengrass root; writes go below `write` only.

    `write` is `<root>/ggc` unless `writeDirectory` moves every write out of the root.
    """

    root: Path
    write: Path

    @property
    def deployment(self) -> Path:
        """Deployed groups; `group/group.json` in it is the one that runs."""
        return self.write / "deployment"

    @property
    def state(self) -> Path:
        """What the core remembers from one run to the next."""
        return self.write / "var" / "state"

    @property
    def server(self) -> Path:
        """Key and certificate of the local MQTT server."""
        return self.state / "server"

    @property
    def spool(self) -> Path:
        """The queue for the cloud, when it is kept in files."""
        return self.state / "spool"

    @property
    def shadows(self) -> Path:
        """The local shadows."""
        return self.state / "shadows"

    @property
    def system_log(self) -> Path:
        """Logs of the core itself."""
        return self.write / "var" / "log" / "system"

    @property
    def user_log(self) -> Path:
        """Logs of functions."""
        return self.write / "var" / "log" / "user"

    @property
    def functions(self) -> Path:
        """The code of functions."""
        return self.deployment / "lambda"

    @property
    def credentials_socket(self) -> Path:
        """Where processes of the core's user fetch their tokens for credentials."""
        return self.state / "credentials.sock"

    @property
    def client_id(self) -> Path:
        """The client id that the cloud let in last."""
        return self.state / "client-id"

    @property
    def sessions(self) -> Path:
        """What the cloud holds subscriptions to in this core's persistent sessions."""
        return self.state / "cloud-sessions.json"

    @property
    def updates(self) -> Path:
        """What the update agent remembers: metadata, downloads, and the update under way."""
        return self.state / "updates"

    @property
    def updates_root(self) -> Path:
        """The root metadata of software updates, pinned when the core was provisioned."""
        return self.root / "certs" / "updates.root.json"

    @property
    def telemetry(self) -> Path:
        """What was measured and not told yet, and whether it may be; two slots."""
        return self.state / "telemetry"

    @property
    def endpoints(self) -> Path:
        """The ports in force, written once the core serves."""
        return self.state / "endpoints.json"


@dataclass(frozen=True, slots=True)
class Token:
    """`crypto.PKCS11`: the library and slot of a hardware key store, and its user's PIN."""

    provider: Path
    slot_label: str
    user_pin: Secret[str]
    openssl_engine: Path | None


@dataclass(frozen=True, slots=True)
class NetworkProxy:
    """`coreThing.networkProxy`: the proxy to go through, and the hosts that are exempt.

    Hosts are in lower case; an exempt one that begins with a dot stands for all below it.
    """

    host: str
    port: int
    is_tls: bool
    username: str
    password: Secret[str]
    exempt: tuple[str, ...]

    def exempts(self, host: str) -> bool:
        """Tell whether connections to this host do not go through the proxy."""
        name = host.lower()
        return any(
            name == entry or (entry.startswith(".") and name.endswith(entry))
            for entry in self.exempt
        )

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class RuntimeSettings:
    """The `runtime` object: limits for functions, and for the queue of work items."""

    max_work_item_count: int
    max_concurrent_limit: int
    lru_size: int
    post_start_health_check_timeout: timedelta
    mount_all_block_devices: bool
    allow_functions_to_run_as_root: bool
    cgroup_use_systemd: bool


@dataclass(frozen=True, slots=True)
class CoreOptions:
    """`hedgerow`: what V1 did not have. `unknown` are keys of it that nothing here understands."""

    sync_named_shadows: bool
    spooler_in_flight: int
    """How many messages of the queue are on their way to the cloud at once."""
    message_ids: bool
    """Whether each message to the cloud has an id, by which a second copy is known."""
    local_qos: int
    """The best QoS that client devices are delivered to with."""
    local_sessions: timedelta
    """How long sessions of client devices outlive their connections."""
    local_retained: bool
    local_shared_subscriptions: bool
    delegated_issuing: bool
    """Whether the core asks for an authority to renew its own server certificate with."""
    session_resumption: bool
    """Whether client devices may resume TLS sessions."""
    legacy_tls: LegacyTlsOption | None
    unknown: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CoreConfig:
    """Everything `config.json` says. Ports of 0 mean any free port."""

    path: Path
    """The `config.json` that was read."""
    folders: CoreFolders
    thing_arn: Arn
    core_client_id: str | None
    iot_host: str
    iot_mqtt_port: int
    iot_http_port: int
    gg_host: str
    gg_http_port: int
    gg_mqtt_port: int
    gg_daemon_port: int
    keep_alive: timedelta
    mqtt_operation_timeout: timedelta
    mqtt_max_connection_retry_interval: timedelta
    system_component_auth_timeout: timedelta
    shadow_sync_timeout: timedelta
    ca_path: Path
    certificate_path: Path
    key: KeyUri
    server_key: KeyUri | None
    secrets_key: KeyUri
    token: Token | None
    proxy: NetworkProxy | None
    runtime: RuntimeSettings
    managed_respawn: bool
    pid_file_directory: Path
    use_overlay_with_tmpfs: bool
    options: CoreOptions
    misplaced_options: tuple[str, ...] = ()
    """Keys that look like `hedgerow` in a wrong place or spelling; they have no effect."""

    @property
    def thing_name(self) -> str:
        """The core's thing name, from its ARN."""
        return self.thing_arn.resource.removeprefix("thing/")
