"""Who made a call, as a record's `userIdentity` says it.

Source: guide page logging-using-cloudtrail, and CloudTrail's own reference of the element: one
shape per kind of caller, and `sessionContext` for those with temporary credentials.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from hedgerow.aws import Principal, Session

Members = Mapping[str, Any]

UNKNOWN: Final = "Unknown"
"""The type of a caller who proved nothing."""


def user_identity(principal: Principal, access_key_id: str) -> dict[str, Any]:
    """Return the identity of a caller whose signature was proven."""
    if principal.kind == "AWSService":
        invoked_by = principal.session.invoked_by if principal.session else principal.name
        return {"type": principal.kind, "invokedBy": invoked_by or principal.name}
    identity: dict[str, Any] = {
        "type": principal.kind,
        "principalId": principal.id,
        "arn": principal.arn,
        "accountId": principal.account,
        "accessKeyId": access_key_id,
    }
    if principal.kind == "IAMUser":
        identity["userName"] = principal.name
    session = principal.session
    if session is not None:
        identity["sessionContext"] = _session_context(principal, session)
        if session.invoked_by:
            identity["invokedBy"] = session.invoked_by
    return identity


def claimed_identity(access_key_id: str) -> dict[str, Any]:
    """Return the identity of a caller who has proven none: what it claimed, and that is all."""
    if not access_key_id:
        return {"type": UNKNOWN}
    return {"type": UNKNOWN, "accessKeyId": access_key_id}


def user_name(identity: Members) -> str:
    """Return the name by which events of this caller are looked up."""
    if identity.get("type") == "Root":
        return "root"
    name = identity.get("userName")
    if name:
        return str(name)
    # An assumed role's or federated user's own name is the last word of its ARN.
    return str(identity.get("arn", "")).rpartition("/")[2] or str(identity.get("invokedBy", ""))


def is_root(identity: Members) -> bool:
    """Say whether the root of an account made the call, with whatever credentials."""
    issuer = identity.get("sessionContext", {}).get("sessionIssuer", {})
    return identity.get("type") == "Root" or issuer.get("type") == "Root"


def iso_seconds(moment: datetime) -> str:
    """Print a moment as records do: `2018-10-17T17:04:02Z`."""
    utc = moment.astimezone(UTC)
    return (
        f"{utc.year:04d}-{utc.month:02d}-{utc.day:02d}"
        f"T{utc.hour:02d}:{utc.minute:02d}:{utc.second:02d}Z"
    )


def _session_context(principal: Principal, session: Session) -> dict[str, Any]:
    context: dict[str, Any] = {}
    if principal.kind != "IAMUser" and session.issuer_arn:
        context["sessionIssuer"] = _issuer(principal, session)
    if principal.kind == "AssumedRole":
        context["webIdFederationData"] = {}
    context["attributes"] = {
        "creationDate": iso_seconds(session.issued_at),
        "mfaAuthenticated": "false" if session.mfa_at is None else "true",
    }
    if session.source_identity:
        context["sourceIdentity"] = session.source_identity
    return context


def _issuer(principal: Principal, session: Session) -> dict[str, Any]:
    resource = session.issuer_arn.rpartition(":")[2]
    kind, _, path = resource.partition("/")
    return {
        "type": {"role": "Role", "user": "IAMUser", "root": "Root"}.get(kind, kind),
        "principalId": session.issuer_id,
        "arn": session.issuer_arn,
        "accountId": principal.account,
        "userName": path.rpartition("/")[2] or principal.name,
    }
