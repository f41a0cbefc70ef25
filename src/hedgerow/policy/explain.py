"""Why was it decided so? Statement by statement, and which one came nearest to allowing it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Final

from hedgerow.kernel import quoted
from hedgerow.policy.conditions import Condition, Effect
from hedgerow.policy.decide import AccessRequest, Decision, applies, decide, shown
from hedgerow.policy.documents import NamedPolicy, Statement
from hedgerow.policy.patterns import Pattern

_PATTERNS_SHOWN: Final = 3


@dataclass(frozen=True, slots=True)
class StatementExplanation:
    """What one statement says to the request; `objections` are sentences, none if it applies."""

    policy: str
    statement: str
    effect: Effect
    applies: bool
    covers_action: bool
    covers_resource: bool
    without_value: tuple[str, ...]
    """Variables that the statement asks for and the request has no value of."""
    objections: tuple[str, ...]

    def __str__(self) -> str:
        head = f"{self.statement} of policy {self.policy} ({self.effect})"
        return f"{head} applies" if self.applies else f"{head}: {'; '.join(self.objections)}"


@dataclass(frozen=True, slots=True)
class Explanation:
    """A decision with all its reasons; `nearest` is the allow statement that lacked least.

    It is None if the request is allowed, explicitly denied, or far from every statement.
    """

    request: AccessRequest
    decision: Decision
    statements: tuple[StatementExplanation, ...]
    nearest: StatementExplanation | None
    advice: str
    """One sentence that says what would have to change; empty if the request is allowed."""


def explain(policies: Sequence[NamedPolicy], request: AccessRequest) -> Explanation:
    """Return the same decision as `decide`, with what every statement says to the request."""
    decision = decide(policies, request)
    judged = [
        (_explain(named.name, statement, request), statement)
        for named in policies
        for statement in named.policy.statements
    ]
    nearest = _nearest(judged, request) if decision.effect == "implicit-deny" else None
    return Explanation(
        request=request,
        decision=decision,
        statements=tuple(explanation for explanation, _ in judged),
        nearest=nearest,
        advice=_advice(decision, nearest, request),
    )


def _explain(policy: str, statement: Statement, request: AccessRequest) -> StatementExplanation:
    variables = request.variables
    covers_action = any(pattern.matches(request.action, {}) for pattern in statement.actions)
    covers_resource = _covers_resource(statement, request)
    failed = [one for one in statement.conditions if not one.holds(variables, statement.effect)]
    without_value = _without_value(statement, variables)
    objections: list[str] = []
    if not covers_action:
        objections.append(f"its action is {_some(statement.actions)}, not {request.action}")
    if not covers_resource:
        objections.append(
            f"its resource is {_some(statement.resources)}, "
            f"which does not match {shown(request.resource)}"
        )
        objections += (f"${{{name}}} has no value here" for name in _missing(statement, variables))
    objections += (_condition_objection(one, variables) for one in failed)
    return StatementExplanation(
        policy=policy,
        statement=statement.label,
        effect=statement.effect,
        applies=covers_action and applies(statement, request),
        covers_action=covers_action,
        covers_resource=covers_resource,
        without_value=without_value,
        objections=tuple(objections),
    )


def _covers_resource(statement: Statement, request: AccessRequest) -> bool:
    deny = statement.effect == "Deny"
    return any(
        pattern.matches(request.resource, request.variables, when_missing=deny)
        for pattern in statement.resources
    )


def _missing(statement: Statement, variables: Mapping[str, str]) -> tuple[str, ...]:
    names = [name for pattern in statement.resources for name in pattern.without_value(variables)]
    return tuple(dict.fromkeys(names))


def _without_value(statement: Statement, variables: Mapping[str, str]) -> tuple[str, ...]:
    names = list(_missing(statement, variables))
    for condition in statement.conditions:
        names += condition.without_value(variables)
    return tuple(dict.fromkeys(names))


def _condition_objection(condition: Condition, variables: Mapping[str, str]) -> str:
    value = variables.get(condition.key)
    is_now = "has no value here" if value is None else f"is {quoted(value)}"
    return f"its condition {condition} does not hold, {condition.key} {is_now}"


def _some(patterns: Sequence[Pattern]) -> str:
    listed = [shown(pattern.source) for pattern in patterns[:_PATTERNS_SHOWN]]
    more = len(patterns) - len(listed)
    return " or ".join(listed) + (f" or {more} more" if more else "")


def _nearest(
    judged: Sequence[tuple[StatementExplanation, Statement]], request: AccessRequest
) -> StatementExplanation | None:
    """Return the allow statement that covers most of the request, the first among equals.

    One that covers neither the action nor the resource is not near at all.
    """
    best: tuple[tuple[int, int, int], StatementExplanation] | None = None
    for explanation, statement in judged:
        if explanation.effect == "Deny" or not (
            explanation.covers_action or explanation.covers_resource
        ):
            continue
        nearness = _nearness(explanation, statement, request)
        if best is None or nearness > best[0]:
            best = (nearness, explanation)
    return None if best is None else best[1]


def _nearness(
    explanation: StatementExplanation, statement: Statement, request: AccessRequest
) -> tuple[int, int, int]:
    covered = int(explanation.covers_action) + int(explanation.covers_resource)
    alike = max(_alike(pattern.source, request.resource) for pattern in statement.resources)
    return covered, alike, -len(explanation.objections)


def _alike(pattern: str, resource: str) -> int:
    """Return how many characters both begin with."""
    pairs = zip(pattern, resource, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _advice(
    decision: Decision, nearest: StatementExplanation | None, request: AccessRequest
) -> str:
    wanted = f"{request.action} on {shown(request.resource)}"
    if decision.allowed:
        return ""
    if decision.effect == "explicit-deny":
        return (
            f"to allow {wanted}, take it out of {decision.statement} of policy {decision.policy}; "
            "no allow statement can outweigh a deny"
        )
    if nearest is None:
        return f"add a statement that allows {wanted}"
    return (
        f"add a statement that allows {wanted}; nearest is {nearest.statement} of policy "
        f"{nearest.policy}, but {'; '.join(nearest.objections)}"
    )
