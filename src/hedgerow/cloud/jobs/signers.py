"""The roles that jobs name to sign URLs with: of this account, and trusting AWS IoT.

Source: guide page core-ota-update, "IAM permissions for OTA updates". Here nothing is signed with
them: files of updates come over the data plane. The check is V1's, so that what was set up for V1
is held to the same, and a role that would not do is refused before a job is made.
"""

from typing import Protocol

from hedgerow.cloud.home import Home
from hedgerow.cloud.iam.facts import RoleFacts
from hedgerow.cloud.iot.arns import job_arn
from hedgerow.cloud.jobs.faults import invalid
from hedgerow.cloud.sts.service_trust import require_service_trust
from hedgerow.kernel import Clock, DeniedError, quoted

IOT = "iot.amazonaws.com"
"""The service principal that a signer role has to trust."""


class Roles(Protocol):
    """Where roles are looked up (`cloud.iam.IamDirectory`)."""

    async def role(self, role_arn: str) -> RoleFacts | None:
        """Return a role of any account, or None."""


class SignerRoles:
    """Judges the signer roles of one account."""

    def __init__(self, home: Home, roles: Roles, clock: Clock) -> None:
        self._home = home
        self._roles = roles
        self._clock = clock

    async def require_signer(self, role_arn: str, job_id: str) -> None:
        """Return if AWS IoT can assume the role for a job, else raise `JobError`."""
        facts = await self._roles.role(role_arn)
        if facts is None or facts.account != self._home.account:
            raise invalid(f"There is no role {quoted(role_arn)} in this account.")
        try:
            require_service_trust(
                facts,
                service=IOT,
                source_account=self._home.account,
                source_arn=job_arn(self._home, job_id),
                at=self._clock.now(),
            )
        except DeniedError as error:
            raise invalid(f"AWS IoT cannot assume the role of the job: {error.message}") from error
