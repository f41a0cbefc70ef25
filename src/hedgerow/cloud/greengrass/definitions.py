"""All seven kinds of definition through one set of functions.

Each takes the row of the table `kinds` that says which kind, and the request's members as the
model names them, and returns the answer's members. Versions are written once and never changed.
"""

from collections.abc import Mapping
from typing import Any

from hedgerow.cloud.greengrass.arns import definition_arn, version_arn
from hedgerow.cloud.greengrass.documents import Definition, DefinitionVersion
from hedgerow.cloud.greengrass.faults import invalid_definition, not_found
from hedgerow.cloud.greengrass.kinds import DefinitionKind
from hedgerow.cloud.greengrass.lookup import existing_definition
from hedgerow.cloud.greengrass.paging import Paging, page_answer
from hedgerow.cloud.greengrass.tagging import checked_tags
from hedgerow.cloud.home import Home
from hedgerow.kernel import iso_milliseconds, new_uuid
from hedgerow.store import Record, Store, Transaction

Members = Mapping[str, Any]


async def create(kind: DefinitionKind, tx: Transaction, home: Home, request: Members) -> Members:
    """Make a definition, and its first version if the request carries one."""
    document = Definition(name=request.get("Name"), tags=checked_tags(request.get("tags")))
    record = await tx.insert(kind.definitions, home.account, new_uuid(), document)
    initial = request.get("InitialVersion")
    if initial is not None:
        record, _ = await _add_version(kind, tx, home, record, initial)
    return _definition_answer(kind, home, record)


async def create_version(
    kind: DefinitionKind, tx: Transaction, home: Home, request: Members
) -> Members:
    """Add an immutable version to a definition; it becomes the latest."""
    record = await existing_definition(kind, tx, home, request[kind.id_member])
    record, version = await _add_version(kind, tx, home, record, request)
    return _version_answer(kind, home, record.id, version)


async def get(kind: DefinitionKind, store: Store, home: Home, request: Members) -> Members:
    """Return a definition with its tags."""
    record = await existing_definition(kind, store, home, request[kind.id_member])
    return {**_definition_answer(kind, home, record), "tags": record.document.tags}


async def get_version(kind: DefinitionKind, store: Store, home: Home, request: Members) -> Members:
    """Return a version with its content."""
    definition = await existing_definition(kind, store, home, request[kind.id_member])
    version = await store.get(kind.versions, home.account, request[kind.version_id_member])
    if version is None or version.parent != definition.id:
        raise not_found(f"{kind.path} version definition")
    return {
        **_version_answer(kind, home, definition.id, version),
        "Definition": version.document.content,
    }


async def list_all(kind: DefinitionKind, store: Store, home: Home, request: Members) -> Members:
    """Return one page of the definitions of a kind."""
    paging = Paging.of(request)
    page = await store.list(kind.definitions, home.account, limit=paging.limit, after=paging.after)
    rows = [
        {**_definition_answer(kind, home, record), "Tags": record.document.tags}
        for record in page.records
    ]
    return page_answer("Definitions", rows, page)


async def list_versions(
    kind: DefinitionKind, store: Store, home: Home, request: Members
) -> Members:
    """Return one page of the versions of a definition."""
    paging = Paging.of(request)
    definition = await existing_definition(kind, store, home, request[kind.id_member])
    page = await store.list(
        kind.versions,
        home.account,
        parent=definition.id,
        limit=paging.limit,
        after=paging.after,
    )
    rows = [_version_answer(kind, home, definition.id, record) for record in page.records]
    return page_answer("Versions", rows, page)


async def update(kind: DefinitionKind, tx: Transaction, home: Home, request: Members) -> Members:
    """Change the name of a definition; nothing else of it can change."""
    record = await existing_definition(kind, tx, home, request[kind.id_member])
    await tx.update(record, _renamed(record.document, request.get("Name")))
    return {}


async def delete(kind: DefinitionKind, tx: Transaction, home: Home, request: Members) -> Members:
    """Delete a definition with all its versions and tags."""
    record = await existing_definition(kind, tx, home, request[kind.id_member])
    for version in await tx.all(kind.versions, home.account, parent=record.id):
        await tx.delete(version)
    await tx.delete(record)
    return {}


async def _add_version(
    kind: DefinitionKind,
    tx: Transaction,
    home: Home,
    record: Record[Definition],
    content: Members,
) -> tuple[Record[Definition], Record[DefinitionVersion]]:
    kept = {member: content[member] for member in kind.members if content.get(member) is not None}
    faults = kind.faults(kept, home)
    if faults:
        raise invalid_definition(kind.path, faults)
    version = await tx.insert(
        kind.versions,
        home.account,
        new_uuid(),
        DefinitionVersion(content=kept),
        parent=record.id,
    )
    newer = Definition(
        name=record.document.name, latest_version=version.id, tags=record.document.tags
    )
    return await tx.update(record, newer), version


def _renamed(document: Definition, name: str | None) -> Definition:
    return Definition(name=name, latest_version=document.latest_version, tags=document.tags)


def _definition_answer(kind: DefinitionKind, home: Home, record: Record[Definition]) -> Members:
    answer: dict[str, Any] = {
        "Arn": definition_arn(home, kind.path, record.id),
        "CreationTimestamp": iso_milliseconds(record.created_at),
        "Id": record.id,
        "LastUpdatedTimestamp": iso_milliseconds(record.updated_at),
    }
    if record.document.name is not None:
        answer["Name"] = record.document.name
    latest = record.document.latest_version
    if latest is not None:
        answer["LatestVersion"] = latest
        answer["LatestVersionArn"] = version_arn(home, kind.path, record.id, latest)
    return answer


def _version_answer(
    kind: DefinitionKind, home: Home, definition_id: str, record: Record[DefinitionVersion]
) -> dict[str, Any]:
    return {
        "Arn": version_arn(home, kind.path, definition_id, record.id),
        "CreationTimestamp": iso_milliseconds(record.created_at),
        "Id": definition_id,
        "Version": record.id,
    }
