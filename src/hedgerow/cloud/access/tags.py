"""Tags as conditions see them: those that a request brings, and those that a resource has."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol
from urllib.parse import parse_qsl

from hedgerow.cloud.access.rows import Row
from hedgerow.cloud.cloudtrail.documents import TRAIL_SETTINGS
from hedgerow.cloud.greengrass.tagging import stored_tags
from hedgerow.cloud.iam import IamDirectory
from hedgerow.cloud.iam.mfa import device_tags
from hedgerow.kernel import Arn, CallerError
from hedgerow.store import Store

_KEY_NAMES = ("Key", "key", "TagKey")
_VALUE_NAMES = ("Value", "value", "TagValue")


class ResourceTags(Protocol):
    """Knows the tags of resources; it is asked only where a policy speaks of resource tags."""

    async def tags_of(self, arn: str) -> Mapping[str, str] | None:
        """Return the tags of a resource; None if there is none of that name or it has no tags."""


class StoredTags:
    """The tags of every account's resources, by the service in their ARN."""

    def __init__(self, services: Mapping[str, ResourceTags]) -> None:
        self._services = services

    async def tags_of(self, arn: str) -> Mapping[str, str] | None:
        """Return the tags of a resource, from the service that has it."""
        parts = arn.split(":", 3)
        service = self._services.get(parts[2]) if len(parts) > _SERVICE_PLACE + 1 else None
        return None if service is None else await service.tags_of(arn)


_SERVICE_PLACE = 2


class GreengrassTags:
    """The tags of groups and definitions, read from the store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def tags_of(self, arn: str) -> Mapping[str, str] | None:
        """Return the tags of a group or definition of any account."""
        return await stored_tags(self._store, arn)


class IamTags:
    """The tags of users, roles and policies, from the directory, and of devices, from the store."""

    def __init__(self, store: Store, directory: IamDirectory) -> None:
        self._store = store
        self._directory = directory

    async def tags_of(self, arn: str) -> Mapping[str, str] | None:
        """Return the tags of what IAM has in any account."""
        tags = await self._directory.tags_of(arn)
        return await device_tags(self._store, arn) if tags is None else tags


class TrailTags:
    """The tags of trails, read from the store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def tags_of(self, arn: str) -> Mapping[str, str] | None:
        """Return the tags of a trail of any account."""
        try:
            named = Arn.parse(arn)
        except CallerError:
            return None
        kind, _, name = named.resource.partition("/")
        if kind != "trail":
            return None
        record = await self._store.get(TRAIL_SETTINGS, named.account, name)
        return None if record is None else record.document.tags


def resource_tags(store: Store, directory: IamDirectory) -> StoredTags:
    """Return the tags of everything in the store that can have tags."""
    return StoredTags(
        {
            "greengrass": GreengrassTags(store),
            "iam": IamTags(store, directory),
            "cloudtrail": TrailTags(store),
        }
    )


def request_tags(row: Row, call_input: Mapping[str, Any]) -> Sequence[tuple[str, str]]:
    """Return the tags that a request sets: none for an operation that sets no tags."""
    given = call_input.get(row.tags) if row.tags is not None else None
    if not given:
        return ()
    if isinstance(given, str):
        return parse_qsl(given, keep_blank_values=True)
    if isinstance(given, Mapping):
        return [(str(key), str(value)) for key, value in given.items()]
    return [(_member(tag, _KEY_NAMES), _member(tag, _VALUE_NAMES)) for tag in given]


def request_tag_keys(row: Row, call_input: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Return the names of tags in a request, to set or to take away; None if it has no tags."""
    names = [key for key, _ in request_tags(row, call_input)]
    if row.tag_keys is not None:
        names.extend(call_input.get(row.tag_keys) or ())
    return tuple(dict.fromkeys(names)) or None


def _member(tag: Mapping[str, Any], names: Sequence[str]) -> str:
    return next((str(tag[name]) for name in names if tag.get(name) is not None), "")
