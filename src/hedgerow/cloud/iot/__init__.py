"""The registry (boto3's `iot`): things, certificates, policies; and who is admitted because of it.

In come administrators' calls through `IotService`, and questions of the other sub-rooms through
`Registry` (from the store) and `DeviceDirectory` (from memory, for every connection and request);
out go certificates, answers, and the proof value `AdmittedDevice`. It imports `kernel`, `policy`,
`pki`, `aws`, `store` and the cloud's `home`. What must never happen here: a private key is
stored, a device is admitted without thing, ACTIVE certificate and policy, or a change is answered
before the doors of this process know it.

Tests: `tests/unit/cloud/iot`, `tests/security/test_iot_*`, `tests/interop/test_boto3_iot.py`.
"""

from hedgerow.cloud.home import Home
from hedgerow.cloud.iot.admission import AdmittedDevice, bound_thing
from hedgerow.cloud.iot.arns import (
    certificate_arn,
    client_arn,
    policy_arn,
    read_certificate_arn,
    role_alias_arn,
    thing_arn,
    topic_arn,
    topic_filter_arn,
)
from hedgerow.cloud.iot.credential_provider import (
    SERVICE as CREDENTIAL_PROVIDER,
)
from hedgerow.cloud.iot.credential_provider import (
    CredentialProvider,
    NoRoleAliasError,
    RoleAssumption,
)
from hedgerow.cloud.iot.directory import DeviceDirectory, DirectoryChange
from hedgerow.cloud.iot.door import AnchorSource, DeviceDoor
from hedgerow.cloud.iot.event_switches import EventSwitches
from hedgerow.cloud.iot.newcomers import Newcomers, Registration
from hedgerow.cloud.iot.registry import RegisteredCertificate, Registry
from hedgerow.cloud.iot.service import IotService

__all__ = [
    "CREDENTIAL_PROVIDER",
    "AdmittedDevice",
    "AnchorSource",
    "CredentialProvider",
    "DeviceDirectory",
    "DeviceDoor",
    "DirectoryChange",
    "EventSwitches",
    "Home",
    "IotService",
    "Newcomers",
    "NoRoleAliasError",
    "RegisteredCertificate",
    "Registration",
    "Registry",
    "RoleAssumption",
    "bound_thing",
    "certificate_arn",
    "client_arn",
    "policy_arn",
    "read_certificate_arn",
    "role_alias_arn",
    "thing_arn",
    "topic_arn",
    "topic_filter_arn",
]
