"""A policy as values, compiled once and used many times."""

from dataclasses import dataclass, field
from typing import Final

from hedgerow.policy.conditions import Condition, Effect
from hedgerow.policy.patterns import Pattern

_INDEXED_ACTIONS: Final = 64
"""Actions whose statements a policy remembers; there are fewer than that in the data plane."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement; `label` is its Sid, or its place as in `Statement[0]`."""

    label: str
    effect: Effect
    actions: tuple[Pattern, ...]
    resources: tuple[Pattern, ...]
    conditions: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True)
class Candidates:
    """The statements of a policy that speak of one action."""

    denies: tuple[Statement, ...]
    allows: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy that was understood. INVARIANT: only `parse_policy` makes these."""

    version: str
    statements: tuple[Statement, ...]
    _index: dict[str, Candidates] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def candidates(self, action: str) -> Candidates:
        """Return the statements whose actions match, remembered per action."""
        found = self._index.get(action)
        if found is None:
            found = self._select(action)
            if len(self._index) < _INDEXED_ACTIONS:
                self._index[action] = found
        return found

    def _select(self, action: str) -> Candidates:
        matching = [
            statement
            for statement in self.statements
            if any(pattern.matches(action, {}) for pattern in statement.actions)
        ]
        return Candidates(
            denies=tuple(one for one in matching if one.effect == "Deny"),
            allows=tuple(one for one in matching if one.effect == "Allow"),
        )


@dataclass(frozen=True, slots=True)
class NamedPolicy:
    """A policy and the name it is known by."""

    name: str
    policy: Policy
