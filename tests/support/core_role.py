"""A cloud that gives out credentials of a group's role, and what tests of them share."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

import structlog
from structlog.typing import FilteringBoundLogger

from hedgerow.contract import GroupCredentials
from hedgerow.kernel import Clock, HedgerowError

GROUP = "11111111-aaaa-4000-8000-000000000001"
ROLE = "arn:aws:iam::123456789012:role/line"
KEY = "a-secret-access-key"
TOKEN = "a-session-token"


def quiet_log() -> FilteringBoundLogger:
    """Return a logger that keeps nothing."""
    log: FilteringBoundLogger = structlog.wrap_logger(structlog.ReturnLogger())
    return log


@dataclass
class RoleServiceDouble:
    """Keeps the contract of `RoleService`; `failure` is what it answers instead."""

    clock: Clock
    life: timedelta = timedelta(hours=1)
    role_arn: str = ROLE
    failure: HedgerowError | None = None
    asked: list[str] = field(default_factory=list)
    while_asked: Callable[[], None] = lambda: None

    async def group_credentials(self, group_id: str) -> GroupCredentials:
        """Answer with the credentials of the number of the question."""
        self.asked.append(group_id)
        self.while_asked()
        if self.failure is not None:
            raise self.failure
        return GroupCredentials(
            access_key_id=f"ASIA{len(self.asked):016d}",
            secret_access_key=KEY,
            session_token=TOKEN,
            expires_at=self.clock.now() + self.life,
            role_arn=self.role_arn,
        )
