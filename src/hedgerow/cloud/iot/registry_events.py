"""Registry events: what is told when things, their types and groups come, change and go.

Source: AWS IoT Core Developer Guide, "Registry events" and "Event messages" (topics, members,
which key of the configuration turns what on). An event is noted in the transaction of its change,
so one is told if and only if the other was made (`cloud.events`).
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, Literal

from hedgerow.cloud.events import Event, note
from hedgerow.cloud.home import Home
from hedgerow.cloud.iot.arns import thing_arn, thing_group_arn
from hedgerow.cloud.iot.documents import (
    EVENT_CONFIGURATIONS,
    Certificate,
    EventConfigurations,
    Thing,
    ThingGroup,
    ThingGroupMember,
    ThingType,
)
from hedgerow.store import Record, Store, Transaction

Operation = Literal["CREATED", "UPDATED", "DELETED"]
Move = Literal["ADDED", "REMOVED"]

KINDS: Final[Mapping[str, bool]] = MappingProxyType(
    {
        "THING": False,
        "THING_GROUP": False,
        "THING_TYPE": False,
        "THING_GROUP_MEMBERSHIP": False,
        "THING_GROUP_HIERARCHY": False,
        "THING_TYPE_ASSOCIATION": False,
        "JOB": False,
        "JOB_EXECUTION": False,
        "POLICY": False,
        "CERTIFICATE": True,
        "CA_CERTIFICATE": True,
    }
)
"""Every kind that can be turned on, and whether it is before anybody says so.

`CERTIFICATE` (clients that come and go, subscribe and unsubscribe) and `CA_CERTIFICATE`
(registrations at the first connection) are on, because what hears them was never told to turn
them on; groups do not nest and nothing is told of policies, so those two are only kept.
"""

_MILLISECONDS: Final = 1000


async def configurations(reader: Store | Transaction, home: Home) -> dict[str, bool]:
    """Return for every kind whether it is told."""
    record = await reader.get(EVENT_CONFIGURATIONS, home.account, home.region)
    return {**KINDS, **({} if record is None else record.document.enabled)}


async def is_told(reader: Store | Transaction, home: Home, kind: str) -> bool:
    """Tell whether events of a kind are on."""
    record = await reader.get(EVENT_CONFIGURATIONS, home.account, home.region)
    default = KINDS[kind]
    return default if record is None else record.document.enabled.get(kind, default)


async def configure(tx: Transaction, home: Home, wanted: Mapping[str, bool]) -> None:
    """Turn kinds on or off; those that are not named stay as they are."""
    record = await tx.get(EVENT_CONFIGURATIONS, home.account, home.region)
    if record is None:
        document = EventConfigurations(enabled=dict(wanted))
        await tx.insert(EVENT_CONFIGURATIONS, home.account, home.region, document)
    else:
        enabled = {**record.document.enabled, **wanted}
        await tx.update(record, EventConfigurations(enabled=enabled))


async def thing_changed(
    tx: Transaction, home: Home, operation: Operation, name: str, thing: Thing
) -> None:
    """Tell that a thing was made, changed or deleted."""
    detail = {
        "eventType": "THING_EVENT",
        "operation": operation,
        "accountId": home.account,
        "thingId": thing.thing_id,
        "thingName": name,
        "versionNumber": thing.version,
        "thingTypeName": thing.thing_type or None,
        "attributes": thing.attributes,
    }
    await _tell(tx, home, "THING", f"thing/{name}/{operation.lower()}", detail)


async def thing_type_changed(
    tx: Transaction, home: Home, operation: Operation, name: str, thing_type: ThingType
) -> None:
    """Tell that a thing type was made, changed, deprecated or deleted."""
    since = thing_type.deprecated_at
    detail = {
        "eventType": "THING_TYPE_EVENT",
        "operation": operation,
        "accountId": home.account,
        "thingTypeId": thing_type.type_id,
        "thingTypeName": name,
        "isDeprecated": since is not None,
        "deprecationDate": None if since is None else int(since.timestamp() * _MILLISECONDS),
        "searchableAttributes": list(thing_type.searchable),
        "description": thing_type.description,
    }
    await _tell(tx, home, "THING_TYPE", f"thingType/{name}/{operation.lower()}", detail)


async def type_of_thing_changed(
    tx: Transaction, home: Home, name: str, before: str, after: Thing
) -> None:
    """Tell which type a thing lost and which it got, if it is another than before."""
    if before == after.thing_type:
        return
    moves: tuple[tuple[Move, str], ...] = (("REMOVED", before), ("ADDED", after.thing_type))
    for move, thing_type in moves:
        if thing_type:
            await _type_moved(tx, home, move, (name, after.thing_id), thing_type)


async def thing_group_changed(
    tx: Transaction, home: Home, operation: Operation, name: str, group: ThingGroup
) -> None:
    """Tell that a thing group was made, changed or deleted."""
    detail: dict[str, Any] = {
        "eventType": "THING_GROUP_EVENT",
        "operation": operation,
        "accountId": home.account,
        "thingGroupId": group.group_id,
        "thingGroupName": name,
        "versionNumber": group.version,
        "parentGroupName": None,
        "parentGroupId": None,
        "description": group.description,
        "rootToParentThingGroups": [],
        "attributes": group.attributes,
        "dynamicGroupMappingId": None,
    }
    await _tell(tx, home, "THING_GROUP", f"thingGroup/{name}/{operation.lower()}", detail)


async def member_moved(
    tx: Transaction,
    home: Home,
    move: Move,
    group: Record[ThingGroup],
    thing: Record[Thing],
    member: ThingGroupMember,
) -> None:
    """Tell that a thing came into a group, or left it."""
    detail = {
        "eventType": "THING_GROUP_MEMBERSHIP_EVENT",
        "operation": move,
        "accountId": home.account,
        "groupArn": thing_group_arn(home, group.id),
        "groupId": group.document.group_id,
        "thingArn": thing_arn(home, thing.id),
        "thingId": thing.document.thing_id,
        "membershipId": member.membership_id,
    }
    topic = f"thingGroupMembership/thingGroup/{group.id}/thing/{thing.id}/{move.lower()}"
    await _tell(tx, home, "THING_GROUP_MEMBERSHIP", topic, detail)


async def certificate_registered(
    tx: Transaction, home: Home, certificate: Record[Certificate]
) -> None:
    """Tell of a certificate that waits for activation, as long as its device keeps coming."""
    registered_at = int(certificate.created_at.timestamp() * _MILLISECONDS)
    ca_id = certificate.document.ca_id
    detail = {
        "certificateId": certificate.id,
        "caCertificateId": ca_id,
        "certificateStatus": certificate.document.status,
        "awsAccountId": home.account,
        "certificateRegistrationTimestamp": str(registered_at),
    }
    await _tell(tx, home, "CA_CERTIFICATE", f"certificates/registered/{ca_id}", detail)


async def _type_moved(
    tx: Transaction, home: Home, move: Move, thing: tuple[str, str], thing_type: str
) -> None:
    name, thing_id = thing
    detail = {
        "eventType": "THING_TYPE_ASSOCIATION_EVENT",
        "operation": move,
        "thingId": thing_id,
        "thingName": name,
        "thingTypeName": thing_type,
    }
    topic = f"thingTypeAssociation/thing/{name}/thingType/{thing_type}/{move.lower()}"
    await _tell(tx, home, "THING_TYPE_ASSOCIATION", topic, detail)


async def _tell(tx: Transaction, home: Home, kind: str, topic: str, detail: dict[str, Any]) -> None:
    if await is_told(tx, home, kind):
        await note(tx, home, Event(topic=f"$aws/events/{topic}", detail=detail))
