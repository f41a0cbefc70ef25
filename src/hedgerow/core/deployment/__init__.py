"""The deployment agent: hear of a group's deployment, verify it, switch to it, report truthfully.

In come notices and signed documents from the cloud; out go proof values (`VerifiedGroup`,
`VerifiedMembership`) that the rest of the core runs on, files that survive the night, and
reports. It imports `kernel`, `contract`, `pki`; what a deployment does to the running core is
passed in as an `Activation`. What must never happen here: unsigned bytes that become a group, a
list of certificates that is replaced by an older one, a half switch, or a success that was none.
Its tests are in `tests/unit/core/deployment` and `tests/security/test_core_deployment.py`.
"""

from hedgerow.core.deployment.activation import Activation, UnhealthyError
from hedgerow.core.deployment.agent import AgentState, CloudDocuments, DeploymentAgent
from hedgerow.core.deployment.folder import DeploymentFolder, Slot, StoredDeployment
from hedgerow.core.deployment.ledger import Ledger, LedgerFile
from hedgerow.core.deployment.notices import (
    Complaint,
    Heard,
    ask_topic,
    notice_filters,
    read_notice,
)
from hedgerow.core.deployment.room import Demand, require_room, shortcomings
from hedgerow.core.deployment.running import read_membership, read_running_group
from hedgerow.core.deployment.switching import Mode
from hedgerow.core.deployment.verification import (
    Expectation,
    VerifiedGroup,
    VerifiedManifest,
    VerifiedMembership,
    verify_group,
    verify_manifest,
    verify_membership,
)

__all__ = [
    "Activation",
    "AgentState",
    "CloudDocuments",
    "Complaint",
    "Demand",
    "DeploymentAgent",
    "DeploymentFolder",
    "Expectation",
    "Heard",
    "Ledger",
    "LedgerFile",
    "Mode",
    "Slot",
    "StoredDeployment",
    "UnhealthyError",
    "VerifiedGroup",
    "VerifiedManifest",
    "VerifiedMembership",
    "ask_topic",
    "notice_filters",
    "read_membership",
    "read_notice",
    "read_running_group",
    "require_room",
    "shortcomings",
    "verify_group",
    "verify_manifest",
    "verify_membership",
]
