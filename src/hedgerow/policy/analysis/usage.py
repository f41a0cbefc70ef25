"""Which statements are not needed, by some requests."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hedgerow.policy.analysis.grants import applies
from hedgerow.policy.conditions import Effect
from hedgerow.policy.documents import NamedPolicy
from hedgerow.policy.requests import AccessRequest


@dataclass(frozen=True, slots=True)
class UnusedStatement:
    """A statement without which every one of the requests would be decided alike.

    `applied` is how many requests it applied to: others decided those as it would have.
    """

    policy: str
    statement: str
    effect: Effect
    applied: int


def unused_statements(
    policies: Sequence[NamedPolicy], requests: Iterable[AccessRequest]
) -> tuple[UnusedStatement, ...]:
    """Return the statements that can go, each by itself, for all that the requests show.

    Of two that say the same both are told; the other is needed once one is gone.
    """
    statements = [(named.name, one) for named in policies for one in named.policy.statements]
    applied = [0] * len(statements)
    needed = [False] * len(statements)
    for request in requests:
        applying = [number for number, (_, one) in enumerate(statements) if applies(one, request)]
        denies = [number for number in applying if statements[number][1].effect == "Deny"]
        allows = [number for number in applying if statements[number][1].effect == "Allow"]
        for number in applying:
            applied[number] += 1
        if len(denies) == 1 and allows:
            needed[denies[0]] = True
        elif not denies and len(allows) == 1:
            needed[allows[0]] = True
    return tuple(
        UnusedStatement(name, one.label, one.effect, applied[number])
        for number, (name, one) in enumerate(statements)
        if not needed[number]
    )
