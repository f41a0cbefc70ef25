"""Tags of groups, definitions and bulk deployments: checked when set, changed by pure functions.

Source: guide page tagging; the limits are AWS's common ones for tags.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from hedgerow.cloud.greengrass.arns import BULK_PATH, GROUPS_PATH, read_taggable_arn
from hedgerow.cloud.greengrass.bulk_documents import BULK_DEPLOYMENT, BulkDeployment
from hedgerow.cloud.greengrass.documents import GROUP, Definition, Group
from hedgerow.cloud.greengrass.faults import bad_request
from hedgerow.cloud.greengrass.kinds import KINDS_BY_PATH
from hedgerow.cloud.greengrass.lookup import (
    existing_bulk_deployment,
    existing_definition,
    existing_group,
)
from hedgerow.cloud.home import Home
from hedgerow.kernel import quoted
from hedgerow.store import Record, Store, Transaction

Members = Mapping[str, Any]
Tagged = Record[Group] | Record[Definition] | Record[BulkDeployment]

MAX_TAGS = 50
MAX_KEY_LENGTH = 128
MAX_VALUE_LENGTH = 256
_RESERVED = "aws:"
_ARN_PARTS = 6
_REGION_PLACE, _ACCOUNT_PLACE = 3, 4


def checked_tags(tags: Mapping[str, str] | None) -> dict[str, str]:
    """Return the tags if each is within the limits, else raise `BadRequestException`."""
    for key, value in (tags or {}).items():
        if not 1 <= len(key) <= MAX_KEY_LENGTH or key.lower().startswith(_RESERVED):
            raise bad_request(
                f"the tag key {quoted(key)} must have 1 to {MAX_KEY_LENGTH} characters "
                f"and not begin with '{_RESERVED}'"
            )
        if len(value) > MAX_VALUE_LENGTH:
            raise bad_request(
                f"the value of tag {quoted(key)} is longer than {MAX_VALUE_LENGTH} characters"
            )
    if len(tags or {}) > MAX_TAGS:
        raise bad_request(f"a resource has at most {MAX_TAGS} tags")
    return dict(tags or {})


def with_tags(current: Mapping[str, str], more: Mapping[str, str] | None) -> dict[str, str]:
    """Return the tags after `TagResource`: new ones added, same keys replaced."""
    return checked_tags({**current, **(more or {})})


def without_tags(current: Mapping[str, str], keys: Sequence[str]) -> dict[str, str]:
    """Return the tags after `UntagResource`; a key that is not there is no error."""
    return {key: value for key, value in current.items() if key not in keys}


async def tags_of(store: Store, home: Home, request: Members) -> Members:
    """Return the tags of a resource, named by its ARN."""
    record = await _existing(store, home, request["ResourceArn"])
    return {"tags": record.document.tags}


async def stored_tags(store: Store, arn: str) -> Mapping[str, str] | None:
    """Return the tags of a resource of whichever account its ARN names.

    None for anything that has no tags of its own, or does not exist (any more).
    """
    parts = arn.split(":", _ARN_PARTS - 1)
    if len(parts) != _ARN_PARTS:
        return None
    home = Home(account=parts[_ACCOUNT_PLACE], region=parts[_REGION_PLACE])
    named = read_taggable_arn(arn, home)
    if named is None:
        return None
    path, identifier = named
    record: Tagged | None
    if path == GROUPS_PATH:
        record = await store.get(GROUP, home.account, identifier)
    elif path == BULK_PATH:
        record = await store.get(BULK_DEPLOYMENT, home.account, identifier)
    elif path in KINDS_BY_PATH:
        record = await store.get(KINDS_BY_PATH[path].definitions, home.account, identifier)
    else:
        return None
    return None if record is None else record.document.tags


async def add_tags(tx: Transaction, home: Home, request: Members) -> Members:
    """Add tags to a resource, replacing those of the same keys."""
    more = request.get("tags")
    return await _retag(tx, home, request, lambda current: with_tags(current, more))


async def remove_tags(tx: Transaction, home: Home, request: Members) -> Members:
    """Take tags off a resource."""
    keys = request["TagKeys"]
    return await _retag(tx, home, request, lambda current: without_tags(current, keys))


async def _retag(
    tx: Transaction,
    home: Home,
    request: Members,
    change: Callable[[Mapping[str, str]], dict[str, str]],
) -> Members:
    record: Record[Any] = await _existing(tx, home, request["ResourceArn"])
    tags = change(record.document.tags)
    await tx.update(record, msgspec.structs.replace(record.document, tags=tags))
    return {}


async def _existing(reader: Store | Transaction, home: Home, arn: str) -> Tagged:
    """Return what an ARN names, or raise the error for what has no tags or does not exist."""
    path, identifier = read_taggable_arn(arn, home) or ("", "")
    if path == GROUPS_PATH:
        return await existing_group(reader, home, identifier)
    if path == BULK_PATH:
        return await existing_bulk_deployment(reader, home, identifier)
    if path in KINDS_BY_PATH:
        return await existing_definition(KINDS_BY_PATH[path], reader, home, identifier)
    raise bad_request(
        f"{quoted(arn)} is not the ARN of a group, definition or bulk deployment of this account; "
        "versions and deployments have no tags"
    )
