"""Who may sign calls: users, roles that were assumed, the root of an account, and sessions."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

PrincipalKind = Literal["Root", "IAMUser", "AssumedRole", "FederatedUser", "AWSService"]
"""The kinds of caller, in the words of CloudTrail's `userIdentity`."""


@dataclass(frozen=True, slots=True)
class Session:
    """What temporary credentials carry beside the identity they stand for.

    `name` is the role session's or federated user's name, empty for those of GetSessionToken.
    `issuer_arn` and `issuer_id` name the role or user that they come from. `mfa_at` is when a
    code was proven for them. `policies` are session policies as JSON texts: they narrow, never
    widen. `invoked_by` is the service that assumed the role, as `greengrass.amazonaws.com`, and
    `context` what else conditions can know because of it, as `credentials-iot:ThingName`.
    """

    issued_at: datetime
    expires_at: datetime
    name: str
    issuer_arn: str
    issuer_id: str
    mfa_at: datetime | None = None
    source_identity: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    policies: tuple[str, ...] = ()
    invoked_by: str = ""
    context: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Principal:
    """One identity of an account, as policies and records name it.

    `arn` of an assumed role is `arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION`, `id` is then
    `AROA…:SESSION`, and `name` is the role's; for a user they are its own.
    """

    kind: PrincipalKind
    account: str
    arn: str
    id: str
    name: str = ""
    session: Session | None = None
