"""Contexts in which conditions are met or not: what a witness is looked for among.

For each key there are a few candidate values: what conditions name, what lies beside it, nothing.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from itertools import combinations, islice, product
from typing import Final

from hedgerow.policy.analysis.naming import account_of
from hedgerow.policy.comparisons import MomentTest, NetworkTest, NumberTest
from hedgerow.policy.conditions import Condition, Value
from hedgerow.policy.context import Context, Values, context
from hedgerow.policy.patterns import Pattern
from hedgerow.policy.principals import Principals
from hedgerow.policy.requests import Requester
from hedgerow.policy.tokens import Variable, Wildcard

SOMETHING: Final = "something-else"
_EVERYDAY: Final[Mapping[str, tuple[str, ...]]] = {
    "text": (SOMETHING,),
    "arn": ("arn:aws:iam::000000000000:role/something-else",),
    "number": ("0",),
    "moment": ("2000-01-01T00:00:00Z",),
    "truth": ("true", "false"),
    "bytes": ("",),
    "network": ("203.0.113.77", "2001:db8:ffff::77"),
    "presence": (SOMETHING,),
}
_CANDIDATES_LIMIT: Final = 24
_HINTS_LIMIT: Final = 12
_CONTEXTS_LIMIT: Final = 4096
_NOBODY: Final = Requester(account="000000000000", arn="arn:aws:iam::000000000000:user/nobody")


def contexts(
    met: Sequence[Condition],
    others: Sequence[Condition],
    variables: Iterable[Variable],
    hints: Sequence[str],
) -> Iterator[Context]:
    """Yield contexts, at most a few thousand, in which an allow's conditions may be `met`.

    `variables` are those in patterns, and `hints` values that may matter for them.
    """
    candidates: dict[str, list[Values | None]] = {}
    of_conditions: list[Variable] = []
    for condition in (*met, *others):
        found = candidates.setdefault(condition.key, [None])
        found += _values_for(condition)
        of_conditions += (one for value in condition.values for one in _variables_in(value))
    texts = [one for found in candidates.values() for one in found if one and isinstance(one, str)]
    for variable in (*variables, *of_conditions):
        found = candidates.setdefault(variable.name, [])
        found += [SOMETHING, *hints, *texts[:_HINTS_LIMIT], None]
    keys = list(candidates)
    choices = [
        _suitable(key, list(dict.fromkeys(candidates[key]))[:_CANDIDATES_LIMIT], met)
        for key in keys
    ]
    for chosen in islice(_nearest_first(choices), _CONTEXTS_LIMIT):
        yield context(
            {key: value for key, value in zip(keys, chosen, strict=True) if value is not None}
        )


def _nearest_first(choices: Sequence[Sequence[Values | None]]) -> Iterator[list[Values | None]]:
    """Yield one of each choice: the first of all, then with one other, then with two."""
    first = [one[0] for one in choices]
    for changed in range(len(choices) + 1):
        for places in combinations(range(len(choices)), changed):
            for others in product(*(choices[place][1:] for place in places)):
                chosen = list(first)
                for place, other in zip(places, others, strict=True):
                    chosen[place] = other
                yield chosen


def requesters(named: Iterable[Principals]) -> list[Requester | None]:
    """Return those who might ask: one of each that is named, and somebody else."""
    found: dict[Requester | None, None] = {}
    for principals in named:
        for arn in sorted(principals.arns):
            found[Requester(account=account_of(arn), arn=arn)] = None
        for account in sorted(principals.accounts):
            found[Requester(account=account, arn=f"arn:aws:iam::{account}:user/anybody")] = None
        for service in sorted(principals.services):
            found[Requester(account="", arn="", service=service)] = None
    return [*found, _NOBODY] if found else [None, _NOBODY]


def _suitable(
    key: str, candidates: list[Values | None], met: Sequence[Condition]
) -> list[Values | None]:
    """Return the candidates under which the key's own conditions can be met, all if none can."""
    own = [one for one in met if one.key == key]
    suitable = [
        value
        for value in candidates
        if all(one.holds({} if value is None else {key: value}, "Allow") for one in own)
    ]
    return suitable or candidates


def _variables_in(value: Value) -> tuple[Variable, ...]:
    return value.variables if isinstance(value, Pattern) else ()


def _values_for(condition: Condition) -> list[Values]:
    texts: list[str] = []
    for value in condition.values:
        texts += _texts_near(value)
    texts += _EVERYDAY[condition.operator.kind]
    if condition.each == "one":
        return list(texts)
    several = tuple(dict.fromkeys(texts))[:3]
    return [*texts, several]


def _texts_near(value: Value) -> list[str]:
    if isinstance(value, NumberTest):
        return [str(value.number + step) for step in (0, -1, 1)]
    if isinstance(value, MomentTest):
        steps = (timedelta(0), timedelta(seconds=-1), timedelta(seconds=1))
        return [(value.moment + step).isoformat() for step in steps]
    if isinstance(value, NetworkTest):
        return [str(value.network.network_address), str(value.network.broadcast_address)]
    if isinstance(value, Pattern):
        text = shortest_match(value, {one.name: SOMETHING for one in value.variables})
        return [] if text is None else [text]
    return [value.source]


def shortest_match(pattern: Pattern, facts: Context) -> str | None:
    """Return a text that the pattern matches, None if a variable has no value."""
    pieces: list[str] = []
    for token in pattern.tokens:
        if isinstance(token, str):
            pieces.append(token)
        elif token is Wildcard.ONE:
            pieces.append("x")
        elif isinstance(token, Variable):
            value = token.value(facts, device=pattern.reading.device)
            if value is None:
                return None
            pieces.append(value)
    return "".join(pieces)
