"""What one policy by itself gives a request, judged without anything being remembered."""

from enum import IntEnum

from hedgerow.policy.context import context
from hedgerow.policy.dialects import Dialect
from hedgerow.policy.documents import Policy
from hedgerow.policy.principals import Named
from hedgerow.policy.requests import AccessRequest


class Grant(IntEnum):
    """How much is given: nothing, what one's own policies must give as well, or all."""

    NONE = 0
    BY_ACCOUNT = 1
    FULL = 2


def grant(policy: Policy, request: AccessRequest) -> Grant:
    """Return what the policy gives; as `decide` and `decide_trust` would, of this policy alone.

    An analysis asks of thousands of requests that never come again, which must not push out
    the answers that decisions remember.
    """
    variables = context(request.variables)
    given = Grant.NONE
    for statement in policy.statements:
        principals = statement.principals
        named = Named.DIRECTLY if principals is None else principals.of(request.principal)
        if (
            named is Named.NOT
            or not statement.covers_action(request.action)
            or not statement.covers_resource(request.resource, variables)
            or not statement.meets_conditions(variables)
        ):
            continue
        if statement.effect == "Deny":
            return Grant.NONE
        by_account = policy.dialect is Dialect.TRUST and named is Named.ACCOUNT
        given = max(given, Grant.BY_ACCOUNT if by_account else Grant.FULL)
    return given
