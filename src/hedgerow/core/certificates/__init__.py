"""The certificate of the local MQTT server: asked for, kept, renewed ahead of time, swapped live.

In come the group that runs, the core's addresses and the time; out goes the key and certificate
that the server is to prove itself with, or none. It imports `kernel`, `pki` and `contract`; the
calls to the cloud are passed in. What must never happen here: a client that is disconnected by a
renewal, a key of the owner that is replaced, or an expired certificate that is still served. Its
tests are in `tests/unit/core/certificates`.
"""

from hedgerow.core.certificates.keeper import CertificateKeeper, CertificateService
from hedgerow.core.certificates.own_authority import OwnAuthority
from hedgerow.core.certificates.store import ServerCertificate, ServerCertificateStore
from hedgerow.core.certificates.timing import RenewalReason, renewal_due, renewal_moment

__all__ = [
    "CertificateKeeper",
    "CertificateService",
    "OwnAuthority",
    "RenewalReason",
    "ServerCertificate",
    "ServerCertificateStore",
    "renewal_due",
    "renewal_moment",
]
