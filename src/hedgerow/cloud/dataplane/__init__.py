"""The data plane: HTTPS with client certificates, for devices (discovery) and cores.

In come requests on connections whose client certificate TLS has proven; out go discovery
documents, signed deployment files, server certificates, addresses, shadows and jobs. It may import
every room below `cloud`, and of `cloud` the services it shows (`broker`, `greengrass`, `iot`,
`iot_data`, `jobs`). What must never happen here: a call without `Authorized`, a core served with
anything of a group that is not its own, a refusal that does not name the missing action and
resource or leaves no record.
The tests are in `tests/unit/cloud/dataplane`, `tests/interop/test_discovery_sdks.py` and
`tests/security/test_dataplane_*.py`.
"""

from hedgerow.cloud.dataplane.core_calls import CoreCalls
from hedgerow.cloud.dataplane.credential_calls import CredentialCalls
from hedgerow.cloud.dataplane.discovery import Discovery
from hedgerow.cloud.dataplane.job_calls import JobCalls
from hedgerow.cloud.dataplane.message_calls import MessageCalls
from hedgerow.cloud.dataplane.plane import DataPlane, RefusedRequest
from hedgerow.cloud.dataplane.routes import ROUTES, Route
from hedgerow.cloud.dataplane.shadow_calls import ShadowCalls
from hedgerow.cloud.dataplane.update_calls import UpdateCalls

__all__ = [
    "ROUTES",
    "CoreCalls",
    "CredentialCalls",
    "DataPlane",
    "Discovery",
    "JobCalls",
    "MessageCalls",
    "RefusedRequest",
    "Route",
    "ShadowCalls",
    "UpdateCalls",
]
