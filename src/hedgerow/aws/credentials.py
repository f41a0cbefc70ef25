"""Access keys as the gateway needs them, and where it gets them from."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from hedgerow.aws.principal import Principal
from hedgerow.kernel import Secret


@dataclass(frozen=True, slots=True)
class Credential:
    """One access key: the secret that signs, and whose it is.

    `session_token` is set for temporary credentials and must then come with every request;
    `expires_at` is the moment from which they are refused.
    """

    secret: Secret[str]
    principal: Principal
    session_token: Secret[str] | None = None
    expires_at: datetime | None = None


class CredentialSource(Protocol):
    """Looks access keys up."""

    async def find(self, access_key_id: str, session_token: str | None) -> Credential | None:
        """Return the active credential of that id, or None; inactive keys count as unknown.

        The gateway compares the token; a source may use it, and need not.
        """
