"""Temporary credentials of the group's role, as the core holds them: in memory, never on disk."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Self

from hedgerow.contract import GroupCredentials
from hedgerow.kernel import PeerError, Secret

LEAST_LIFE: Final = timedelta(minutes=1)
"""What ends sooner than this is of no use to anybody."""

_RENEWED_AFTER: Final = 0.5
"""The share of their life after which credentials are renewed.

SDKs ask again 15 minutes before the end; of one hour this leaves them at least 30.
"""

_SPREAD: Final = 0.1
"""How much of their life earlier that can be, so that a fleet does not renew as one."""


@dataclass(frozen=True, slots=True)
class RoleCredentials:
    """What a process signs its calls with. `renew_at` is when the core asks for the next ones."""

    access_key_id: str
    secret_access_key: Secret[str]
    session_token: Secret[str]
    expires_at: datetime
    renew_at: datetime
    role_arn: str

    @classmethod
    def of(cls, answer: GroupCredentials, *, now: datetime, spread: float) -> Self:
        """Take over what the cloud answered; `spread` between 0 and 1 is chance.

        Raises `PeerError` for credentials that have ended, or are about to.
        """
        life = answer.expires_at - now
        if life < LEAST_LIFE:
            raise PeerError(
                f"the credentials of {answer.role_arn} end at {answer.expires_at:%Y-%m-%d %H:%M} "
                "UTC; check this machine's clock"
            )
        return cls(
            access_key_id=answer.access_key_id,
            secret_access_key=Secret(answer.secret_access_key),
            session_token=Secret(answer.session_token),
            expires_at=answer.expires_at,
            renew_at=now + life * (_RENEWED_AFTER - _SPREAD * spread),
            role_arn=answer.role_arn,
        )
