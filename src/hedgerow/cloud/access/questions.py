"""What has to be decided for a call: each permission on each resource, with all that is known."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from hedgerow.aws import Asked
from hedgerow.cloud.access.decider import Grants
from hedgerow.cloud.access.keys import (
    PASSED_TO_SERVICE,
    PERMISSIONS_BOUNDARY,
    TAG_KEYS,
    call_values,
    request_tag_values,
    resource_tag_values,
)
from hedgerow.cloud.access.refusals import unclear_tag
from hedgerow.cloud.access.resources import Names, OrganizationIds, Resource
from hedgerow.cloud.access.rows import Need, Row
from hedgerow.cloud.access.tags import ResourceTags, request_tag_keys, request_tags
from hedgerow.cloud.iam import IamDirectory
from hedgerow.policy import AccessRequest, Values

_NOTHING: Final[Mapping[str, Values]] = {}
_TAGS_WITHOUT_CASE: Final = frozenset({"iam"})
"""Services where a tag's key in another case is the same tag."""


class Question(msgspec.Struct, frozen=True):
    """One permission on one resource, ready to be put to policies."""

    need: Need
    resource: Resource
    request: AccessRequest


class Questions:
    """Asks what a call's row says. Facts are looked up only where the grants' policies want them.

    `directory` and `organizations` know what stands in names beside the input, `tags` the tags of
    resources.
    """

    def __init__(
        self, directory: IamDirectory, organizations: OrganizationIds, tags: ResourceTags
    ) -> None:
        self._names = Names(directory, organizations)
        self._tags = tags

    async def of(self, grants: Grants, asked: Asked, row: Row) -> Sequence[Question]:
        """Return everything that has to be allowed for a call: at least one question.

        Raises `AccessDeniedError` for a call that policies cannot be asked about without guessing.
        """
        wants_more = not grants.wanted.nothing_of_call
        known = await self._of_call(grants, asked, row) if wants_more else _NOTHING
        questions = []
        for need in row.needs:
            if need.when and not any(_present(asked.input, path) for path in need.when):
                continue
            names = self._names
            found = names.plain(need, asked) if need.plain else await names.looked_up(need, asked)
            for resource in found:
                facts = known
                if wants_more:
                    facts = await self._of_resource(grants, need, resource, known)
                request = grants.request(need.action, resource.name, facts)
                questions.append(Question(need, resource, request))
        return questions

    async def _of_call(self, grants: Grants, asked: Asked, row: Row) -> Mapping[str, Values]:
        """Return what conditions can know of the call, whichever resource it is judged on."""
        wanted = grants.wanted
        values = call_values(wanted, asked)
        if wanted.request_tags:
            tags = request_tag_values(wanted, request_tags(row, asked.input))
            unclear = next((key for key, value in tags.items() if not isinstance(value, str)), None)
            if unclear is not None:
                raise unclear_tag(asked, row, unclear)
            values.update(tags)
        if wanted.tag_keys:
            names = request_tag_keys(row, asked.input)
            if names is not None:
                values[TAG_KEYS] = names
        if wanted.boundary:
            boundary = await self._names.boundary(asked)
            if boundary:
                values[PERMISSIONS_BOUNDARY] = boundary
        return values

    async def _of_resource(
        self, grants: Grants, need: Need, resource: Resource, known: Mapping[str, Values]
    ) -> Mapping[str, Values]:
        """Add what conditions can know of the resource, and of whom a role is passed to."""
        wanted = grants.wanted
        more: dict[str, Values] = {}
        if wanted.passed_to and need.passed_to:
            more[PASSED_TO_SERVICE] = need.passed_to
        if resource.tagged is None or resource.foreign:
            return {**known, **more} if more else known
        if wanted.resource_tags or TAG_KEYS in known:
            tags = await self._tags.tags_of(resource.tagged) or {}
            more.update(resource_tag_values(wanted, need.service, tags))
            if need.service in _TAGS_WITHOUT_CASE and TAG_KEYS in known:
                more[TAG_KEYS] = _as_kept_too(known[TAG_KEYS], tags)
        return {**known, **more} if more else known


def _as_kept_too(names: Values, tags: Mapping[str, str]) -> Values:
    """Return names of tags, and beside them those of the resource's tags that they replace.

    Else a deny on changing `tier` would be passed by writing `TIER`.
    """
    meant = {name.lower() for name in names}
    return tuple(dict.fromkeys((*names, *(key for key in tags if key.lower() in meant))))


def _present(call_input: Mapping[str, Any], path: Sequence[str]) -> bool:
    value: Any = call_input
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return bool(value)
