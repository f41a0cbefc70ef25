"""What temporary credentials may never do, whatever policies say: the one table.

Source: IAM User Guide, "Compare AWS STS credentials" (which credentials may call IAM and STS).
"""

from collections.abc import Mapping
from typing import Final

from hedgerow.aws import Principal, PrincipalKind

_IDENTITY: Final = frozenset({"GetCallerIdentity"})
_OF_STS: Final[Mapping[PrincipalKind, frozenset[str]]] = {
    "Root": _IDENTITY | {"AssumeRole"},
    "IAMUser": _IDENTITY | {"AssumeRole"},
    "FederatedUser": _IDENTITY,
}
"""The operations of STS that sessions of GetSessionToken and GetFederationToken may call."""

_NOT_OF_ROLES: Final = frozenset({"GetSessionToken", "GetFederationToken"})


def beyond_session(principal: Principal, service: str, operation: str) -> str | None:
    """Return why a principal's session may not call an operation at all, or None if it may.

    `service` is the model's name. A principal without a session has a lasting key and no limit.
    """
    session = principal.session
    if session is None:
        return None
    if service == "sts":
        allowed = _OF_STS.get(principal.kind)
        if (allowed is not None and operation not in allowed) or operation in _NOT_OF_ROLES:
            return f"Cannot call {operation} with session credentials"
    if service == "iam":
        if principal.kind == "FederatedUser":
            return "Cannot call IAM APIs with credentials of GetFederationToken"
        if principal.kind in ("IAMUser", "Root") and session.mfa_at is None:
            return (
                "Cannot call IAM APIs with credentials of GetSessionToken that were made without "
                "multi-factor authentication"
            )
    return None
