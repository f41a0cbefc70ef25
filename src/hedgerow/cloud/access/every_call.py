"""Authorizes every call of every API: no call is run that this has not decided.

The operation's row says which permissions it needs on which resources; each is decided on its
own, and the first that is missing refuses the call. What is not in the table is refused.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from hedgerow.aws import Asked
from hedgerow.cloud.access.decider import AccessDecider, Grants
from hedgerow.cloud.access.endpoint import endpoint_of
from hedgerow.cloud.access.questions import Question, Questions
from hedgerow.cloud.access.refusals import (
    denial,
    facts_of,
    foreign,
    never_by_session,
    no_row,
    nothing_allowed,
)
from hedgerow.cloud.access.resources import OrganizationIds
from hedgerow.cloud.access.rows import Row, rows_of
from hedgerow.cloud.access.tags import ResourceTags, resource_tags
from hedgerow.cloud.iam import IamDirectory
from hedgerow.cloud.iam.session_limits import beyond_session
from hedgerow.kernel import DeniedError
from hedgerow.policy import (
    Dialect,
    Explanation,
    NamedPolicy,
    PolicySet,
    decide,
    explain,
    parse_policy,
)
from hedgerow.store import Store

Facts = Mapping[str, Any]

_ALLOW_ALL: Final = (
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}'
)
_NO_PERMISSION_NEEDED: Final = (
    NamedPolicy("no permission is needed", parse_policy(_ALLOW_ALL, Dialect.IDENTITY)),
)


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that a call needs, and what policies say to it.

    `foreign` says that the resource is another account's: then no policy matters.
    """

    action: str
    resource: str
    foreign: bool
    explanation: Explanation


@dataclass(frozen=True, slots=True)
class CallExplanation:
    """Why a call is allowed or refused: the table's row, and every step on the way.

    `beyond` is what temporary credentials can never do, and empty if that is not the cause.
    """

    row: Row
    steps: tuple[Step, ...]
    beyond: str = ""

    @property
    def allowed(self) -> bool:
        """Whether the call may be made."""
        allowed = all(step.explanation.decision.allowed and not step.foreign for step in self.steps)
        return allowed and not self.beyond


class EveryCall:
    """The gateway's authorizer.

    `directory` says where IAM's names lie. `tags` (those in the store, unless others are given) are
    asked only where a policy in force speaks of resource tags.
    """

    def __init__(
        self,
        store: Store,
        decider: AccessDecider,
        directory: IamDirectory,
        tags: ResourceTags | None = None,
    ) -> None:
        self._decider = decider
        known_tags = tags or resource_tags(store, directory)
        self._questions = Questions(directory, OrganizationIds(store), known_tags)

    async def authorize(self, asked: Asked) -> Facts:
        """Return what decided for the call; raise `AccessDeniedError` that says what is missing."""
        row = rows_of(asked.service).get(asked.operation)
        if row is None:
            raise no_row(asked)
        beyond = beyond_session(asked.caller.principal, asked.service, asked.operation)
        if beyond is not None:
            raise never_by_session(row, beyond)
        try:
            grants = await self._grants(asked)
        except DeniedError as unreadable:
            raise nothing_allowed(asked, row, unreadable) from unreadable
        policies = policies_for(row, grants)
        questions = await self._questions.of(grants, asked, row)
        first, *further = [
            _decided(question, policies, grants, asked, row) for question in questions
        ]
        if further:
            first["further"] = further
        return first

    async def explain(self, asked: Asked) -> CallExplanation:
        """Return why `authorize` decides as it does.

        Raises `DeniedError` where there is nothing to explain: no row, or policies that cannot be
        read.
        """
        row = rows_of(asked.service).get(asked.operation)
        if row is None:
            raise no_row(asked)
        grants = await self._grants(asked)
        policies = policies_for(row, grants)
        steps = [
            Step(
                action=question.request.action,
                resource=question.resource.name,
                foreign=_counts_as_foreign(question, row),
                explanation=explain(policies, question.request),
            )
            for question in await self._questions.of(grants, asked, row)
        ]
        beyond = beyond_session(asked.caller.principal, asked.service, asked.operation)
        return CallExplanation(row=row, steps=tuple(steps), beyond=beyond or "")

    async def _grants(self, asked: Asked) -> Grants:
        return await self._decider.grants(asked.caller.principal, endpoint_of(asked.peer))


def policies_for(row: Row, grants: Grants) -> PolicySet:
    """Return what a call is judged by: where no permission is needed here, the endpoint alone."""
    if row.judged == "by-policies":
        return grants.policies
    return PolicySet(identity=_NO_PERMISSION_NEEDED, endpoint=grants.policies.endpoint)


def _counts_as_foreign(question: Question, row: Row) -> bool:
    """Tell whether a resource is refused for its account: roles of others may be assumed."""
    return question.resource.foreign and row.judged != "by-operation"


def _decided(
    question: Question, policies: PolicySet, grants: Grants, asked: Asked, row: Row
) -> dict[str, Any]:
    """Return what decided for one permission on one resource, or raise why not."""
    request = question.request
    if _counts_as_foreign(question, row):
        raise foreign(asked, request.action, request.resource)
    decision = decide(policies, request)
    if not decision.allowed:
        raise denial(asked, row, request, explain(policies, request), gone=grants.gone)
    facts = facts_of(request, decision)
    if grants.root:
        facts["root"] = True
    if row.judged != "by-policies":
        facts["judged"] = row.judged
    return facts
