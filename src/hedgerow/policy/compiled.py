"""Policies that hold together, compiled for quick answers: by action, then by resource.

What a request cannot match is never looked at. For each action there is a `Plan` with the
statements that speak of it, deny statements first. A few statements are tried one after the
other; of many, only those whose resource begins as the request's does. Plans belong to a tuple
of policies and hold nothing of a request, so that any number of connections share them.
"""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from functools import partial
from operator import itemgetter
from typing import Any, Final

import msgspec

from hedgerow.policy.context import Context
from hedgerow.policy.decisions import Decision, allowed_by
from hedgerow.policy.documents import NamedPolicy, Statement
from hedgerow.policy.patterns import Pattern
from hedgerow.policy.principals import Named
from hedgerow.policy.requests import AccessRequest

_PLANS_LIMIT: Final = 256
_LAYERS_LIMIT: Final = 64
_TRIED_IN_TURN: Final = 6
_LENGTHS: Final = 8
_FLEETING: Final = frozenset({"aws:currenttime", "aws:epochtime", "aws:tokenissuetime"})
"""Keys with a value that hardly comes twice: to remember answers by it would be of no use."""

_ORDER: Final = itemgetter(0)
_NONE: Final[list[Any]] = []

_Covers = Callable[[str, Context], bool]


class Entry(msgspec.Struct, frozen=True, eq=False, gc=False):
    """A statement of a policy with this name, and the decision that an allow by it is."""

    policy: str
    statement: Statement
    allow: Decision


Row = tuple[int, tuple[str, ...], frozenset[str], _Covers | None, bool, Entry]
"""Order; resources by prefix, by whole text, and any others; whether there is more to judge."""


class Rows:
    """Statements of one effect that speak of one action, in the order of their policies."""

    __slots__ = ("_index", "rows")

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = rows
        self._index = _Index(rows) if len(rows) > _TRIED_IN_TURN else None

    def near(self, resource: str) -> Sequence[Row]:
        """Return the rows that may cover the resource, in order."""
        return self.rows if self._index is None else self._index.near(resource)


class _Index:
    """Finds rows by the whole of a resource or by what it begins with.

    The beginnings are cut to a few lengths, so that a look-up takes a few steps, however many
    rows there are; a row that begins with less than the shortest is always looked at.
    """

    __slots__ = ("_always", "_exact", "_tables")

    def __init__(self, rows: Sequence[Row]) -> None:
        self._always: list[Row] = []
        self._exact: dict[str, list[Row]] = {}
        leads: list[tuple[str, Row]] = []
        for row in rows:
            statement = row[5].statement
            if statement.not_resources or not statement.resources:
                self._always.append(row)
                continue
            for pattern in statement.resources:
                if pattern.exact is not None:
                    _put(self._exact.setdefault(pattern.exact, []), row)
                else:
                    leads.append((pattern.lead, row))
        lengths = _chosen_lengths({len(lead) for lead, _ in leads if lead})
        tables: dict[int, dict[str, list[Row]]] = {length: {} for length in lengths}
        for lead, row in leads:
            place = bisect_right(lengths, len(lead))
            if place == 0:
                _put(self._always, row)
            else:
                length = lengths[place - 1]
                _put(tables[length].setdefault(lead[:length], []), row)
        self._always.sort(key=_ORDER)
        self._tables = tuple(tables.items())

    def near(self, resource: str) -> Sequence[Row]:
        """Return the rows that may cover the resource, in order."""
        found: list[Row] = self._exact.get(resource, _NONE)
        lists = 1 if found else 0
        for length, table in self._tables:
            more = table.get(resource[:length])
            if more is not None:
                found = [*found, *more] if lists else more
                lists += 1
        if self._always:
            found = [*found, *self._always] if lists else self._always
            lists += 1
        return found if lists < 2 else sorted(found, key=_ORDER)  # noqa: PLR2004 - more than one


def _put(rows: list[Row], row: Row) -> None:
    """Add a row, once: of its resources many can begin alike, and it tries all of them.

    Rows come one after the other, so it can only be the last one.
    """
    if not rows or rows[-1] is not row:
        rows.append(row)


class Plan(msgspec.Struct, frozen=True, eq=False):
    """What some policies say of one action; `keys` are what its answers depend on."""

    denies: Rows | None
    allows: Rows | None
    keys: tuple[str, ...]
    remembered: bool


class Layer:
    """Policies that hold together.

    It refers to what they say and not to them, so that no policy keeps itself alive.
    """

    __slots__ = ("plans", "statements")

    def __init__(self, policies: Sequence[NamedPolicy]) -> None:
        self.statements = tuple((one.name, one.policy.statements) for one in policies)
        self.plans: dict[str, Plan] = {}

    def make_plan(self, action: str) -> Plan:
        """Return the plan of an action, made now and kept."""
        rows: dict[str, list[Row]] = {"Deny": [], "Allow": []}
        keys: dict[str, None] = {}
        of_principals = False
        lowered = action.lower()
        for name, statements in self.statements:
            for statement in statements:
                if statement.covers_action(lowered):
                    rows[statement.effect].append(
                        _row(len(rows[statement.effect]), name, statement)
                    )
                    _note_keys(statement, keys)
                    of_principals = of_principals or _is_for_some(statement)
        plan = Plan(
            denies=Rows(rows["Deny"]) if rows["Deny"] else None,
            allows=Rows(rows["Allow"]) if rows["Allow"] else None,
            keys=tuple(keys),
            remembered=not of_principals and _FLEETING.isdisjoint(keys),
        )
        if len(self.plans) >= _PLANS_LIMIT:
            self.plans.clear()
        self.plans[action] = plan
        return plan


def layer_of(policies: tuple[NamedPolicy, ...]) -> Layer:
    """Return what some policies are compiled to; it lives as long as the first of them."""
    if not policies:
        return _NO_POLICIES
    leader = policies[0]
    known: dict[Any, Layer] = leader.policy.compiled
    key = leader.name if len(policies) == 1 else (leader.name, *policies[1:])
    layer = known.get(key)
    if layer is None:
        if len(known) >= _LAYERS_LIMIT:
            known.clear()
        layer = known[key] = Layer(policies)
    return layer


def first(rows: Rows, request: AccessRequest, variables: Context) -> Entry | None:
    """Return the first statement that applies to the request, None if none does."""
    resource = request.resource
    for _, prefixes, exact, covers, more, entry in rows.near(resource):
        if (
            resource.startswith(prefixes)
            or resource in exact
            or (covers is not None and covers(resource, variables))
        ) and (not more or _more(entry.statement, request, variables)):
            return entry
    return None


def _more(statement: Statement, request: AccessRequest, variables: Context) -> bool:
    principals = statement.principals
    if principals is not None and principals.of(request.principal) is Named.NOT:
        return False
    effect = statement.effect
    return all(condition.holds(variables, effect) for condition in statement.conditions)


def _row(order: int, policy: str, statement: Statement) -> Row:
    patterns = () if statement.not_resources else statement.resources
    others = [one for one in patterns if one.exact is None and one.prefix is None]
    covers: _Covers | None = None
    if not patterns:
        covers = statement.covers_resource
    elif others:
        broad = statement.effect == "Deny"
        covers = (
            partial(others[0].matches, broad=broad)
            if len(others) == 1
            else partial(_any_matches, others, broad)
        )
    return (
        order,
        tuple([one.prefix for one in patterns if one.prefix is not None]),
        frozenset([one.exact for one in patterns if one.exact is not None]),
        covers,
        bool(statement.conditions) or _is_for_some(statement),
        Entry(policy, statement, allowed_by(policy, statement.label)),
    )


def _is_for_some(statement: Statement) -> bool:
    return statement.principals is not None and not statement.principals.everybody


def _any_matches(
    patterns: Sequence[Pattern],
    broad: bool,  # noqa: FBT001 - bound once, by position, for speed
    resource: str,
    variables: Context,
) -> bool:
    return any(one.matches(resource, variables, broad=broad) for one in patterns)


def _note_keys(statement: Statement, keys: dict[str, None]) -> None:
    for pattern in statement.resources:
        for variable in pattern.variables:
            keys[variable.name] = None
    for condition in statement.conditions:
        keys[condition.key] = None
        for value in condition.values:
            if isinstance(value, Pattern):
                for variable in value.variables:
                    keys[variable.name] = None


def _chosen_lengths(lengths: set[int]) -> tuple[int, ...]:
    """Return a few of the lengths, the shortest among them, evenly spread."""
    ordered = sorted(lengths)
    if len(ordered) <= _LENGTHS:
        return tuple(ordered)
    return tuple(ordered[place * len(ordered) // _LENGTHS] for place in range(_LENGTHS))


_NO_POLICIES: Final = Layer(())
