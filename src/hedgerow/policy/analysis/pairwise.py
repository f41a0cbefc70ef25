"""Statement against statement: enough for a yes where all of them together are too much."""

from collections.abc import Sequence

from hedgerow.policy.analysis.containment import contains, may_overlap, speaks_of_all
from hedgerow.policy.analysis.implication import Held, implied
from hedgerow.policy.analysis.naming import names_at_least
from hedgerow.policy.dialects import Dialect
from hedgerow.policy.documents import Policy, Statement
from hedgerow.policy.patterns import Pattern


def within_pairwise(smaller: Policy, larger: Policy) -> bool:
    """Tell whether each allow of one is within some allow of the other, and none is denied there.

    True is certain; what needs several statements at once is not seen.
    """
    directly = Dialect.TRUST in (smaller.dialect, larger.dialect)
    allows = [one for one in larger.statements if one.effect == "Allow"]
    denies = [one for one in larger.statements if one.effect == "Deny"]
    ours = [one for one in smaller.statements if one.effect == "Deny"]
    return all(
        any(_within(statement, one, directly=directly) for one in allows)
        and all(
            _apart(statement, deny) or any(_within(deny, one, directly=False) for one in ours)
            for deny in denies
        )
        for statement in smaller.statements
        if statement.effect == "Allow"
    )


def _within(smaller: Statement, larger: Statement, *, directly: bool) -> bool:
    given = [Held(one, smaller.effect) for one in smaller.conditions]
    return (
        _all_actions(larger, smaller)
        and speaks_of_all(larger, smaller)
        and names_at_least(larger.principals, smaller.principals, directly=directly)
        and all(implied(Held(one, larger.effect), given) for one in larger.conditions)
    )


def _all_actions(larger: Statement, smaller: Statement) -> bool:
    if larger.not_actions != smaller.not_actions:
        return False
    wide, narrow = larger.actions, smaller.actions
    if larger.not_actions:
        wide, narrow = narrow, wide
    return all(any(contains(one, other) for one in wide) for other in narrow)


def _apart(allow: Statement, deny: Statement) -> bool:
    """Tell whether no request concerns both. True is certain."""
    if allow.not_actions or deny.not_actions or allow.not_resources or deny.not_resources:
        return False
    if not (allow.resources and deny.resources):
        return False
    return not (_overlap(allow.actions, deny.actions) and _overlap(allow.resources, deny.resources))


def _overlap(ours: Sequence[Pattern], theirs: Sequence[Pattern]) -> bool:
    return any(may_overlap(one, other) for one in ours for other in theirs)
