"""An MQTT 3.1.1 and 5 broker that knows nothing of AWS: it asks an `Authority` and obeys.

What comes in: connections whose peer was already proved by a TLS listener (`Broker.protocol`),
messages from inside under a label (`Broker.publish`), and the authority's answers. What goes out:
frames to clients, messages to in-process taps, and every refusal to the authority. It imports
`kernel` only. What must never happen here: a byte served before the authority admitted the client,
a message delivered that it did not allow, an exception that reaches the event loop, or anything
without a bound (`Limits`) that a client could fill.

The way of a message: `connection` (chunks) -> `plain_run` and `acknowledged_run` (the fast paths)
or `codec` -> `dialogue` and `answers` (what a packet means) -> `rules` and `router` (what was
decided) -> `engine` and `courier` -> `deliveries` (QoS 1 and 2: window, queue, what is sent again)
and `outbox` (what is written). A `session` outlives its connection if it was asked to and `limits`
lets it; a `Keeper` makes it outlive the process. `brake` holds up those who publish too fast.

Tests: `tests/unit/mqtt`, `tests/property`, `tests/security/test_mqtt_*`,
`tests/interop/test_mqtt_*`.
"""

from hedgerow.mqtt.authority import (
    ALLOWED,
    Admission,
    Admitted,
    Authority,
    ConnectRequest,
    Message,
    Peer,
    RefusalEvent,
    Refused,
    SessionEvent,
    SessionRef,
    Source,
    Tap,
    Verdict,
)
from hedgerow.mqtt.broker import Broker
from hedgerow.mqtt.codec import Decoder, MalformedPacketError, ProtocolVersion, ReasonCode, encode
from hedgerow.mqtt.counters import Counters
from hedgerow.mqtt.keeper import (
    NO_KEEPER,
    Keeper,
    KeptDelivery,
    KeptMessage,
    KeptSession,
    KeptSubscription,
    KeptWill,
    SessionFacts,
)
from hedgerow.mqtt.limits import Limits
from hedgerow.mqtt.subscriptions import FilterTree
from hedgerow.mqtt.topics import matches, valid_filter, valid_topic

__all__ = [
    "ALLOWED",
    "NO_KEEPER",
    "Admission",
    "Admitted",
    "Authority",
    "Broker",
    "ConnectRequest",
    "Counters",
    "Decoder",
    "FilterTree",
    "Keeper",
    "KeptDelivery",
    "KeptMessage",
    "KeptSession",
    "KeptSubscription",
    "KeptWill",
    "Limits",
    "MalformedPacketError",
    "Message",
    "Peer",
    "ProtocolVersion",
    "ReasonCode",
    "RefusalEvent",
    "Refused",
    "SessionEvent",
    "SessionFacts",
    "SessionRef",
    "Source",
    "Tap",
    "Verdict",
    "encode",
    "matches",
    "valid_filter",
    "valid_topic",
]
