"""Who a stored credential stands for now: users and roles as they are at this moment."""

from typing import Final

from hedgerow.aws import Principal, Session
from hedgerow.cloud.iam.arns import role_arn, root_arn
from hedgerow.cloud.iam.directory import IamDirectory
from hedgerow.cloud.iam.documents import Role
from hedgerow.cloud.iam.facts import UserFacts
from hedgerow.cloud.sts.documents import StoredSession
from hedgerow.store import Record

ALLOWS_NOTHING: Final = (
    '{"Version":"2012-10-17","Statement":[{"Sid":"SessionPolicyIsGone","Effect":"Deny",'
    '"Action":"*","Resource":"*"}]}'
)
"""What stands for a managed session policy that has been deleted since."""


def user_principal(user: UserFacts) -> Principal:
    """Return a user who signs with a lasting key."""
    return Principal(kind="IAMUser", account=user.account, arn=user.arn, id=user.id, name=user.name)


def root_principal(account: str) -> Principal:
    """Return the root of an account."""
    return Principal(kind="Root", account=account, arn=root_arn(account), id=account)


def assumed_role_arn(account: str, role_name: str, session_name: str) -> str:
    """Return the ARN of a role's session; the role's path is not part of it."""
    return f"arn:aws:sts::{account}:assumed-role/{role_name}/{session_name}"


def federated_user_arn(account: str, name: str) -> str:
    """Return the ARN of a federated user."""
    return f"arn:aws:sts::{account}:federated-user/{name}"


async def session_principal(
    directory: IamDirectory, account: str, stored: StoredSession
) -> Principal | None:
    """Return who a session stands for; None if its role or user is gone, and the session with it.

    Entities go by unique id: one that was made again under the same name revives no session.
    """
    if stored.kind == "AssumedRole":
        estate = await directory.estate(account)
        record = estate.roles.get(stored.issuer_id)
        if record is None:
            return None
        policies = await _policies(directory, account, stored)
        return _assumed_role(record, stored, policies)
    issuer = root_principal(account)
    if stored.issuer_id != account:
        user = await directory.user_of_id(account, stored.issuer_id)
        if user is None:
            return None
        issuer = user_principal(user)
    policies = await _policies(directory, account, stored)
    return _of_issuer(issuer, stored, policies)


async def _policies(
    directory: IamDirectory, account: str, stored: StoredSession
) -> tuple[str, ...]:
    """Return the session policies as texts; one that is gone leaves a session without rights."""
    texts = [stored.policy] if stored.policy else []
    if stored.policy_arns:
        estate = await directory.estate(account)
        for arn in stored.policy_arns:
            policy = estate.policy(arn)
            texts.append(ALLOWS_NOTHING if policy is None else policy.in_force.text)
    return tuple(texts)


def _assumed_role(
    record: Record[Role], stored: StoredSession, policies: tuple[str, ...]
) -> Principal:
    role, account = record.document, record.account
    arn = role_arn(account, role.path, role.name)
    return Principal(
        kind="AssumedRole",
        account=account,
        arn=assumed_role_arn(account, role.name, stored.name),
        id=f"{record.id}:{stored.name}",
        name=role.name,
        session=_session(stored, arn, record.id, policies),
    )


def _of_issuer(issuer: Principal, stored: StoredSession, policies: tuple[str, ...]) -> Principal:
    session = _session(stored, issuer.arn, issuer.id, policies)
    if stored.kind == "FederatedUser":
        return Principal(
            kind="FederatedUser",
            account=issuer.account,
            arn=federated_user_arn(issuer.account, stored.name),
            id=f"{issuer.account}:{stored.name}",
            name=stored.name,
            session=session,
        )
    return Principal(
        kind=issuer.kind,
        account=issuer.account,
        arn=issuer.arn,
        id=issuer.id,
        name=issuer.name,
        session=session,
    )


def _session(
    stored: StoredSession, issuer_arn: str, issuer_id: str, policies: tuple[str, ...]
) -> Session:
    return Session(
        issued_at=stored.issued_at,
        expires_at=stored.expires_at,
        name=stored.name,
        issuer_arn=issuer_arn,
        issuer_id=issuer_id,
        mfa_at=stored.mfa_at,
        source_identity=stored.source_identity,
        tags=stored.tags,
        policies=policies,
        invoked_by=stored.invoked_by,
        context=stored.context,
    )
