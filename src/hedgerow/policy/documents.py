"""A policy as values, compiled once and used many times."""

from typing import Any

import msgspec

from hedgerow.policy.conditions import Condition, Effect
from hedgerow.policy.context import NOTHING, Context
from hedgerow.policy.dialects import Dialect
from hedgerow.policy.patterns import Pattern
from hedgerow.policy.principals import Principals


class Statement(msgspec.Struct, frozen=True, gc=False):
    """One statement; `label` is its Sid, or its place as in `Statement[0]`.

    `not_actions` and `not_resources` say that the patterns are those of NotAction and
    NotResource. A statement of a trust policy has no resources and speaks of its role.
    """

    label: str
    effect: Effect
    actions: tuple[Pattern, ...]
    resources: tuple[Pattern, ...]
    conditions: tuple[Condition, ...] = ()
    not_actions: bool = False
    not_resources: bool = False
    principals: Principals | None = None

    def covers_action(self, action: str) -> bool:
        """Tell whether the statement speaks of an action; case does not count."""
        action = action.lower()
        for pattern in self.actions:
            exact = pattern.exact
            if action == exact if exact is not None else pattern.matches(action, NOTHING):
                return not self.not_actions
        return self.not_actions

    def covers_resource(self, resource: str, variables: Context) -> bool:
        """Tell whether the statement speaks of a resource.

        Where there are two readings of a pattern, an allow statement takes the one that covers
        less, a deny statement the one that covers more. So an allow statement covers nothing as
        long as it is not known what it takes away.
        """
        if not self.resources:
            return True
        broad = (self.effect == "Deny") is not self.not_resources
        if self.not_resources and self.effect == "Allow" and self._lacks_value(variables):
            return False
        found = any(one.matches(resource, variables, broad=broad) for one in self.resources)
        return found is not self.not_resources

    def _lacks_value(self, variables: Context) -> bool:
        return any(one.variables and one.without_value(variables) for one in self.resources)

    def meets_conditions(self, variables: Context) -> bool:
        """Tell whether all conditions are met."""
        return all(one.holds(variables, self.effect) for one in self.conditions)


class Policy(msgspec.Struct, frozen=True, eq=False):
    """A policy that was understood. INVARIANT: only `parse_policy` makes these."""

    version: str
    dialect: Dialect
    statements: tuple[Statement, ...]
    keys: frozenset[str] = frozenset()
    """The keys, in lower case, that its conditions and variables refer to."""
    warnings: tuple[str, ...] = ()
    """What a reader should know: a meaning that AWS leaves open, a condition easily met."""
    compiled: dict[Any, Any] = msgspec.field(default_factory=dict)
    """Belongs to `compiled.layer_of`."""


class NamedPolicy(msgspec.Struct, frozen=True, cache_hash=True):
    """A policy and the name it is known by."""

    name: str
    policy: Policy


class PolicySet(msgspec.Struct, frozen=True):
    """All policies that hold for a request.

    `identity` policies give; a boundary, session and endpoint policies, where there are any
    (None: there are none), only take away. An empty tuple takes everything away.
    """

    identity: tuple[NamedPolicy, ...]
    boundary: tuple[NamedPolicy, ...] | None = None
    session: tuple[NamedPolicy, ...] | None = None
    endpoint: tuple[NamedPolicy, ...] | None = None
