"""What a principal may do, by all the policies that hold for it: decided, or explained.

The policies of a principal are put together once and kept for as long as its credentials and its
policies stay what they are, with all that is the same for every call of it.
"""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from hedgerow.aws import Principal
from hedgerow.cloud.access.endpoint import ApiEndpoint
from hedgerow.cloud.access.keys import WantedKeys, principal_arn, principal_values, wanted_keys
from hedgerow.cloud.iam import IamDirectory, PrincipalPolicies
from hedgerow.policy import (
    AccessRequest,
    Context,
    Decision,
    Dialect,
    Explanation,
    MalformedPolicyError,
    NamedPolicy,
    PolicySet,
    Requester,
    context,
    decide,
    explain,
    parse_policy,
)

_KNOWN_PRINCIPALS: Final = 4096
_KNOWN_SESSION_POLICIES: Final = 1024
_NOBODY: Final = PrincipalPolicies(identity=())
NOTHING: Final = context({})


@dataclass(frozen=True, slots=True)
class Grants:
    """All that judging a principal's calls takes, put together once.

    `gone` says that the user or role does not exist (any more); nothing is allowed then.
    """

    principal: Principal
    endpoint: ApiEndpoint | None
    held: PrincipalPolicies | None
    policies: PolicySet
    wanted: WantedKeys
    requester: Requester
    known: Context
    """What conditions can know of the principal itself."""

    @property
    def root(self) -> bool:
        """Whether this is the root of the account, who needs no policy."""
        return self.held is not None and self.held.root

    def still_holds(
        self, principal: Principal, endpoint: ApiEndpoint | None, held: PrincipalPolicies | None
    ) -> bool:
        """Whether these were put together for the very same, which cannot change."""
        return self.principal is principal and self.endpoint is endpoint and self.held is held

    @property
    def gone(self) -> bool:
        """Whether there is no such user or role."""
        return self.held is None

    def request(self, action: str, resource: str, more: Context) -> AccessRequest:
        """Return the request to decide; `more` is what is known beside the principal."""
        known = context({**self.known, **more}) if more else self.known
        return AccessRequest(
            action=action, resource=resource, variables=known, principal=self.requester
        )


class AccessDecider:
    """Decides by identity policies, permissions boundary, session policies and endpoint policy."""

    def __init__(self, directory: IamDirectory) -> None:
        self._directory = directory
        self._grants: OrderedDict[tuple[int, int], Grants] = OrderedDict()

    async def judge(
        self, principal: Principal, action: str, resource: str, more: Context = NOTHING
    ) -> Decision:
        """Decide whether a principal may do an action on a resource.

        What conditions can know of the principal is added to `more`, what else is known.
        """
        grants = await self.grants(principal)
        return decide(grants.policies, grants.request(action, resource, more))

    async def explain(
        self, principal: Principal, action: str, resource: str, more: Context = NOTHING
    ) -> Explanation:
        """Return every step of what `judge` decides."""
        grants = await self.grants(principal)
        return explain(grants.policies, grants.request(action, resource, more))

    async def grants(self, principal: Principal, endpoint: ApiEndpoint | None = None) -> Grants:
        """Return what holds for a principal now, at a private door if it came in by one."""
        held = await self._directory.principal_policies(principal)
        key = (id(principal), id(endpoint))
        known = self._grants.get(key)
        if known is not None and known.still_holds(principal, endpoint, held):
            return known
        made = grants_of(principal, held, endpoint)
        self._grants[key] = made
        if len(self._grants) > _KNOWN_PRINCIPALS:
            self._grants.popitem(last=False)
        return made


def grants_of(
    principal: Principal, held: PrincipalPolicies | None, endpoint: ApiEndpoint | None = None
) -> Grants:
    """Put together what judging a principal's calls takes; without `held` nothing is allowed."""
    has = held or _NOBODY
    at_endpoint = endpoint.policy if endpoint is not None else None
    policies = PolicySet(
        identity=has.identity,
        boundary=has.boundary,
        session=_session_policies(principal),
        endpoint=None if at_endpoint is None else (at_endpoint,),
    )
    wanted = wanted_keys({key for named in _all(policies) for key in named.policy.keys})
    session = principal.session
    return Grants(
        principal=principal,
        endpoint=endpoint,
        held=held,
        policies=policies,
        wanted=wanted,
        requester=Requester(
            account=principal.account,
            arn=principal.arn,
            role_arn=principal_arn(principal)
            if session and principal.kind == "AssumedRole"
            else "",
        ),
        known=context(principal_values(wanted, principal, has.tags)),
    )


def _all(policies: PolicySet) -> Iterator[NamedPolicy]:
    for layer in (policies.identity, policies.boundary, policies.session, policies.endpoint):
        yield from layer or ()


def _session_policies(principal: Principal) -> tuple[NamedPolicy, ...] | None:
    """Return what narrows a session, None for nothing.

    A federated user has only what its session policies give, so without any it has nothing; and
    a session whose policy cannot be read has nothing either.
    """
    session = principal.session
    if session is None or (not session.policies and principal.kind != "FederatedUser"):
        return None
    try:
        return tuple(
            NamedPolicy(f"session policy {number}", _session_policy(text))
            for number, text in enumerate(session.policies, start=1)
        )
    except MalformedPolicyError:
        return ()


_session_policy = lru_cache(maxsize=_KNOWN_SESSION_POLICIES)(
    lambda text: parse_policy(text, Dialect.SESSION)
)
