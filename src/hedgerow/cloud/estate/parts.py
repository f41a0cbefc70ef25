"""What an account holds, as parts of an estate."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import TypeVar

import msgspec

from hedgerow.cloud.greengrass.arns import read_version_arn
from hedgerow.cloud.greengrass.documents import CONNECTIVITY, GROUP
from hedgerow.cloud.greengrass.kinds import DEFINITION_KINDS
from hedgerow.cloud.greengrass.lookup import existing_group, existing_group_version
from hedgerow.cloud.home import Home
from hedgerow.cloud.iot.documents import CERTIFICATE, IOT_POLICY, THING, THING_GROUP, THING_TYPE
from hedgerow.estate import (
    DEFINITION_NAMES,
    Address,
    Certificate,
    Definition,
    DefinitionName,
    Estate,
    Group,
    Origin,
    Policy,
    Thing,
    ThingGroup,
    ThingType,
)
from hedgerow.estate.certificates import status_of
from hedgerow.estate.naming import thing_name_of
from hedgerow.store import Kind, Record, Store, Transaction

Reader = Store | Transaction
D = TypeVar("D", bound=msgspec.Struct)

_AT_ONCE = 50
"""After so many records others get their turn."""

_NAMES: dict[str, DefinitionName] = {name: name for name in DEFINITION_NAMES}


def origin(home: Home) -> Origin:
    """Return the account and region as an estate names them."""
    return Origin(account=home.account, region=home.region)


async def namesakes(reader: Reader, home: Home, estate: Estate) -> Estate:
    """Return what the account holds under the names of an estate's parts."""
    ids = [one.id for one in estate.groups]
    groups = [
        await group_part(reader, home, group_id)
        for group_id in ids
        if await reader.get(GROUP, home.account, group_id) is not None
    ]
    return Estate(
        origin=origin(home),
        thing_types=await _thing_types(reader, home, (one.name for one in estate.thing_types)),
        thing_groups=await _thing_groups(reader, home, (one.name for one in estate.thing_groups)),
        things=await _things(reader, home, (one.name for one in estate.things)),
        certificates=await _certificates(reader, home, (one.id for one in estate.certificates)),
        policies=await _policies(reader, home, (one.name for one in estate.policies)),
        groups=tuple(groups),
    )


async def around(reader: Reader, home: Home, group: Group) -> Estate:
    """Return a group with its members' things, and all that those have and are in."""
    members = (*group.entities("Core"), *group.entities("Device"))
    names = (thing_name_of(entity.get("ThingArn")) for entity in members)
    things = await _things(reader, home, (name for name in names if name is not None))
    certificates = await _certificates(
        reader, home, (identifier for thing in things for identifier in thing.certificates)
    )
    thing_groups = await _thing_groups(
        reader, home, (name for thing in things for name in thing.thing_groups)
    )
    policies = (
        *(name for one in certificates for name in one.policies),
        *(name for one in thing_groups for name in one.policies),
    )
    estate = Estate(
        origin=origin(home),
        thing_types=await _thing_types(
            reader, home, (thing.thing_type for thing in things if thing.thing_type)
        ),
        thing_groups=thing_groups,
        things=things,
        certificates=certificates,
        policies=await _policies(reader, home, policies),
        groups=(group,),
    )
    return estate.in_order()


async def group_part(
    reader: Reader, home: Home, group_id: str, version_id: str | None = None
) -> Group:
    """Return a group with the definitions of its newest version, or of the one that is named."""
    record = await existing_group(reader, home, group_id)
    chosen = version_id or record.document.latest_version
    definitions: list[Definition] = []
    if chosen is not None:
        version = await existing_group_version(reader, home, group_id, chosen)
        definitions = [one async for one in _definitions(reader, home, version.document.arns)]
    group = Group(
        id=record.id,
        name=record.document.name,
        tags=record.document.tags,
        definitions=tuple(sorted(definitions, key=lambda one: one.kind)),
        role_arn=record.document.role_arn or "",
        certificate_validity_ms=record.document.certificate_validity_ms,
    )
    changed: Group = msgspec.structs.replace(group, addresses=await _addresses(reader, home, group))
    return changed


async def _definitions(
    reader: Reader, home: Home, arns: dict[str, str]
) -> AsyncIterator[Definition]:
    for kind in DEFINITION_KINDS:
        parts = read_version_arn(arns.get(kind.version_arn_member, ""), home)
        if parts is None:
            continue
        definition = await reader.get(kind.definitions, home.account, parts[1])
        version = await reader.get(kind.versions, home.account, parts[2])
        if definition is not None and version is not None:
            yield Definition(
                kind=_NAMES[kind.name],
                name=definition.document.name,
                tags=definition.document.tags,
                content=version.document.content,
            )


async def _addresses(reader: Reader, home: Home, group: Group) -> tuple[Address, ...]:
    names = [thing_name_of(entity.get("ThingArn")) for entity in group.entities("Core")]
    record = await reader.get(CONNECTIVITY, home.account, names[0]) if names and names[0] else None
    entries = () if record is None else record.document.entries
    return tuple(
        Address(
            id=entry.id, host=entry.host_address, port=entry.port_number, metadata=entry.metadata
        )
        for entry in entries
    )


async def _things(reader: Reader, home: Home, names: Iterable[str]) -> tuple[Thing, ...]:
    return tuple(
        Thing(
            name=record.id,
            attributes=record.document.attributes,
            thing_type=record.document.thing_type,
            thing_groups=record.document.groups,
            certificates=record.document.principals,
        )
        for record in await _records(reader, THING, home, names)
    )


async def _certificates(reader: Reader, home: Home, ids: Iterable[str]) -> tuple[Certificate, ...]:
    return tuple(
        Certificate(
            id=record.id,
            pem=record.document.pem,
            status=status_of(record.document.status),
            policies=record.document.policies,
        )
        for record in await _records(reader, CERTIFICATE, home, ids)
    )


async def _policies(reader: Reader, home: Home, names: Iterable[str]) -> tuple[Policy, ...]:
    return tuple(
        Policy(name=record.id, document=record.document.default_text)
        for record in await _records(reader, IOT_POLICY, home, names)
    )


async def _thing_types(reader: Reader, home: Home, names: Iterable[str]) -> tuple[ThingType, ...]:
    return tuple(
        ThingType(
            name=record.id,
            description=record.document.description,
            searchable=record.document.searchable,
        )
        for record in await _records(reader, THING_TYPE, home, names)
    )


async def _thing_groups(reader: Reader, home: Home, names: Iterable[str]) -> tuple[ThingGroup, ...]:
    return tuple(
        ThingGroup(
            name=record.id,
            description=record.document.description,
            attributes=record.document.attributes,
            policies=record.document.policies,
        )
        for record in await _records(reader, THING_GROUP, home, names)
    )


async def _records(
    reader: Reader, kind: Kind[D], home: Home, names: Iterable[str]
) -> list[Record[D]]:
    """Return the records of these names that there are, each once."""
    found: list[Record[D]] = []
    for number, name in enumerate(dict.fromkeys(names), 1):
        record = await reader.get(kind, home.account, name)
        if record is not None:
            found.append(record)
        if number % _AT_ONCE == 0:
            await asyncio.sleep(0)
    return found
