"""Policies and their versions. A text that is not an AWS IoT policy is refused when written."""

from collections.abc import Mapping
from typing import Any

from hedgerow.aws import AwsError
from hedgerow.cloud.home import Home
from hedgerow.cloud.iot.arns import policy_arn
from hedgerow.cloud.iot.documents import IOT_POLICY, POLICY_TARGET, IotPolicy, PolicyVersion
from hedgerow.cloud.iot.faults import (
    already_exists,
    delete_conflict,
    policy_not_found,
    policy_version_not_found,
    refuse_tags,
)
from hedgerow.kernel import Clock, new_uuid
from hedgerow.policy import MalformedPolicyError, parse_policy
from hedgerow.store import Record, Store, Transaction

Members = Mapping[str, Any]

MAX_VERSIONS = 5


async def create(tx: Transaction, home: Home, clock: Clock, request: Members) -> Members:
    """Make a policy whose version 1 is in force."""
    refuse_tags(request)
    name, text = request["policyName"], _checked(request["policyDocument"])
    if await tx.get(IOT_POLICY, home.account, name) is not None:
        raise already_exists("Policy", name, policy_arn(home, name))
    first = PolicyVersion(version_id=1, text=text, created_at=clock.now())
    policy = IotPolicy(
        versions=(first,), default_version_id=1, last_version_id=1, generation_id=new_uuid()
    )
    await tx.insert(IOT_POLICY, home.account, name, policy)
    return {
        "policyName": name,
        "policyArn": policy_arn(home, name),
        "policyDocument": text,
        "policyVersionId": "1",
    }


async def get(store: Store, home: Home, name: str) -> Members:
    """Return a policy with the text in force."""
    record = await existing(store, home, name)
    policy = record.document
    return {
        "policyName": name,
        "policyArn": policy_arn(home, name),
        "policyDocument": policy.default_text,
        "defaultVersionId": str(policy.default_version_id),
        "creationDate": record.created_at,
        "lastModifiedDate": record.updated_at,
        "generationId": policy.generation_id,
    }


def listed(home: Home, name: str) -> Members:
    """Return a policy as a row of a list."""
    return {"policyName": name, "policyArn": policy_arn(home, name)}


async def delete(tx: Transaction, home: Home, name: str) -> None:
    """Delete a policy that is attached nowhere and has only the version in force."""
    record = await existing(tx, home, name)
    if len(record.document.versions) > 1:
        raise delete_conflict(
            f"Cannot delete the policy because it has more than one policy version (name={name}); "
            "use DeletePolicyVersion first."
        )
    targets = await tx.list(POLICY_TARGET, home.account, parent=name, limit=1)
    if targets.records:
        raise delete_conflict(
            "The policy cannot be deleted as the policy is attached to one or more principals "
            f"(name={name}); use DetachPolicy first."
        )
    await tx.delete(record)


async def create_version(tx: Transaction, home: Home, clock: Clock, request: Members) -> Members:
    """Add a version, and put it in force if asked to."""
    name, text = request["policyName"], _checked(request["policyDocument"])
    record = await existing(tx, home, name)
    policy = record.document
    if len(policy.versions) >= MAX_VERSIONS:
        raise AwsError(
            "VersionsLimitExceededException",
            f"The policy {name} already has the maximum number of versions ({MAX_VERSIONS}); "
            "use DeletePolicyVersion first.",
        )
    version_id = policy.last_version_id + 1
    in_force = bool(request.get("setAsDefault"))
    version = PolicyVersion(version_id=version_id, text=text, created_at=clock.now())
    changed = IotPolicy(
        versions=(*policy.versions, version),
        default_version_id=version_id if in_force else policy.default_version_id,
        last_version_id=version_id,
        generation_id=new_uuid(),
    )
    await tx.update(record, changed)
    return {
        "policyArn": policy_arn(home, name),
        "policyDocument": text,
        "policyVersionId": str(version_id),
        "isDefaultVersion": in_force,
    }


async def get_version(store: Store, home: Home, name: str, version_id: str) -> Members:
    """Return one version with its text."""
    record = await existing(store, home, name)
    version = _version(record, version_id)
    return {
        "policyArn": policy_arn(home, name),
        "policyName": name,
        "policyDocument": version.text,
        "policyVersionId": str(version.version_id),
        "isDefaultVersion": version.version_id == record.document.default_version_id,
        "creationDate": version.created_at,
        "lastModifiedDate": version.created_at,
        "generationId": record.document.generation_id,
    }


async def list_versions(store: Store, home: Home, name: str) -> Members:
    """Return all versions, newest first."""
    policy = (await existing(store, home, name)).document
    rows = [
        {
            "versionId": str(version.version_id),
            "isDefaultVersion": version.version_id == policy.default_version_id,
            "createDate": version.created_at,
        }
        for version in reversed(policy.versions)
    ]
    return {"policyVersions": rows}


async def set_default_version(tx: Transaction, home: Home, name: str, version_id: str) -> None:
    """Put a version in force."""
    record = await existing(tx, home, name)
    version = _version(record, version_id)
    policy = record.document
    await tx.update(
        record,
        IotPolicy(
            versions=policy.versions,
            default_version_id=version.version_id,
            last_version_id=policy.last_version_id,
            generation_id=new_uuid(),
        ),
    )


async def delete_version(tx: Transaction, home: Home, name: str, version_id: str) -> None:
    """Delete a version that is not in force."""
    record = await existing(tx, home, name)
    version = _version(record, version_id)
    policy = record.document
    if version.version_id == policy.default_version_id:
        raise delete_conflict(
            "Cannot delete the default version of a policy; "
            "use SetDefaultPolicyVersion or DeletePolicy."
        )
    await tx.update(
        record,
        IotPolicy(
            versions=tuple(v for v in policy.versions if v is not version),
            default_version_id=policy.default_version_id,
            last_version_id=policy.last_version_id,
            generation_id=new_uuid(),
        ),
    )


async def existing(reader: Store | Transaction, home: Home, name: str) -> Record[IotPolicy]:
    """Return a policy, or raise `ResourceNotFoundException`."""
    record = await reader.get(IOT_POLICY, home.account, name)
    if record is None:
        raise policy_not_found(name)
    return record


def _version(record: Record[IotPolicy], version_id: str) -> PolicyVersion:
    version = record.document.version(int(version_id))
    if version is None:
        raise policy_version_not_found(record.id, version_id)
    return version


def _checked(text: str) -> str:
    try:
        parse_policy(text)
    except MalformedPolicyError as error:
        raise AwsError("MalformedPolicyException", error.message) from error
    return text
