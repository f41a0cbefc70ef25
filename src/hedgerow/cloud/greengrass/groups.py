"""Groups and their immutable versions."""

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from hedgerow.cloud.greengrass import authorities
from hedgerow.cloud.greengrass.arns import group_arn, group_version_arn, read_version_arn
from hedgerow.cloud.greengrass.documents import (
    AUTHORITY,
    DELEGATION,
    DEPLOYMENT,
    DEPLOYMENT_FILES,
    GROUP,
    GROUP_VERSION,
    RESETS,
    ROLLOUT,
    Deployment,
    Group,
    GroupVersion,
)
from hedgerow.cloud.greengrass.faults import bad_request, invalid_definition
from hedgerow.cloud.greengrass.group_checks import Registered, group_faults
from hedgerow.cloud.greengrass.kinds import DEFINITION_KINDS, KINDS_BY_PATH
from hedgerow.cloud.greengrass.lookup import existing_group, existing_group_version
from hedgerow.cloud.greengrass.paging import Paging, page_answer
from hedgerow.cloud.greengrass.resolve import certificates_named_in, things_named_in
from hedgerow.cloud.greengrass.states import RUNNING
from hedgerow.cloud.greengrass.tagging import checked_tags
from hedgerow.cloud.home import Home
from hedgerow.cloud.iot import Registry
from hedgerow.kernel import iso_milliseconds, new_uuid, quoted
from hedgerow.store import Kind, Record, Store, Transaction

D = TypeVar("D", bound=msgspec.Struct)

Members = Mapping[str, Any]
MAX_NAME_LENGTH = 128


async def create(
    tx: Transaction, home: Home, request: Members, *, authority: authorities.NewAuthority
) -> Members:
    """Make a group with its certificate authority, and its first version if there is one."""
    document = Group(name=_checked_name(request["Name"]), tags=checked_tags(request.get("tags")))
    record = await tx.insert(GROUP, home.account, authority.group_id, document)
    await authorities.insert(tx, home, authority)
    if request.get("InitialVersion") is not None:
        record, _ = await _add_version(tx, home, record, request["InitialVersion"])
    return _group_answer(home, record)


async def create_version(tx: Transaction, home: Home, request: Members) -> Members:
    """Add an immutable version to a group; it becomes the latest."""
    record = await existing_group(tx, home, request["GroupId"])
    record, version = await _add_version(tx, home, record, request)
    return _version_answer(home, record.id, version)


async def get(store: Store, home: Home, request: Members) -> Members:
    """Return a group with its tags."""
    record = await existing_group(store, home, request["GroupId"])
    return {**_group_answer(home, record), "tags": record.document.tags}


async def get_version(store: Store, home: Home, request: Members) -> Members:
    """Return a group version with the ARNs it points at."""
    group = await existing_group(store, home, request["GroupId"])
    version = await existing_group_version(store, home, group.id, request["GroupVersionId"])
    return {**_version_answer(home, group.id, version), "Definition": version.document.arns}


async def list_all(store: Store, home: Home, request: Members) -> Members:
    """Return one page of the groups."""
    paging = Paging.of(request)
    page = await store.list(GROUP, home.account, limit=paging.limit, after=paging.after)
    return page_answer("Groups", [_group_answer(home, record) for record in page.records], page)


async def list_versions(store: Store, home: Home, request: Members) -> Members:
    """Return one page of the versions of a group."""
    paging = Paging.of(request)
    group = await existing_group(store, home, request["GroupId"])
    page = await store.list(
        GROUP_VERSION, home.account, parent=group.id, limit=paging.limit, after=paging.after
    )
    rows = [_version_answer(home, group.id, record) for record in page.records]
    return page_answer("Versions", rows, page)


async def update(tx: Transaction, home: Home, request: Members) -> Members:
    """Change the name of a group."""
    record = await existing_group(tx, home, request["GroupId"])
    name = request.get("Name")
    if name is None:
        raise bad_request("a group needs a name; give Name")
    await tx.update(record, msgspec.structs.replace(record.document, name=_checked_name(name)))
    return {}


async def delete(tx: Transaction, home: Home, request: Members) -> Members:
    """Delete a group with everything of it; refused while its core may still hold a deployment."""
    record = await existing_group(tx, home, request["GroupId"])
    deployments = await tx.all(DEPLOYMENT, home.account, parent=record.id)
    if any(_binds_core(deployment.document) for deployment in deployments):
        raise bad_request(
            f"The group {record.id} was deployed. Reset its deployments (ResetDeployments), wait "
            "for the reset to succeed, then delete it."
        )
    for deployment in deployments:
        await _delete_if_there(tx, DEPLOYMENT_FILES, home, deployment.id)
        await tx.delete(deployment)
    await _delete_children(tx, GROUP_VERSION, home, record.id)
    await _delete_children(tx, AUTHORITY, home, record.id)
    await _delete_children(tx, DELEGATION, home, record.id)
    await _delete_if_there(tx, ROLLOUT, home, record.id)
    await tx.delete(record)
    return {}


def _binds_core(deployment: Deployment) -> bool:
    """Say whether a core may still hold what this deployment brought it."""
    if deployment.deployment_type in RESETS:
        return deployment.state != "Success"
    return deployment.delivered or deployment.state in RUNNING


async def _delete_children(tx: Transaction, kind: Kind[D], home: Home, parent: str) -> None:
    for child in await tx.all(kind, home.account, parent=parent):
        await tx.delete(child)


async def _delete_if_there(tx: Transaction, kind: Kind[D], home: Home, identifier: str) -> None:
    record = await tx.get(kind, home.account, identifier)
    if record is not None:
        await tx.delete(record)


async def _add_version(
    tx: Transaction, home: Home, record: Record[Group], request: Members
) -> tuple[Record[Group], Record[GroupVersion]]:
    arns = {
        kind.version_arn_member: request[kind.version_arn_member]
        for kind in DEFINITION_KINDS
        if request.get(kind.version_arn_member)
    }
    contents = {
        kind.name: await _version_content(tx, home, member, arns[member])
        for kind in DEFINITION_KINDS
        if (member := kind.version_arn_member) in arns
    }
    faults = group_faults(contents, await _registered(tx, home, contents), home)
    if faults:
        raise invalid_definition("group", faults)
    version = await tx.insert(
        GROUP_VERSION, home.account, new_uuid(), GroupVersion(arns=arns), parent=record.id
    )
    newer = msgspec.structs.replace(record.document, latest_version=version.id)
    return await tx.update(record, newer), version


async def _registered(
    tx: Transaction, home: Home, contents: Mapping[str, Mapping[str, Any]]
) -> Registered:
    """Return what the registry has of the things and certificates that definitions name.

    Where every thing has a certificate attached, those that the definitions name do not matter.
    """
    registry = Registry(tx, home)
    things = await registry.thing_principals(things_named_in(contents, home))
    named = () if all(things.values()) else certificates_named_in(contents, home)
    return Registered(things, frozenset(await registry.certificates(named)))


async def _version_content(tx: Transaction, home: Home, member: str, arn: str) -> Mapping[str, Any]:
    """Return what a definition version holds, or raise if there is none of this ARN."""
    parts = read_version_arn(arn, home)
    kind = None if parts is None else KINDS_BY_PATH.get(parts[0])
    if parts is None or kind is None or kind.version_arn_member != member:
        raise bad_request(f"{member} {quoted(arn)} is not the ARN of such a definition version")
    version = await tx.get(kind.versions, home.account, parts[2])
    if version is None or version.parent != parts[1]:
        raise bad_request(f"{member} {quoted(arn)} does not exist")
    return version.document.content


def _checked_name(name: str) -> str:
    if not 1 <= len(name) <= MAX_NAME_LENGTH:
        raise bad_request(f"a group's name has 1 to {MAX_NAME_LENGTH} characters")
    return name


def _group_answer(home: Home, record: Record[Group]) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "Arn": group_arn(home, record.id),
        "CreationTimestamp": iso_milliseconds(record.created_at),
        "Id": record.id,
        "LastUpdatedTimestamp": iso_milliseconds(record.updated_at),
        "Name": record.document.name,
    }
    latest = record.document.latest_version
    if latest is not None:
        answer["LatestVersion"] = latest
        answer["LatestVersionArn"] = group_version_arn(home, record.id, latest)
    return answer


def _version_answer(home: Home, group_id: str, record: Record[GroupVersion]) -> dict[str, Any]:
    return {
        "Arn": group_version_arn(home, group_id, record.id),
        "CreationTimestamp": iso_milliseconds(record.created_at),
        "Id": group_id,
        "Version": record.id,
    }
