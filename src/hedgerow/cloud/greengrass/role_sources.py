"""What Greengrass needs of IAM, STS and the judge of access, as protocols; no behaviour is here."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from hedgerow.aws import Principal
from hedgerow.kernel import Secret
from hedgerow.policy import Decision


class RoleFacts(Protocol):
    """What is known of an IAM role (`cloud.iam`)."""

    @property
    def account(self) -> str:
        """The account it is of."""

    @property
    def arn(self) -> str:
        """Its ARN."""

    @property
    def trust_text(self) -> str:
        """Its trust policy as JSON text."""


class RoleDirectory(Protocol):
    """Where roles are looked up (`cloud.iam.IamDirectory`)."""

    async def role(self, role_arn: str) -> RoleFacts | None:
        """Return a role of any account, or None."""


class TemporaryKeys(Protocol):
    """Credentials of an assumed role (`cloud.sts.TemporaryCredentials`)."""

    @property
    def access_key_id(self) -> str:
        """The key's id."""

    @property
    def secret_access_key(self) -> Secret[str]:
        """The key."""

    @property
    def session_token(self) -> Secret[str]:
        """What has to go with it."""

    @property
    def expires_at(self) -> datetime:
        """When they end."""

    @property
    def principal(self) -> Principal:
        """Whom they stand for."""


class ServiceSessions(Protocol):
    """Who makes such credentials (`cloud.sts.Sessions`)."""

    async def assume_role_for_service(
        self,
        role_arn: str,
        *,
        service: str,
        source_account: str,
        source_arn: str,
        session_name: str,
        duration: timedelta,
    ) -> TemporaryKeys:
        """Assume a role, or raise `DeniedError` that says what its trust policy lacks."""

    async def revoke(self, account: str, access_key_id: str) -> None:
        """End credentials before their time."""


class CallJudge(Protocol):
    """Who decides what a role's session may do (`cloud.access.ServiceCalls`)."""

    async def judge(
        self, principal: Principal, action: str, resource: str, *, tagged: str | None = None
    ) -> Decision:
        """Decide; `tagged` is what has the resource's tags."""


@dataclass(frozen=True, slots=True)
class Assumption:
    """One attempt of Greengrass to assume a role, as it is recorded.

    `keys` are what it gave; without any, `refusal` says why.
    """

    role_arn: str
    session_name: str
    source_arn: str
    duration: timedelta
    keys: TemporaryKeys | None = None
    refusal: str = ""


RecordAssumption = Callable[[Assumption], None]
"""Where attempts are recorded. It raises if the record cannot be kept: nothing is given then."""
