"""Thing types: create, describe, list, change, deprecate, delete.

Source: AWS IoT Core Developer Guide, "Thing types". They are names that things of one kind share;
policies know them as `iot:Connection.Thing.ThingTypeName`.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from hedgerow.cloud.home import Home
from hedgerow.cloud.iot.arns import thing_type_arn
from hedgerow.cloud.iot.documents import THING, THING_TYPE, ThingType
from hedgerow.cloud.iot.faults import (
    already_exists,
    invalid_request,
    refuse_tags,
    thing_type_not_found,
)
from hedgerow.cloud.iot.registry_events import thing_type_changed
from hedgerow.kernel import new_uuid, quoted
from hedgerow.store import Record, Store, Transaction

Members = Mapping[str, Any]

REST_BEFORE_DELETION: Final = timedelta(minutes=5)
"""How long a thing type has to be deprecated before it can be deleted."""


async def create(tx: Transaction, home: Home, request: Members) -> Members:
    """Make a thing type; the same request again gives the same answer, another is refused."""
    refuse_tags(request)
    name = request["thingTypeName"]
    wanted = _with_properties(ThingType(type_id=new_uuid()), request)
    record = await tx.get(THING_TYPE, home.account, name)
    if record is None:
        record = await tx.insert(THING_TYPE, home.account, name, wanted)
        await thing_type_changed(tx, home, "CREATED", name, wanted)
    elif _properties(record.document) != _properties(wanted):
        raise already_exists("Thing type", name, thing_type_arn(home, name))
    return {
        "thingTypeName": name,
        "thingTypeArn": thing_type_arn(home, name),
        "thingTypeId": record.document.type_id,
    }


def described(home: Home, record: Record[ThingType]) -> Members:
    """Return a thing type as `DescribeThingType` and the rows of `ListThingTypes` do."""
    thing_type = record.document
    metadata: dict[str, Any] = {
        "deprecated": thing_type.deprecated_at is not None,
        "creationDate": record.created_at,
    }
    if thing_type.deprecated_at is not None:
        metadata["deprecationDate"] = thing_type.deprecated_at
    return {
        "thingTypeName": record.id,
        "thingTypeArn": thing_type_arn(home, record.id),
        "thingTypeProperties": _properties(thing_type),
        "thingTypeMetadata": metadata,
    }


async def update(tx: Transaction, home: Home, request: Members) -> None:
    """Change description and searchable attributes."""
    record = await existing(tx, home, request["thingTypeName"])
    await _change(tx, home, record, _with_properties(record.document, request))


async def deprecate(tx: Transaction, home: Home, request: Members, now: datetime) -> None:
    """Let no new thing have the type, or (`undoDeprecate`) let them again."""
    record = await existing(tx, home, request["thingTypeName"])
    since = None if request.get("undoDeprecate") else record.document.deprecated_at or now
    changed = msgspec.structs.replace(record.document, deprecated_at=since)
    await _change(tx, home, record, changed)


async def delete(tx: Transaction, home: Home, name: str, now: datetime) -> None:
    """Delete a type that was deprecated for five minutes and that no thing has."""
    record = await existing(tx, home, name)
    since = record.document.deprecated_at
    if since is None:
        raise invalid_request(
            f"Cannot delete thing type {quoted(name)}: deprecate it first with DeprecateThingType."
        )
    if now - since < REST_BEFORE_DELETION:
        raise invalid_request(
            f"Cannot delete thing type {quoted(name)}: wait for five minutes after deprecating it."
        )
    things = await tx.all(THING, home.account)
    holder = next((thing.id for thing in things if thing.document.thing_type == name), None)
    if holder is not None:
        raise invalid_request(
            f"Cannot delete thing type {quoted(name)}: thing {quoted(holder)} still has it; "
            "use UpdateThing with removeThingType."
        )
    await tx.delete(record)
    await thing_type_changed(tx, home, "DELETED", name, record.document)


async def existing(reader: Store | Transaction, home: Home, name: str) -> Record[ThingType]:
    """Return a thing type, or raise `ResourceNotFoundException`."""
    record = await reader.get(THING_TYPE, home.account, name)
    if record is None:
        raise thing_type_not_found(name)
    return record


async def usable(tx: Transaction, home: Home, name: str) -> str:
    """Return the name of a type that a thing may be given, or raise the error that says why not."""
    record = await existing(tx, home, name)
    if record.document.deprecated_at is not None:
        raise invalid_request(
            f"Thing type {quoted(name)} is deprecated; no more things can be given it."
        )
    return record.id


async def _change(
    tx: Transaction, home: Home, record: Record[ThingType], changed: ThingType
) -> None:
    await tx.update(record, changed)
    await thing_type_changed(tx, home, "UPDATED", record.id, changed)


def _with_properties(thing_type: ThingType, request: Members) -> ThingType:
    properties = request.get("thingTypeProperties") or {}
    if properties.get("mqtt5Configuration"):
        raise invalid_request(
            "Propagating attributes into messages is not supported; leave mqtt5Configuration out."
        )
    return msgspec.structs.replace(
        thing_type,
        description=properties.get("thingTypeDescription", thing_type.description),
        searchable=tuple(properties.get("searchableAttributes", thing_type.searchable)),
    )


def _properties(thing_type: ThingType) -> Members:
    return {
        "thingTypeDescription": thing_type.description,
        "searchableAttributes": list(thing_type.searchable),
    }
