"""What Greengrass needs of IAM and the judge of access, as protocols; no behaviour is here."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from hedgerow.aws import Principal
from hedgerow.cloud.service_sessions import TemporaryKeys
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
