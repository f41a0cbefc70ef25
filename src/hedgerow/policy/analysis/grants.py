"""What one policy by itself gives a request, judged without anything being remembered."""

from enum import IntEnum

from hedgerow.policy.context import context
from hedgerow.policy.dialects import Dialect
from hedgerow.policy.documents import Policy, Statement
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
    given = Grant.NONE
    for statement in policy.statements:
        if not applies(statement, request):
            continue
        if statement.effect == "Deny":
            return Grant.NONE
        principals = statement.principals
        by_account = (
            policy.dialect is Dialect.TRUST
            and principals is not None
            and principals.of(request.principal) is Named.ACCOUNT
        )
        given = max(given, Grant.BY_ACCOUNT if by_account else Grant.FULL)
    return given


def applies(statement: Statement, request: AccessRequest) -> bool:
    """Tell whether a statement speaks of the request and its conditions are met."""
    principals = statement.principals
    if principals is not None and principals.of(request.principal) is Named.NOT:
        return False
    variables = context(request.variables)
    return (
        statement.covers_action(request.action)
        and statement.covers_resource(request.resource, variables)
        and statement.meets_conditions(variables)
    )
