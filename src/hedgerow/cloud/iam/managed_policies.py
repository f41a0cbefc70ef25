"""Customer managed policies and their versions. A text that is not sound is never stored."""

from collections.abc import Mapping
from typing import Any

import msgspec

from hedgerow.cloud.iam import quotas
from hedgerow.cloud.iam.arns import AWS_ACCOUNT, policy_arn, read_entity_arn
from hedgerow.cloud.iam.attachable import attachable_policy, own_policy
from hedgerow.cloud.iam.documents import MANAGED_POLICY, ManagedPolicy, PolicyVersion
from hedgerow.cloud.iam.estate import Estate
from hedgerow.cloud.iam.faults import (
    already_exists,
    delete_conflict,
    limit_exceeded,
    no_such_version,
    quota_exceeded,
)
from hedgerow.cloud.iam.paths import policy_path
from hedgerow.cloud.iam.policy_text import managed_text, on_the_wire
from hedgerow.cloud.iam.tags import tag_rows, tagged
from hedgerow.cloud.iam.unique_ids import POLICY_PREFIX, lasting_unique_id, new_unique_id
from hedgerow.kernel import Clock
from hedgerow.store import Record, Transaction

Members = Mapping[str, Any]


async def create(
    tx: Transaction, estate: Estate, clock: Clock, request: Members
) -> tuple[str, ManagedPolicy, Record[ManagedPolicy]]:
    """Make a policy whose version `v1` is in force; return its ARN too."""
    name, path = request["PolicyName"], policy_path(request.get("Path", "/"))
    if await tx.find(MANAGED_POLICY, estate.account, name=name.lower()) is not None:
        raise already_exists("Policy", name)
    if len(estate.policies) >= quotas.QUOTAS[quotas.POLICIES]:
        raise quota_exceeded(quotas.POLICIES)
    now = clock.now()
    text = managed_text(request["PolicyDocument"], name=policy_arn(estate.account, path, name))
    first = PolicyVersion(number=1, text=text, created_at=now)
    policy = ManagedPolicy(
        name=name,
        path=path,
        description=request.get("Description", ""),
        tags=tagged({}, request.get("Tags", ())),
        versions=(first,),
        updated_at=now,
    )
    record = await tx.insert(
        MANAGED_POLICY, estate.account, new_unique_id(POLICY_PREFIX), policy, name=name.lower()
    )
    return policy_arn(estate.account, path, name), policy, record


async def delete(tx: Transaction, estate: Estate, arn: str) -> None:
    """Delete a policy that is used nowhere and has only the version in force."""
    record = own_policy(estate, arn)
    if estate.attached_to(arn):
        raise delete_conflict("Cannot delete a policy attached to entities.")
    if estate.bounded_by(arn):
        raise delete_conflict("Cannot delete a policy that is a permissions boundary of entities.")
    if len(record.document.versions) > 1:
        raise delete_conflict(
            "This policy has more than one version. Before you delete a policy, you must delete "
            "the policy's versions. The default version is deleted with the policy."
        )
    await tx.delete(record)


async def create_version(
    tx: Transaction, estate: Estate, clock: Clock, request: Members
) -> Members:
    """Add a version, and put it in force if asked to."""
    record = own_policy(estate, request["PolicyArn"])
    policy = record.document
    limit = quotas.QUOTAS[quotas.VERSIONS]
    if len(policy.versions) >= limit:
        raise limit_exceeded(
            f"A managed policy can have up to {limit} versions. Before you create a new version, "
            "you must delete an existing version."
        )
    number = policy.last + 1
    text = managed_text(request["PolicyDocument"], name=request["PolicyArn"])
    version = PolicyVersion(number=number, text=text, created_at=clock.now())
    default = number if request.get("SetAsDefault", False) else policy.default
    changed = msgspec.structs.replace(
        policy,
        versions=(*policy.versions, version),
        default=default,
        last=number,
        updated_at=version.created_at,
    )
    await tx.update(record, changed)
    return version_row(version, default)


async def set_default_version(
    tx: Transaction, estate: Estate, clock: Clock, arn: str, version_id: str
) -> None:
    """Put a version in force."""
    record = own_policy(estate, arn)
    version = existing_version(record.document, arn, version_id)
    changed = msgspec.structs.replace(
        record.document, default=version.number, updated_at=clock.now()
    )
    await tx.update(record, changed)


async def delete_version(tx: Transaction, estate: Estate, arn: str, version_id: str) -> None:
    """Delete a version that is not in force."""
    record = own_policy(estate, arn)
    policy = record.document
    version = existing_version(policy, arn, version_id)
    if version.number == policy.default:
        raise delete_conflict("Cannot delete the default version of a policy.")
    left = tuple(other for other in policy.versions if other is not version)
    await tx.update(record, msgspec.structs.replace(policy, versions=left))


def existing_version(policy: ManagedPolicy, arn: str, version_id: str) -> PolicyVersion:
    """Return the version of this id, or raise NoSuchEntity."""
    version = policy.version(version_id)
    if version is None:
        raise no_such_version(arn, version_id)
    return version


def policy_row(estate: Estate, arn: str) -> dict[str, Any]:
    """Return a policy as lists show it: how much it is used, and not its text."""
    policy = attachable_policy(estate, arn)
    record = estate.policies.get(arn)
    attached, bounded = estate.usage(arn)
    row = _row(arn, policy, record)
    return {**row, "AttachmentCount": attached, "PermissionsBoundaryUsageCount": bounded}


def new_policy_row(arn: str, policy: ManagedPolicy, record: Record[ManagedPolicy]) -> Members:
    """Return a policy that was just made."""
    return {
        **_row(arn, policy, record),
        "AttachmentCount": 0,
        "PermissionsBoundaryUsageCount": 0,
        **described(policy),
    }


def described(policy: ManagedPolicy) -> dict[str, Any]:
    """Return a policy's description and tags, which lists do not show."""
    members: dict[str, Any] = {"Tags": tag_rows(policy.tags)}
    return {**members, "Description": policy.description} if policy.description else members


def version_row(version: PolicyVersion, default: int, *, text: bool = False) -> dict[str, Any]:
    """Return a version, with its text if asked for."""
    row = {
        "VersionId": version.id,
        "IsDefaultVersion": version.number == default,
        "CreateDate": version.created_at,
    }
    return {**row, "Document": on_the_wire(version.text)} if text else row


def is_aws(arn: str) -> bool:
    """Whether an ARN is that of a policy which comes with the service."""
    entity = read_entity_arn(arn)
    return entity is not None and entity.account == AWS_ACCOUNT


def _row(arn: str, policy: ManagedPolicy, record: Record[ManagedPolicy] | None) -> dict[str, Any]:
    return {
        "PolicyName": policy.name,
        "PolicyId": record.id if record is not None else lasting_unique_id(POLICY_PREFIX, arn),
        "Arn": arn,
        "Path": policy.path,
        "DefaultVersionId": policy.in_force.id,
        "IsAttachable": True,
        "CreateDate": record.created_at if record is not None else policy.updated_at,
        "UpdateDate": policy.updated_at,
    }
