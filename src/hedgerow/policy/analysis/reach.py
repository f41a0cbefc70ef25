"""What a policy reaches: which actions on which resources, and what takes some of it away."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from hedgerow.policy.analysis.containment import contains, may_overlap
from hedgerow.policy.documents import Policy, Statement
from hedgerow.policy.patterns import Pattern, Reading, make_pattern

_EVERYTHING = make_pattern("*", Reading())


@dataclass(frozen=True, slots=True)
class Reached:
    """An action on a resource, both as patterns, that a statement allows.

    `except_actions` and `except_resources` come from NotAction and NotResource; `conditions`
    are sentences, all of which must be met; `denied_by` are the statements that deny part of it,
    or all of it under conditions.
    """

    action: str
    resource: str
    statement: str
    except_actions: tuple[str, ...] = ()
    except_resources: tuple[str, ...] = ()
    conditions: tuple[str, ...] = ()
    denied_by: tuple[str, ...] = ()


def reach(policy: Policy, known_actions: Iterable[str] = ()) -> tuple[Reached, ...]:
    """Return everything the policy can allow, statement by statement.

    With `known_actions`, each of those is told by its name, in place of patterns of actions.
    What some statement denies whatever the conditions is left out.
    """
    denies = [one for one in policy.statements if one.effect == "Deny"]
    known = tuple(make_pattern(one, Reading(folded=True)) for one in known_actions)
    return tuple(
        _reached(statement, action, resource, denies)
        for statement in policy.statements
        if statement.effect == "Allow"
        for action in _actions(statement, known)
        for resource in _resources(statement)
        if not any(_denies_all(one, statement, action, resource) for one in denies)
    )


def _reached(
    statement: Statement, action: Pattern, resource: Pattern, denies: Sequence[Statement]
) -> Reached:
    return Reached(
        action=action.source,
        resource=resource.source,
        statement=statement.label,
        except_actions=_exceptions(statement.actions, named=statement.not_actions),
        except_resources=_exceptions(statement.resources, named=statement.not_resources),
        conditions=tuple(map(str, statement.conditions)),
        denied_by=tuple(one.label for one in denies if _denies_some(one, action, resource)),
    )


def _exceptions(patterns: Sequence[Pattern], *, named: bool) -> tuple[str, ...]:
    return tuple(one.source for one in patterns) if named else ()


def _actions(statement: Statement, known: Sequence[Pattern]) -> Iterator[Pattern]:
    if known:
        yield from (one for one in known if statement.covers_action(one.source))
    elif statement.not_actions:
        yield _EVERYTHING
    else:
        yield from statement.actions


def _resources(statement: Statement) -> Sequence[Pattern]:
    if statement.not_resources or not statement.resources:
        return (_EVERYTHING,)
    return statement.resources


def _denies_all(deny: Statement, allow: Statement, action: Pattern, resource: Pattern) -> bool:
    """Tell whether a deny takes it all away. True is certain."""
    if deny.conditions or (deny.principals is not None and deny.principals != allow.principals):
        return False
    return _takes_all(deny.actions, action, but=deny.not_actions) and (
        not deny.resources or _takes_all(deny.resources, resource, but=deny.not_resources)
    )


def _takes_all(patterns: Sequence[Pattern], wanted: Pattern, *, but: bool) -> bool:
    if but:
        return not any(may_overlap(one, wanted) for one in patterns)
    return any(contains(one, wanted) for one in patterns)


def _denies_some(deny: Statement, action: Pattern, resource: Pattern) -> bool:
    """Tell whether a deny may take some of it away. False is certain."""
    return _takes_some(deny.actions, action, but=deny.not_actions) and (
        not deny.resources or _takes_some(deny.resources, resource, but=deny.not_resources)
    )


def _takes_some(patterns: Sequence[Pattern], wanted: Pattern, *, but: bool) -> bool:
    if but:
        return not any(contains(one, wanted) and not one.variables for one in patterns)
    return any(may_overlap(one, wanted) for one in patterns)
