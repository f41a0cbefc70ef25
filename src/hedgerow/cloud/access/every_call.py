"""Authorizes every call of every API: no call is run that this has not decided.

The operation's row says which permissions it needs on which resources; each is decided on its
own, and the first that is missing refuses the call. What is not in the table is refused.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from hedgerow.aws import Asked
from hedgerow.cloud.access.decider import AccessDecider, Grants
from hedgerow.cloud.access.endpoint import ApiEndpoint, endpoint_of
from hedgerow.cloud.access.keys import (
    PASSED_TO_SERVICE,
    PERMISSIONS_BOUNDARY,
    TAG_KEYS,
    call_values,
    request_tag_values,
    resource_tag_values,
)
from hedgerow.cloud.access.refusals import (
    denial,
    facts_of,
    foreign,
    never_by_session,
    no_row,
    nothing_allowed,
)
from hedgerow.cloud.access.resources import Names, Resource
from hedgerow.cloud.access.rows import Need, Row, rows_of
from hedgerow.cloud.access.tags import ResourceTags, request_tag_keys, request_tags
from hedgerow.cloud.iam import IamDirectory
from hedgerow.cloud.iam.session_limits import beyond_session
from hedgerow.kernel import DeniedError
from hedgerow.policy import (
    AccessRequest,
    Dialect,
    NamedPolicy,
    PolicySet,
    Requester,
    Values,
    context,
    decide,
    explain,
    parse_policy,
)

Facts = Mapping[str, Any]

_ALLOW_ALL: Final = (
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}'
)
_NO_PERMISSION_NEEDED: Final = (
    NamedPolicy("no permission is needed", parse_policy(_ALLOW_ALL, Dialect.IDENTITY)),
)
_NOTHING: Final[Mapping[str, Values]] = {}


class EveryCall:
    """The gateway's authorizer.

    `directory` says who has which policies and where IAM's names lie; `tags` is asked only where
    a policy in force speaks of resource tags.
    """

    def __init__(self, decider: AccessDecider, directory: IamDirectory, tags: ResourceTags) -> None:
        self._decider = decider
        self._names = Names(directory)
        self._tags = tags

    async def authorize(self, asked: Asked) -> Facts:
        """Return what decided for the call; raise `AccessDeniedError` that says what is missing."""
        row = rows_of(asked.service).get(asked.operation)
        if row is None:
            raise no_row(asked)
        beyond = beyond_session(asked.caller.principal, asked.service, asked.operation)
        if beyond is not None:
            raise never_by_session(row, beyond)
        endpoint = endpoint_of(asked.peer)
        if row.judged != "by-policies":
            return _through_the_door(asked, row, endpoint)
        try:
            grants = await self._decider.grants(asked.caller.principal, endpoint)
        except DeniedError as unreadable:
            raise nothing_allowed(asked, row, unreadable) from unreadable
        return await self._all_needs(grants, asked, row)

    async def _all_needs(self, grants: Grants, asked: Asked, row: Row) -> Facts:
        """Return what decided for every permission that the call needs, or raise why not."""
        known = _NOTHING
        if not grants.wanted.nothing_of_call:
            known = await self._of_call(grants, asked, row)
        decided = [
            await self._decided(grants, asked, row, need, resource, known)
            for need in row.needs
            if not need.when or any(_present(asked.input, path) for path in need.when)
            for resource in await self._names.resources(need, asked)
        ]
        first, *further = decided
        if further:
            first["further"] = further
        return first

    async def _decided(
        self,
        grants: Grants,
        asked: Asked,
        row: Row,
        need: Need,
        resource: Resource,
        known: Mapping[str, Values],
    ) -> dict[str, Any]:
        """Return what decided for one permission on one resource, or raise why not."""
        if resource.foreign:
            raise foreign(asked, need.action, resource.name)
        if not grants.wanted.nothing_of_call:
            known = await self._of_resource(grants, asked, need, resource, known)
        request = grants.request(need.action, resource.name, known)
        decision = decide(grants.policies, request)
        if not decision.allowed:
            explanation = explain(grants.policies, request)
            raise denial(asked, row, request, explanation, gone=grants.gone)
        facts = facts_of(request, decision)
        if grants.root:
            facts["root"] = True
        return facts

    async def _of_call(self, grants: Grants, asked: Asked, row: Row) -> Mapping[str, Values]:
        """Return what conditions can know of the call, whichever resource it is judged on."""
        wanted = grants.wanted
        values = call_values(wanted, asked)
        if wanted.request_tags:
            values.update(request_tag_values(wanted, request_tags(row, asked.input)))
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
        self,
        grants: Grants,
        asked: Asked,
        need: Need,
        resource: Resource,
        known: Mapping[str, Values],
    ) -> Mapping[str, Values]:
        """Add what conditions can know of the resource, and of whom a role is passed to."""
        wanted = grants.wanted
        more: dict[str, Values] = {}
        if wanted.passed_to and need.passed_to:
            more[PASSED_TO_SERVICE] = need.passed_to
        if wanted.resource_tags and resource.tagged is not None:
            tags = await self._tags.tags_of(resource.tagged)
            if tags:
                more.update(resource_tag_values(wanted, asked.iam_prefix, tags))
        return {**known, **more} if more else known


def _present(call_input: Mapping[str, Any], path: Sequence[str]) -> bool:
    value: Any = call_input
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return bool(value)


def _through_the_door(asked: Asked, row: Row, endpoint: ApiEndpoint | None) -> Facts:
    """Judge a call that needs no permission here by the endpoint's policy alone, if it has one."""
    action = row.needs[0].action
    facts: dict[str, Any] = {"action": action, "resource": "*", "effect": row.judged}
    if endpoint is None or endpoint.policy is None:
        return facts
    principal = asked.caller.principal
    request = AccessRequest(
        action=action,
        resource="*",
        variables=context({}),
        principal=Requester(account=principal.account, arn=principal.arn),
    )
    policies = PolicySet(identity=_NO_PERMISSION_NEEDED, endpoint=(endpoint.policy,))
    decision = decide(policies, request)
    if not decision.allowed:
        raise denial(asked, row, request, explain(policies, request), gone=False)
    return facts
