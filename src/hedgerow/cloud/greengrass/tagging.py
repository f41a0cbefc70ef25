"""Tags of groups and definitions: checked when set, merged and removed by pure functions.

Source: guide page tagging; the limits are AWS's common ones for tags.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from hedgerow.cloud.greengrass.arns import read_taggable_arn
from hedgerow.cloud.greengrass.documents import GROUP, Definition, Group
from hedgerow.cloud.greengrass.faults import bad_request
from hedgerow.cloud.greengrass.kinds import KINDS_BY_PATH, DefinitionKind
from hedgerow.cloud.greengrass.lookup import existing_definition, existing_group
from hedgerow.cloud.home import Home
from hedgerow.kernel import quoted
from hedgerow.store import Record, Store, Transaction

Members = Mapping[str, Any]

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
    """Return the tags of a group or definition, named by its ARN."""
    kind, identifier = _named(request["ResourceArn"], home)
    record: Record[Group] | Record[Definition]
    if kind is None:
        record = await existing_group(store, home, identifier)
    else:
        record = await existing_definition(kind, store, home, identifier)
    return {"tags": record.document.tags}


async def stored_tags(store: Store, arn: str) -> Mapping[str, str] | None:
    """Return the tags of a group or definition of whichever account its ARN names.

    None for anything that has no tags of its own, or does not exist (any more).
    """
    parts = arn.split(":", _ARN_PARTS - 1)
    if len(parts) != _ARN_PARTS:
        return None
    home = Home(account=parts[_ACCOUNT_PLACE], region=parts[_REGION_PLACE])
    named = read_taggable_arn(arn, home)
    if named is None:
        return None
    kind = KINDS_BY_PATH.get(named[0])
    record: Record[Group] | Record[Definition] | None
    if kind is None:
        record = await store.get(GROUP, home.account, named[1])
    else:
        record = await store.get(kind.definitions, home.account, named[1])
    return None if record is None else record.document.tags


async def add_tags(tx: Transaction, home: Home, request: Members) -> Members:
    """Add tags to a group or definition, replacing those of the same keys."""
    more = request.get("tags")
    return await _retag(tx, home, request, lambda current: with_tags(current, more))


async def remove_tags(tx: Transaction, home: Home, request: Members) -> Members:
    """Take tags off a group or definition."""
    keys = request["TagKeys"]
    return await _retag(tx, home, request, lambda current: without_tags(current, keys))


async def _retag(
    tx: Transaction,
    home: Home,
    request: Members,
    change: Callable[[Mapping[str, str]], dict[str, str]],
) -> Members:
    kind, identifier = _named(request["ResourceArn"], home)
    if kind is None:
        group = await existing_group(tx, home, identifier)
        tags = change(group.document.tags)
        await tx.update(group, msgspec.structs.replace(group.document, tags=tags))
    else:
        definition = await existing_definition(kind, tx, home, identifier)
        tags = change(definition.document.tags)
        await tx.update(definition, msgspec.structs.replace(definition.document, tags=tags))
    return {}


def _named(arn: str, home: Home) -> tuple[DefinitionKind | None, str]:
    """Return the kind of definition (None: a group) and the id that an ARN names."""
    parts = read_taggable_arn(arn, home)
    if parts is None or (parts[0] != "groups" and parts[0] not in KINDS_BY_PATH):
        raise bad_request(
            f"{quoted(arn)} is not the ARN of a group or definition of this account; versions and "
            "deployments have no tags"
        )
    return KINDS_BY_PATH.get(parts[0]), parts[1]
