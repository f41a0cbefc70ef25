"""The way to the cloud: mutual TLS over HTTPS for documents and over MQTT 5 for messages.

In come calls of the other sub-rooms and messages from the cloud; out go requests and publications
under the core's own certificate. It imports `kernel`, `pki`, `contract`, `mqtt` (the codec),
`core.config`, `core.spool` and `core.switchboard`. What must never happen here: a connection that
is not verified against the core's roots, a refusal that loses the cloud's own words, a message of
QoS 1 acknowledged before it is in the queue of work, or a retry without a growing pause. Its tests
are in `tests/unit/core/link`.

`mqtt` holds the connections that `plans` says; each is a `connection`, which lives on through many
`client`s, one after the other, reached by `tunnel`. What comes in goes through `work`.
"""

from hedgerow.core.link.backoff import Backoff
from hedgerow.core.link.beside import listening_connection
from hedgerow.core.link.carried import carried
from hedgerow.core.link.connection import CloudMessage
from hedgerow.core.link.failures import explain_failure
from hedgerow.core.link.https import CloudHttp, HttpAnswer
from hedgerow.core.link.identity import LinkIdentity, load_key
from hedgerow.core.link.mqtt import CloudLink, LinkHandlers
from hedgerow.core.link.outlet import LinkOutlet

__all__ = [
    "Backoff",
    "CloudHttp",
    "CloudLink",
    "CloudMessage",
    "HttpAnswer",
    "LinkHandlers",
    "LinkIdentity",
    "LinkOutlet",
    "carried",
    "explain_failure",
    "listening_connection",
    "load_key",
]
