"""The local MQTT server: mutual TLS with exactly the group's devices, messages along rows only.

In come the group, its list of certificates and the server certificate; out go deliveries to
client devices, and messages for the cloud to a function that is passed in. It imports `kernel`,
`pki`, `mqtt`, `contract`, `core.switchboard` and the proof values of `core.deployment` and
`core.certificates`. What must never happen here: a client whose certificate is not one of the
list, a client id that is not its thing's name, or a delivery without a row. Its tests are in
`tests/unit/core/server` and `tests/security/test_core_server.py`.
"""

from hedgerow.core.server.authority import CoreAuthority
from hedgerow.core.server.door import MODERN_TLS, LocalTls
from hedgerow.core.server.limits import AS_V1, LocalOffer, local_limits
from hedgerow.core.server.local_server import LocalServer
from hedgerow.core.server.serving import LocalMember, Serving

__all__ = [
    "AS_V1",
    "MODERN_TLS",
    "CoreAuthority",
    "LocalMember",
    "LocalOffer",
    "LocalServer",
    "LocalTls",
    "Serving",
    "local_limits",
]
