"""What is kept of temporary credentials: a frozen record a session, until a day after its end."""

from datetime import datetime
from typing import Final, Literal

import msgspec

from hedgerow.store import Kind

SessionKind = Literal["Root", "IAMUser", "AssumedRole", "FederatedUser"]


class StoredSession(msgspec.Struct, frozen=True, kw_only=True):
    """A session under the id of its key; the parent is the issuer: a role, a user, or the root.

    `issuer_id` is the unique id of that role or user, or the account's number for its root.
    Session policies are kept as they were passed: the text, and the ARNs of managed policies,
    which count as they are when a call is judged.
    """

    kind: SessionKind
    secret: str
    token: str
    issuer_id: str
    name: str
    issued_at: datetime
    expires_at: datetime
    mfa_at: datetime | None = None
    source_identity: str = ""
    tags: dict[str, str] = {}
    transitive: tuple[str, ...] = ()
    """Keys of the tags that go on to the next role of a chain."""
    policy: str = ""
    policy_arns: tuple[str, ...] = ()
    invoked_by: str = ""
    context: dict[str, str] = {}
    """What the service that assumed the role lets conditions know."""

    def __repr__(self) -> str:
        """Show no secret."""
        return f"StoredSession(kind={self.kind!r}, issuer_id={self.issuer_id!r})"


SESSION: Final = Kind("sts-session", StoredSession)
