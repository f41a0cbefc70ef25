"""A connection of a program beside the core: it hears some topics, and that is all.

It goes on under the core's certificate and a client id of its own, `<core>-…`, which the documented
minimal policy admits.
"""

from collections.abc import Callable, Sequence

from structlog.typing import FilteringBoundLogger

from hedgerow.core.config import CoreConfig
from hedgerow.core.link.backoff import Backoff
from hedgerow.core.link.client import Accepted, Incoming
from hedgerow.core.link.connection import CloudEndpoint, Hearers, LinkConnection
from hedgerow.core.link.identity import LinkIdentity
from hedgerow.core.link.mqtt import MQTT_PROTOCOL
from hedgerow.core.link.plans import ConnectionPlan
from hedgerow.core.link.sessions import HeldSubscriptions
from hedgerow.kernel import Clock


def listening_connection(
    config: CoreConfig,
    identity: LinkIdentity,
    name: str,
    filters: Sequence[str],
    called: Callable[[], None],
    *,
    clock: Clock,
    log: FilteringBoundLogger,
) -> LinkConnection:
    """Return a connection as `<core>-<name>`; `run` it.

    `called` hears of every message, and of every time that the connection stands anew.
    """

    def take(_message: Incoming, accepted: Accepted) -> None:
        accepted()
        called()

    port = config.iot_mqtt_port
    endpoint = CloudEndpoint(
        host=config.iot_host,
        port=port,
        context=identity.tls_context(port, MQTT_PROTOCOL),
        way=identity.way(config.proxy),
        keep_alive_seconds=int(config.keep_alive.total_seconds()),
        operation_timeout_seconds=config.mqtt_operation_timeout.total_seconds(),
    )
    return LinkConnection(
        ConnectionPlan((f"{config.thing_name}-{name}",), tuple(filters), subjects_qos=1),
        endpoint,
        Hearers(take, connected=called),
        held=HeldSubscriptions(config.folders.state / f"{name}-sessions.json"),
        backoff=Backoff(config.mqtt_max_connection_retry_interval.total_seconds()),
        clock=clock,
        log=log,
    )
