"""The shape of `config.json`, key for key as documented; unknown keys are tolerated.

Source: guide pages gg-core (GGC 1.7 to 1.11, and the older forms), hardware-security,
lambda-group-config and gg-troubleshooting.
"""

from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from hedgerow.core.config.legacy_tls import LegacyTlsDocument

YesNo = Literal["yes", "no"]


class _Document(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Base: camelCase names, immutable."""


class ProxyDocument(_Document, frozen=True):
    """`coreThing.networkProxy.proxy`."""

    url: str
    username: str = ""
    password: str = ""


class NetworkProxyDocument(_Document, frozen=True):
    """`coreThing.networkProxy`."""

    proxy: ProxyDocument
    no_proxy_addresses: str = ""


class CoreThingDocument(_Document, frozen=True):
    """`coreThing`."""

    thing_arn: str
    iot_host: str
    gg_host: str = ""
    ca_path: str = ""
    cert_path: str = ""
    key_path: str = ""
    core_client_id: str | None = None
    iot_mqtt_port: int = 8883
    iot_http_port: int = 8443
    gg_http_port: int = 8443
    gg_mqtt_port: int = 8883
    gg_daemon_port: int = 8000
    keep_alive: int = 600
    mqtt_operation_timeout: int = 5
    mqtt_max_connection_retry_interval: int | None = None
    system_component_auth_timeout: int = 5000
    network_proxy: NetworkProxyDocument | None = None


class CgroupDocument(_Document, frozen=True):
    """`runtime.cgroup`."""

    use_systemd: YesNo = "yes"


class RuntimeDocument(_Document, frozen=True):
    """`runtime`."""

    max_work_item_count: int = 1024
    max_concurrent_limit: int = 25
    lru_size: int = 25
    mount_all_block_devices: YesNo = "no"
    post_start_health_check_timeout: int = 30_000
    allow_functions_to_run_as_root: YesNo = "no"
    cgroup: CgroupDocument = CgroupDocument()


class SystemDocument(_Document, frozen=True):
    """`system`."""

    shadow_sync_timeout: int = 5
    use_overlay_with_tmpfs: bool = False


class Pkcs11Document(msgspec.Struct, frozen=True, kw_only=True):
    """`crypto.PKCS11`."""

    provider: str = msgspec.field(name="P11Provider")
    slot_label: str = msgspec.field(name="slotLabel")
    slot_user_pin: str = msgspec.field(name="slotUserPin")
    openssl_engine: str | None = msgspec.field(name="OpenSSLEngine", default=None)


class PrincipalDocument(_Document, frozen=True):
    """A principal that is only a key."""

    private_key_path: str


class CertifiedPrincipalDocument(_Document, frozen=True):
    """A principal that is a key and its certificate."""

    private_key_path: str
    certificate_path: str


class PrincipalsDocument(msgspec.Struct, frozen=True, kw_only=True):
    """`crypto.principals`."""

    iot_certificate: CertifiedPrincipalDocument = msgspec.field(name="IoTCertificate")
    mqtt_server_certificate: PrincipalDocument | None = msgspec.field(
        name="MQTTServerCertificate", default=None
    )
    secrets_manager: PrincipalDocument | None = msgspec.field(name="SecretsManager", default=None)


class CryptoDocument(_Document, frozen=True):
    """`crypto`."""

    principals: PrincipalsDocument
    ca_path: str
    pkcs11: Pkcs11Document | None = msgspec.field(name="PKCS11", default=None)


class OptionsDocument(_Document, frozen=True):
    """`hedgerow`: what V1 did not have; `docs/options.md` says what each costs."""

    sync_named_shadows: bool = False
    spooler_in_flight: int = 20
    message_ids: bool = False
    local_qos: Literal[0, 1, 2] = 0
    local_sessions: int = 0
    local_retained: bool = False
    local_shared_subscriptions: bool = False
    delegated_issuing: bool = False
    session_resumption: bool = False
    legacy_tls: LegacyTlsDocument | None = None


class ConfigDocument(_Document, frozen=True):
    """The whole file."""

    core_thing: CoreThingDocument
    runtime: RuntimeDocument = RuntimeDocument()
    system: SystemDocument = SystemDocument()
    crypto: CryptoDocument | None = None
    managed_respawn: bool = False
    write_directory: str | None = None
    pid_file_directory: str = "/var/run"
    hedgerow: dict[str, Any] = {}
    mqtt_max_connection_retry_interval: int | None = None


@dataclass(frozen=True, slots=True)
class Range:
    """The documented limits of one number; `zero_means_any` admits 0 as 'any free port'."""

    field: str
    lowest: int
    highest: int
    zero_means_any: bool = False

    def admits(self, value: int) -> bool:
        """Tell whether the value is within the limits."""
        return self.lowest <= value <= self.highest or (self.zero_means_any and value == 0)

    def __str__(self) -> str:
        either = ", or 0 for any free port" if self.zero_means_any else ""
        return f"{self.lowest} to {self.highest}{either}"


_INTEGER_LIMIT = 2**31 - 1

RANGES: tuple[Range, ...] = (
    # AWS listened on 8883, 8443 and 443 only; a cloud of one's own may listen anywhere.
    Range("coreThing.iotMqttPort", 1, 65_535),
    Range("coreThing.iotHttpPort", 1, 65_535),
    Range("coreThing.ggHttpPort", 1, 65_535),
    Range("coreThing.ggMqttPort", 1024, 65_535, zero_means_any=True),
    Range("coreThing.ggDaemonPort", 1024, 65_535, zero_means_any=True),
    Range("coreThing.keepAlive", 30, 1200),
    Range("coreThing.mqttOperationTimeout", 5, _INTEGER_LIMIT),
    Range("coreThing.mqttMaxConnectionRetryInterval", 1, _INTEGER_LIMIT),
    Range("coreThing.systemComponentAuthTimeout", 500, 5000),
    Range("mqttMaxConnectionRetryInterval", 1, _INTEGER_LIMIT),
    Range("runtime.maxWorkItemCount", 1, _INTEGER_LIMIT),
    Range("runtime.maxConcurrentLimit", 1, _INTEGER_LIMIT),
    Range("runtime.lruSize", 1, _INTEGER_LIMIT),
    Range("runtime.postStartHealthCheckTimeout", 1, _INTEGER_LIMIT),
    Range("system.shadowSyncTimeout", 1, _INTEGER_LIMIT),
)
"""Every number of the file that has documented limits, by the path of its key."""

SPOOLER_IN_FLIGHT = Range("hedgerow.spoolerInFlight", 1, 100)
"""AWS IoT takes 100 publications of a client before it has acknowledged the first of them."""
