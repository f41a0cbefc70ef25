"""CreateSoftwareUpdateJob: a job that tells cores to take the newest published software.

Source: guide page core-ota-update. V1 has the role of the request sign URLs of a bucket of AWS's;
here files come over the data plane, signed by whoever keeps the update repository's offline keys.
The role is checked all the same, and kept with the job.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from hedgerow.cloud.greengrass.faults import bad_request
from hedgerow.cloud.home import Home
from hedgerow.cloud.iot.arns import job_arn
from hedgerow.contract import encode
from hedgerow.contract.updates import (
    DEFAULT_AGENT_LOG_LEVEL,
    PAIRS,
    UPDATE_OPERATION,
    Software,
    SoftwareUpdate,
)
from hedgerow.kernel import new_uuid
from hedgerow.store import Transaction

Members = Mapping[str, Any]

URL_SECONDS: Final = 3600
"""How long V1 lets a presigned URL live (value in the guide's example)."""

_SEAL = object()


@dataclass(frozen=True, slots=True)
class PossibleUpdate:
    """A software update that a job may be made for: the job's request, and the version.

    INVARIANT: only `SoftwareUpdates.possible` makes these.
    """

    request: Members
    version: str
    _seal: object = field(repr=False, compare=False)

    def __post_init__(self) -> None:
        if self._seal is not _SEAL:
            raise TypeError("a PossibleUpdate comes from SoftwareUpdates.possible only")


class UpdateJobs(Protocol):
    """Where jobs are made (`cloud.jobs.JobDesk`)."""

    async def create(self, request: Members, tx: Transaction | None = None) -> Members:
        """Make a job, in a transaction that goes on after it."""


class SignerCheck(Protocol):
    """Who knows whether AWS IoT can use a role (`cloud.jobs.SignerRoles`)."""

    async def require_signer(self, role_arn: str, job_id: str) -> None:
        """Return if it can for a job, else raise `CallerError`."""


class Published(Protocol):
    """A version that cores can be told to take."""

    @property
    def version(self) -> str:
        """The version."""

    @property
    def target(self) -> str:
        """Its path in the repository."""


class Catalogue(Protocol):
    """What is published (`cloud.updates.UpdateCatalogue`)."""

    def newest(
        self, software: Software, operating_system: str, architecture: str
    ) -> Published | None:
        """Return the newest version of a software for a pair. Blocking."""


class SoftwareUpdates:
    """Makes the update jobs of one account."""

    def __init__(
        self, home: Home, *, jobs: UpdateJobs, signers: SignerCheck, catalogue: Catalogue
    ) -> None:
        self._home = home
        self._jobs = jobs
        self._signers = signers
        self._catalogue = catalogue

    async def possible(self, request: Members) -> PossibleUpdate:
        """Return the update if there is one for what is asked, else raise the error that says why.

        The pair of operating system and architecture has to be one of the guide's, the role has to
        trust AWS IoT, and a version has to be published for the pair.
        """
        system = request["UpdateTargetsOperatingSystem"]
        machine = request["UpdateTargetsArchitecture"]
        software: Software = request["SoftwareToUpdate"]
        if (system, machine) not in PAIRS:
            pairs = ", ".join(sorted("/".join(pair) for pair in PAIRS))
            raise bad_request(
                f"There are no software updates for {system}/{machine}; there are for {pairs}."
            )
        targets = list(dict.fromkeys(request["UpdateTargets"]))
        if not targets:
            raise bad_request("UpdateTargets names no core and no thing group.")
        job_id = f"GreengrassUpdateJob_{new_uuid()}"
        await self._signers.require_signer(request["S3UrlSignerRole"], job_id)
        found = await asyncio.to_thread(self._catalogue.newest, software, system, machine)
        if found is None:
            raise bad_request(
                f"No {software} is published for {system}/{machine}; publish one first "
                "(hedgerow updates publish)."
            )
        document = SoftwareUpdate(
            operation=UPDATE_OPERATION,
            software=software,
            version=found.version,
            target=found.target,
            log_level=request.get("UpdateAgentLogLevel") or DEFAULT_AGENT_LOG_LEVEL,
        )
        job = {
            "jobId": job_id,
            "targets": targets,
            "document": encode(document).decode(),
            "description": f"CreateSoftwareUpdateJob: {software} {found.version} for "
            f"{system}/{machine}.",
            "targetSelection": "SNAPSHOT",
            "presignedUrlConfig": {
                "roleArn": request["S3UrlSignerRole"],
                "expiresInSec": URL_SECONDS,
            },
        }
        return PossibleUpdate(job, found.version, _SEAL)

    async def make(self, tx: Transaction, update: PossibleUpdate) -> Members:
        """Make the job in a transaction, and return what names it."""
        job_id = update.request["jobId"]
        await self._jobs.create(update.request, tx)
        return {
            "IotJobId": job_id,
            "IotJobArn": job_arn(self._home, job_id),
            "PlatformSoftwareVersion": update.version,
        }
