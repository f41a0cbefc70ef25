"""The update agent: takes jobs, verifies packages, switches to them, and goes back if they fail.

In come jobs (a `JobSource`), TUF metadata under a root that was pinned at provisioning, and
packages; out go another version of the core or of the agent, and truthful reports. It runs apart
from the core, and imports kernel, contract, pki and of `core` the configuration and the link. What
must never happen here: a byte of a package that runs, or is unpacked, before its signatures, digest
and length were checked (`VerifiedPackage`), a half switch, a version that stays though it does not
come up, or a success that was none. Its tests are in `tests/unit/core/updates` and
`tests/security/test_update_attacks.py`.

What an update costs the core: it stops and starts. Connections, messages in passage and
credentials in memory are lost with that; configuration, group, certificates, local shadows, what
lies in files of the spool and of sessions, and logs are not touched (guide page core-ota-update).
"""

from hedgerow.core.updates.agent import UpdateAgent
from hedgerow.core.updates.cloud_jobs import CloudJobs
from hedgerow.core.updates.core_process import CoreProcess, Timing
from hedgerow.core.updates.installed import InstalledSoftware
from hedgerow.core.updates.jobs import JobSource, JobStatus, UpdateJob
from hedgerow.core.updates.journal import Journal
from hedgerow.core.updates.log_level import AgentLevel
from hedgerow.core.updates.repository_client import RepositoryClient, VerifiedPackage
from hedgerow.core.updates.repository_files import RepositoryFiles
from hedgerow.core.updates.scripts import RespawnScripts
from hedgerow.core.updates.trial import try_agent
from hedgerow.core.updates.updater import FREE_BYTES_NEEDED, Replaced, Updater

__all__ = [
    "FREE_BYTES_NEEDED",
    "AgentLevel",
    "CloudJobs",
    "CoreProcess",
    "InstalledSoftware",
    "JobSource",
    "JobStatus",
    "Journal",
    "Replaced",
    "RepositoryClient",
    "RepositoryFiles",
    "RespawnScripts",
    "Timing",
    "UpdateAgent",
    "UpdateJob",
    "Updater",
    "VerifiedPackage",
    "try_agent",
]
