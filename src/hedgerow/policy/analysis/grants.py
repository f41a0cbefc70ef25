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


class Granter:
    """A policy that is asked for many requests; as `decide` and `decide_trust` would answer.

    An analysis asks of thousands of requests that never come again, which must not push out
    the answers that decisions remember.
    """

    def __init__(self, policy: Policy) -> None:
        self._trust = policy.dialect is Dialect.TRUST
        self._statements = policy.statements
        self._of_action: dict[str, tuple[Statement, ...]] = {}

    def grant(self, request: AccessRequest) -> Grant:
        """Return what the policy, by itself, gives."""
        given = Grant.NONE
        for statement in self._speaking_of(request.action):
            if not speaks_of(statement, request):
                continue
            if statement.effect == "Deny":
                return Grant.NONE
            principals = statement.principals
            by_account = (
                self._trust
                and principals is not None
                and principals.of(request.principal) is Named.ACCOUNT
            )
            given = max(given, Grant.BY_ACCOUNT if by_account else Grant.FULL)
        return given

    def _speaking_of(self, action: str) -> tuple[Statement, ...]:
        known = self._of_action.get(action)
        if known is None:
            known = tuple(one for one in self._statements if one.covers_action(action))
            self._of_action[action] = known
        return known


def applies(statement: Statement, request: AccessRequest) -> bool:
    """Tell whether a statement speaks of the request and its conditions are met."""
    return statement.covers_action(request.action) and speaks_of(statement, request)


def speaks_of(statement: Statement, request: AccessRequest) -> bool:
    """Tell whether a statement that speaks of the action speaks of all else in the request."""
    principals = statement.principals
    if principals is not None and principals.of(request.principal) is Named.NOT:
        return False
    variables = context(request.variables)
    return statement.meets_conditions(variables) and statement.covers_resource(
        request.resource, variables
    )
