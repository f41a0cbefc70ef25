"""The private doors of the API: a listener with an id and a policy of its own.

Source: guide page vpc-interface-endpoints. An endpoint policy grants nothing by itself: it is one
more layer that has to allow what comes through its door.
"""

from dataclasses import dataclass

from hedgerow.pki import TlsPeer
from hedgerow.policy import NamedPolicy


@dataclass(frozen=True, slots=True)
class ApiEndpoint:
    """One listener of the API. `id` is what `aws:SourceVpce` reads; no policy allows all."""

    id: str
    policy: NamedPolicy | None = None


@dataclass(frozen=True, slots=True)
class ApiPeer:
    """Where a call came in: what TLS proved of the other side, and the private door, if any.

    It is what the API's listeners give to `Gateway.protocol_factory`; a call that has none came
    through the public door.
    """

    tls: TlsPeer
    endpoint: ApiEndpoint | None = None


def endpoint_of(peer: object) -> ApiEndpoint | None:
    """Return the private door that a call came in by, None for the public one."""
    return peer.endpoint if isinstance(peer, ApiPeer) else None
