"""The way to the cloud: mutual TLS over HTTPS for documents and over MQTT 5 for messages.

In come calls of the other sub-rooms and messages from the cloud; out go requests and publications
under the core's own certificate. It imports `kernel`, `pki`, `contract` and `core.config`. What
must never happen here: a connection that is not verified against the core's roots, a refusal
that loses the cloud's own words, or a retry without a growing pause. Its tests are in
`tests/unit/core/link`.
"""

from hedgerow.core.link.backoff import Backoff
from hedgerow.core.link.connection import CloudMessage
from hedgerow.core.link.failures import explain_failure
from hedgerow.core.link.https import CloudHttp, HttpAnswer
from hedgerow.core.link.identity import LinkIdentity, load_key
from hedgerow.core.link.mqtt import CloudLink, LinkHandlers

__all__ = [
    "Backoff",
    "CloudHttp",
    "CloudLink",
    "CloudMessage",
    "HttpAnswer",
    "LinkHandlers",
    "LinkIdentity",
    "explain_failure",
    "load_key",
]
