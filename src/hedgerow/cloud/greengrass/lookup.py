"""Groups, their versions, definitions and bulk deployments by id, or the error for none such."""

from hedgerow.cloud.greengrass.bulk_documents import BULK_DEPLOYMENT, BulkDeployment
from hedgerow.cloud.greengrass.documents import (
    GROUP,
    GROUP_VERSION,
    Definition,
    Group,
    GroupVersion,
)
from hedgerow.cloud.greengrass.faults import not_found
from hedgerow.cloud.greengrass.kinds import DefinitionKind
from hedgerow.cloud.home import Home
from hedgerow.store import Record, Store, Transaction


async def existing_group(reader: Store | Transaction, home: Home, group_id: str) -> Record[Group]:
    """Return the group, or raise `IdNotFoundException`."""
    record = await reader.get(GROUP, home.account, group_id)
    if record is None:
        raise not_found("group definition")
    return record


async def existing_group_version(
    reader: Store | Transaction, home: Home, group_id: str, version_id: str
) -> Record[GroupVersion]:
    """Return the group's version, or raise `IdNotFoundException`."""
    version = await reader.get(GROUP_VERSION, home.account, version_id)
    if version is None or version.parent != group_id:
        raise not_found("group version definition")
    return version


async def existing_definition(
    kind: DefinitionKind, reader: Store | Transaction, home: Home, definition_id: str
) -> Record[Definition]:
    """Return the definition of this kind, or raise `IdNotFoundException`."""
    record = await reader.get(kind.definitions, home.account, definition_id)
    if record is None:
        raise not_found(f"{kind.path} definition")
    return record


async def existing_bulk_deployment(
    reader: Store | Transaction, home: Home, bulk_id: str
) -> Record[BulkDeployment]:
    """Return the bulk deployment, or raise `IdNotFoundException`."""
    record = await reader.get(BULK_DEPLOYMENT, home.account, bulk_id)
    if record is None:
        raise not_found("bulk deployment")
    return record
