"""Things: create, describe, list, update, delete."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from hedgerow.cloud.home import Home
from hedgerow.cloud.iot import registry_events, thing_types
from hedgerow.cloud.iot.arns import read_thing_arn, thing_arn
from hedgerow.cloud.iot.documents import THING, THING_GROUP_MEMBER, Thing, member_id
from hedgerow.cloud.iot.faults import (
    already_exists,
    invalid_request,
    thing_not_found,
    version_conflict,
)
from hedgerow.kernel import new_uuid
from hedgerow.store import AlreadyExistsError, Record, Store, Transaction

Members = Mapping[str, Any]

MAX_ATTRIBUTES: Final = 50
MAX_ATTRIBUTES_WITHOUT_TYPE: Final = 3
"""Both are AWS IoT's quotas. Names and values of 128 and 800 characters are the model's limits, so
that the quota of 47 KB for all of them together cannot be reached."""


async def create(tx: Transaction, home: Home, request: Members) -> Members:
    """Register a thing; the same request again gives the same answer, another is refused."""
    _refuse_billing_group(request)
    name = request["thingName"]
    attributes = changed_attributes({}, request.get("attributePayload") or {})
    thing_type = request.get("thingTypeName") or ""
    if thing_type:
        await thing_types.usable(tx, home, thing_type)
    _require_few(attributes, thing_type)
    thing = Thing(thing_id=new_uuid(), attributes=attributes, thing_type=thing_type)
    try:
        await tx.insert(THING, home.account, name, thing)
    except AlreadyExistsError:
        thing = (await existing(tx, home, name)).document
        if (thing.attributes, thing.thing_type) != (attributes, thing_type):
            raise already_exists("Thing", name, thing_arn(home, name)) from None
    else:
        await registry_events.thing_changed(tx, home, "CREATED", name, thing)
        await registry_events.type_of_thing_changed(tx, home, name, "", thing)
    return {
        "thingName": name,
        "thingArn": thing_arn(home, name),
        "thingId": thing.thing_id,
    }


async def describe(store: Store, home: Home, name: str) -> Members:
    """Return a thing. Its default client id is its name."""
    thing = (await existing(store, home, name)).document
    return {
        "defaultClientId": name,
        "thingName": name,
        "thingId": thing.thing_id,
        "thingArn": thing_arn(home, name),
        "attributes": thing.attributes,
        "version": thing.version,
        **_type_of(thing),
    }


def listed(home: Home, record: Record[Thing]) -> Members:
    """Return a thing as a row of `ListThings`."""
    return {
        "thingName": record.id,
        "thingArn": thing_arn(home, record.id),
        "attributes": record.document.attributes,
        "version": record.document.version,
        **_type_of(record.document),
    }


def matches(thing: Thing, request: Members) -> bool:
    """Whether a thing passes the filters of `ListThings`."""
    if request.get("thingTypeName") not in (None, thing.thing_type):
        return False
    name, value = request.get("attributeName"), request.get("attributeValue")
    if name is None:
        return True
    actual = thing.attributes.get(name)
    if actual is None or value is None:
        return actual is not None
    return actual.startswith(value) if request.get("usePrefixAttributeValue") else actual == value


async def update(tx: Transaction, home: Home, request: Members) -> None:
    """Change the attributes or the type of a thing; its version grows by one."""
    _refuse_billing_group(request)
    record = await existing(tx, home, request["thingName"])
    thing = record.document
    _require_version(thing, request)
    payload = request.get("attributePayload")
    attributes = (
        thing.attributes if payload is None else changed_attributes(thing.attributes, payload)
    )
    changed = msgspec.structs.replace(
        thing,
        attributes=attributes,
        thing_type=await _changed_type(tx, home, thing, request),
        version=thing.version + 1,
    )
    _require_few(changed.attributes, changed.thing_type)
    await tx.update(record, changed)
    await registry_events.thing_changed(tx, home, "UPDATED", record.id, changed)
    await registry_events.type_of_thing_changed(tx, home, record.id, thing.thing_type, changed)


async def delete(tx: Transaction, home: Home, request: Members) -> None:
    """Delete a thing that no certificate is attached to; none of this name is no error."""
    record = await tx.get(THING, home.account, request["thingName"])
    if record is None:
        return
    _require_version(record.document, request)
    if record.document.principals:
        raise invalid_request(
            f"Cannot delete. Thing {record.id} is still attached to "
            f"{len(record.document.principals)} principal(s); use DetachThingPrincipal first."
        )
    for group in record.document.groups:
        member = await tx.get(THING_GROUP_MEMBER, home.account, member_id(group, record.id))
        if member is not None:
            await tx.delete(member)
    await tx.delete(record)
    await registry_events.thing_changed(tx, home, "DELETED", record.id, record.document)


async def existing(reader: Store | Transaction, home: Home, name: str) -> Record[Thing]:
    """Return a thing, or raise `ResourceNotFoundException`."""
    record = await reader.get(THING, home.account, name)
    if record is None:
        raise thing_not_found(name)
    return record


def thing_name(request: Members, home: Home) -> str:
    """Return the thing that a request names, by name or by ARN."""
    name = request.get("thingName")
    if name is None:
        name = read_thing_arn(request.get("thingArn") or "", home)
    if name is None:
        raise invalid_request("Name a thing, by thingName or thingArn.")
    return str(name)


def changed_attributes(current: Mapping[str, str], payload: Members) -> dict[str, str]:
    """Replace attributes or merge into them; an empty value takes an attribute away."""
    given = payload.get("attributes") or {}
    merged = {**current, **given} if payload.get("merge") else dict(given)
    attributes = {name: value for name, value in merged.items() if value}
    if len(attributes) > MAX_ATTRIBUTES:
        raise invalid_request(f"There are at most {MAX_ATTRIBUTES} attributes.")
    return attributes


def _require_few(attributes: Mapping[str, str], thing_type: str) -> None:
    if not thing_type and len(attributes) > MAX_ATTRIBUTES_WITHOUT_TYPE:
        raise invalid_request(
            f"A thing without a type has at most {MAX_ATTRIBUTES_WITHOUT_TYPE} attributes, and "
            f"this one would have {len(attributes)}; give it a thing type to have up to "
            f"{MAX_ATTRIBUTES}."
        )


def _require_version(thing: Thing, request: Members) -> None:
    expected = request.get("expectedVersion")
    if expected is not None and expected != thing.version:
        raise version_conflict(expected, thing.version)


async def _changed_type(tx: Transaction, home: Home, thing: Thing, request: Members) -> str:
    wanted = request.get("thingTypeName")
    if request.get("removeThingType"):
        if wanted is not None:
            raise invalid_request("Give either thingTypeName or removeThingType, not both.")
        return ""
    if wanted is None or wanted == thing.thing_type:
        return thing.thing_type
    return await thing_types.usable(tx, home, wanted)


def _type_of(thing: Thing) -> Members:
    return {"thingTypeName": thing.thing_type} if thing.thing_type else {}


def _refuse_billing_group(request: Members) -> None:
    if request.get("billingGroupName") is not None:
        raise invalid_request("Billing groups are not supported; leave billingGroupName out.")
