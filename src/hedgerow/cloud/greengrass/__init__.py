"""The service `greengrass`: definitions, groups, their authorities, and deployments to cores.

In come requests by the model's member names, and what cores report; out go answers, deployment
files that are written once and signed, and notices in the shadow of `<core>-gda`. It may import
every room below `cloud`, and of `cloud` the registry (`iot`) and shadows (`iot_data`). What must
never happen here: a version that changes, a private key of an authority outside the store, a
deployment that mixes two versions, a membership list whose serial goes back, a role assumed for
another account or group than its own, an input file read from outside its account's
buckets. The tests are in `tests/unit/cloud/greengrass`, `tests/interop/test_boto3_greengrass.py`,
`tests/security/test_deployment_signing.py` and `tests/security/test_confused_deputy.py`.
"""

from hedgerow.cloud.greengrass.addresses import AddressBook
from hedgerow.cloud.greengrass.authorities import trusted
from hedgerow.cloud.greengrass.bulk_attempts import BulkCall
from hedgerow.cloud.greengrass.bulk_buckets import InputBuckets
from hedgerow.cloud.greengrass.bulk_role import ExecutionRoles
from hedgerow.cloud.greengrass.bulk_runner import BulkRunner
from hedgerow.cloud.greengrass.bulk_sources import InputSources, InputStores
from hedgerow.cloud.greengrass.core_desk import CoreDesk, NoSuchDeploymentError, OwnGroup
from hedgerow.cloud.greengrass.deadlines import DeadlineKeeper
from hedgerow.cloud.greengrass.delegation_desk import DelegationDesk, DelegationRecord
from hedgerow.cloud.greengrass.deployer import Deployer
from hedgerow.cloud.greengrass.index import GroupIndex, GroupView
from hedgerow.cloud.greengrass.membership import MembershipLedger, usable_certificates
from hedgerow.cloud.greengrass.resolve import MAX_GROUPS_OF_A_DEVICE, TOO_MANY_GROUPS
from hedgerow.cloud.greengrass.role_desk import NoGroupRoleError, RoleDesk
from hedgerow.cloud.greengrass.role_sessions import RoleSessions
from hedgerow.cloud.greengrass.role_sources import Assumption
from hedgerow.cloud.greengrass.runtime_configuration import RuntimeConfigurations
from hedgerow.cloud.greengrass.server_certificates import (
    Announcement,
    ServerCertificates,
    announcement,
)
from hedgerow.cloud.greengrass.service import GreengrassService
from hedgerow.cloud.greengrass.signing import DocumentSigner
from hedgerow.cloud.greengrass.software_updates import SoftwareUpdates
from hedgerow.cloud.greengrass.synchronisation import SynchronisationRights
from hedgerow.cloud.greengrass.telemetry import TelemetryDesk, TelemetryLog

__all__ = [
    "MAX_GROUPS_OF_A_DEVICE",
    "TOO_MANY_GROUPS",
    "AddressBook",
    "Announcement",
    "Assumption",
    "BulkCall",
    "BulkRunner",
    "CoreDesk",
    "DeadlineKeeper",
    "DelegationDesk",
    "DelegationRecord",
    "Deployer",
    "DocumentSigner",
    "ExecutionRoles",
    "GreengrassService",
    "GroupIndex",
    "GroupView",
    "InputBuckets",
    "InputSources",
    "InputStores",
    "MembershipLedger",
    "NoGroupRoleError",
    "NoSuchDeploymentError",
    "OwnGroup",
    "RoleDesk",
    "RoleSessions",
    "RuntimeConfigurations",
    "ServerCertificates",
    "SoftwareUpdates",
    "SynchronisationRights",
    "TelemetryDesk",
    "TelemetryLog",
    "announcement",
    "trusted",
    "usable_certificates",
]
