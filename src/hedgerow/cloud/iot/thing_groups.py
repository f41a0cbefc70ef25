"""Thing groups: named sets of things, to hold policies for all of them. They do not nest here."""

from collections.abc import Mapping
from typing import Any

import msgspec

from hedgerow.cloud.home import Home
from hedgerow.cloud.iot import registry_events, things
from hedgerow.cloud.iot.arns import read_thing_group_arn, thing_group_arn
from hedgerow.cloud.iot.documents import (
    THING_GROUP,
    THING_GROUP_MEMBER,
    ThingGroup,
    ThingGroupMember,
    member_id,
)
from hedgerow.cloud.iot.faults import (
    already_exists,
    invalid_request,
    refuse_tags,
    thing_group_not_found,
    version_conflict,
)
from hedgerow.kernel import new_uuid
from hedgerow.store import Record, Store, Transaction

Members = Mapping[str, Any]

MAX_GROUPS_PER_THING = 10


async def create(tx: Transaction, home: Home, request: Members) -> Members:
    """Make an empty group; the same request again gives the same answer, another is refused."""
    refuse_tags(request)
    if request.get("parentGroupName") is not None:
        raise invalid_request("Thing groups do not nest here; leave parentGroupName out.")
    name = request["thingGroupName"]
    wanted = _with_properties(ThingGroup(group_id=new_uuid()), request)
    record = await tx.get(THING_GROUP, home.account, name)
    if record is None:
        record = await tx.insert(THING_GROUP, home.account, name, wanted)
        await registry_events.thing_group_changed(tx, home, "CREATED", name, wanted)
    elif _properties(record.document) != _properties(wanted):
        raise already_exists("Thing group", name, thing_group_arn(home, name))
    return {
        "thingGroupName": name,
        "thingGroupArn": thing_group_arn(home, name),
        "thingGroupId": record.document.group_id,
    }


async def describe(store: Store, home: Home, name: str) -> Members:
    """Return a group with its properties."""
    record = await existing(store, home, name)
    return {
        "thingGroupName": name,
        "thingGroupId": record.document.group_id,
        "thingGroupArn": thing_group_arn(home, name),
        "version": record.document.version,
        "thingGroupProperties": _properties(record.document),
        "thingGroupMetadata": {"creationDate": record.created_at},
    }


def listed(home: Home, name: str) -> Members:
    """Return a group as a row of a list."""
    return {"groupName": name, "groupArn": thing_group_arn(home, name)}


async def update(tx: Transaction, home: Home, request: Members) -> Members:
    """Change description and attributes; the version grows by one."""
    record = await existing(tx, home, request["thingGroupName"])
    _require_version(record.document, request)
    changed = msgspec.structs.replace(
        _with_properties(record.document, request), version=record.document.version + 1
    )
    await tx.update(record, changed)
    await registry_events.thing_group_changed(tx, home, "UPDATED", record.id, changed)
    return {"version": changed.version}


async def delete(tx: Transaction, home: Home, request: Members) -> None:
    """Delete a group that has no policy; its things stay. One that does not exist is no error."""
    name = request["thingGroupName"]
    record = await tx.get(THING_GROUP, home.account, name)
    if record is None:
        return
    _require_version(record.document, request)
    if record.document.policies:
        raise invalid_request(
            f"Policy {record.document.policies[0]} is still attached to the thing group; "
            "use DetachPolicy first."
        )
    for member in await tx.all(THING_GROUP_MEMBER, home.account, parent=name):
        await remove(tx, home, name, member.document.thing_name)
    await tx.delete(record)
    await registry_events.thing_group_changed(tx, home, "DELETED", name, record.document)


async def add(tx: Transaction, home: Home, name: str, thing_name: str) -> None:
    """Put a thing into a group; doing it again changes nothing."""
    group = await existing(tx, home, name)
    thing = await things.existing(tx, home, thing_name)
    groups = thing.document.groups
    if group.id in groups:
        return
    if len(groups) >= MAX_GROUPS_PER_THING:
        raise invalid_request(f"A thing is in at most {MAX_GROUPS_PER_THING} groups.")
    await tx.update(thing, msgspec.structs.replace(thing.document, groups=(*groups, group.id)))
    member = ThingGroupMember(thing_name=thing.id, membership_id=new_uuid())
    identifier = member_id(group.id, thing.id)
    await tx.insert(THING_GROUP_MEMBER, home.account, identifier, member, parent=group.id)
    await registry_events.member_moved(tx, home, "ADDED", group, thing, member)


async def remove(tx: Transaction, home: Home, name: str, thing_name: str) -> None:
    """Take a thing out of a group; one that is not in it is no error."""
    group = await existing(tx, home, name)
    thing = await things.existing(tx, home, thing_name)
    member = await tx.get(THING_GROUP_MEMBER, home.account, member_id(group.id, thing.id))
    if member is None:
        return
    remaining = tuple(other for other in thing.document.groups if other != group.id)
    await tx.delete(member)
    await tx.update(thing, msgspec.structs.replace(thing.document, groups=remaining))
    await registry_events.member_moved(tx, home, "REMOVED", group, thing, member.document)


async def existing(reader: Store | Transaction, home: Home, name: str) -> Record[ThingGroup]:
    """Return a group, or raise `ResourceNotFoundException`."""
    record = await reader.get(THING_GROUP, home.account, name)
    if record is None:
        raise thing_group_not_found(name)
    return record


def group_name(request: Members, home: Home) -> str:
    """Return the group that a request names, by name or by ARN."""
    name = request.get("thingGroupName")
    if name is None:
        name = read_thing_group_arn(request.get("thingGroupArn") or "", home)
    if name is None:
        raise invalid_request("Name a thing group, by thingGroupName or thingGroupArn.")
    return str(name)


def _properties(group: ThingGroup) -> Members:
    return {
        "thingGroupDescription": group.description,
        "attributePayload": {"attributes": group.attributes},
    }


def _with_properties(group: ThingGroup, request: Members) -> ThingGroup:
    properties = request.get("thingGroupProperties") or {}
    payload = properties.get("attributePayload")
    return msgspec.structs.replace(
        group,
        description=properties.get("thingGroupDescription", group.description),
        attributes=group.attributes
        if payload is None
        else things.changed_attributes(group.attributes, payload),
    )


def _require_version(group: ThingGroup, request: Members) -> None:
    expected = request.get("expectedVersion")
    if expected is not None and expected != group.version:
        raise version_conflict(expected, group.version)
