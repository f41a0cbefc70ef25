"""Why was it decided so? Statement by statement, and which one came nearest to allowing it."""

from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Final, Literal

import msgspec

from hedgerow.kernel import quoted
from hedgerow.policy.advice import Near, advice_on
from hedgerow.policy.conditions import Condition, Effect
from hedgerow.policy.context import Context, context
from hedgerow.policy.decide import decide, decide_trust, layers_that_limit
from hedgerow.policy.decisions import Decision, LayerName, shown
from hedgerow.policy.dialects import Dialect
from hedgerow.policy.documents import NamedPolicy, PolicySet, Statement
from hedgerow.policy.patterns import Pattern
from hedgerow.policy.principals import Named
from hedgerow.policy.requests import AccessRequest

Cause = Literal[
    "explicit-deny",
    "boundary",
    "session-policy",
    "endpoint-policy",
    "trust-policy",
    "trust-condition",
    "no-policy-allows",
    "resource",
    "variable",
    "condition",
]
"""Of identity policies: no statement for the action, or one whose resource differs, whose resource
has a variable without a value, or whose condition is not met. Of a trust policy: it does not name
who asks, or asks for a condition that is not met."""

_LIMITS: Final[Mapping[LayerName, Cause]] = {
    "boundary": "boundary",
    "session": "session-policy",
    "endpoint": "endpoint-policy",
    "trust": "trust-policy",
}
_PATTERNS_SHOWN: Final = 3


class StatementExplanation(msgspec.Struct, frozen=True, gc=False):
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
    layer: LayerName = "identity"
    names_requester: bool = True
    """Whether its principal, if it has one, is who asks."""

    def __str__(self) -> str:
        head = f"{self.statement} of policy {self.policy} ({self.effect})"
        return f"{head} applies" if self.applies else f"{head}: {'; '.join(self.objections)}"


class Explanation(msgspec.Struct, frozen=True, gc=False):
    """A decision with all its reasons; `nearest` is the allow statement that lacked least.

    It is None if the request is allowed, explicitly denied, or far from every statement, and
    one of the layer that refused if several had to allow.
    """

    request: AccessRequest
    decision: Decision
    statements: tuple[StatementExplanation, ...]
    nearest: StatementExplanation | None
    advice: str
    """One sentence that says what would have to change; empty if the request is allowed."""

    @property
    def cause(self) -> Cause | None:
        """What kind of thing decided against the request, as a stable word; None if allowed."""
        if self.decision.allowed:
            return None
        if self.decision.effect == "explicit-deny":
            return "explicit-deny"
        if self.decision.layer == "identity":
            return self._cause_in_identity()
        if self.decision.layer == "trust" and self._only_conditions_fail:
            return "trust-condition"
        return _LIMITS[self.decision.layer]

    def _cause_in_identity(self) -> Cause:
        if self.nearest is None or not self.nearest.covers_action:
            return "no-policy-allows"
        if self.nearest.covers_resource:
            return "condition"
        return "variable" if self.nearest.without_value else "resource"

    @property
    def _only_conditions_fail(self) -> bool:
        """Whether the nearest statement is for who asks and what is asked, but for a condition."""
        near = self.nearest
        return near is not None and near.names_requester and near.covers_action


_Judged = list[tuple[StatementExplanation, Statement]]


def explain(policies: Sequence[NamedPolicy] | PolicySet, request: AccessRequest) -> Explanation:
    """Return the same decision as `decide`, with what every statement says to the request."""
    decision = decide(policies, request)
    layers: list[tuple[LayerName, Sequence[NamedPolicy]]]
    if isinstance(policies, PolicySet):
        layers = [("identity", policies.identity), *layers_that_limit(policies)]
    else:
        layers = [("identity", policies)]
    return _explanation(decision, layers, request)


def explain_trust(policy: NamedPolicy, request: AccessRequest) -> Explanation:
    """Return the same decision as `decide_trust`, with what every statement says."""
    return _explanation(decide_trust(policy, request), [("trust", (policy,))], request)


def _explanation(
    decision: Decision,
    layers: Sequence[tuple[LayerName, Sequence[NamedPolicy]]],
    request: AccessRequest,
) -> Explanation:
    variables = context(request.variables)
    judged = [
        (_explain(layer, named.name, statement, request, variables), statement)
        for layer, policies in layers
        for named in policies
        for statement in named.policy.statements
    ]
    of_devices = {
        named.name
        for _, policies in layers
        for named in policies
        if named.policy.dialect is Dialect.IOT
    }
    nearest = None
    if decision.effect == "implicit-deny":
        nearest = _nearest([one for one in judged if one[0].layer == decision.layer], request)
    matters = nearest if decision.effect != "explicit-deny" else _denying(judged, decision)
    return Explanation(
        request=request,
        decision=decision,
        statements=tuple(explanation for explanation, _ in judged),
        nearest=None if nearest is None else nearest[0],
        advice=advice_on(
            decision,
            None
            if matters is None
            else Near(matters[0].policy, matters[1], device=matters[0].policy in of_devices),
            request,
            variables,
        ),
    )


def _denying(judged: _Judged, decision: Decision) -> tuple[StatementExplanation, Statement] | None:
    """Return the statement that denied."""
    wanted = (decision.layer, decision.policy, decision.statement)
    for explanation, statement in judged:
        named = (explanation.layer, explanation.policy, explanation.statement)
        if explanation.effect == "Deny" and explanation.applies and named == wanted:
            return explanation, statement
    return None


def _explain(
    layer: LayerName,
    policy: str,
    statement: Statement,
    request: AccessRequest,
    variables: Context,
) -> StatementExplanation:
    covers_action = statement.covers_action(request.action)
    covers_resource = statement.covers_resource(request.resource, variables)
    names = statement.principals is None or (
        statement.principals.of(request.principal) is not Named.NOT
    )
    failed = [one for one in statement.conditions if not one.holds(variables, statement.effect)]
    objections: list[str] = []
    if not names:
        objections.append(f"its principal is {statement.principals}, not who asks")
    if not covers_action:
        objections.append(_action_objection(statement, request))
    if not covers_resource:
        objections.append(_resource_objection(statement, request))
        objections += (f"${{{one}}} has no value here" for one in _missing(statement, variables))
    objections += (_condition_objection(one, variables) for one in failed)
    return StatementExplanation(
        policy=policy,
        statement=statement.label,
        effect=statement.effect,
        applies=not objections,
        covers_action=covers_action,
        covers_resource=covers_resource,
        without_value=_without_value(statement, variables),
        objections=tuple(objections),
        layer=layer,
        names_requester=names,
    )


def _missing(statement: Statement, variables: Context) -> tuple[str, ...]:
    names = [
        name
        for pattern in statement.resources
        if pattern.variables
        for name in pattern.without_value(variables)
    ]
    return tuple(dict.fromkeys(names))


def _without_value(statement: Statement, variables: Context) -> tuple[str, ...]:
    names = list(_missing(statement, variables))
    for condition in statement.conditions:
        names += condition.without_value(variables)
    return tuple(dict.fromkeys(names))


def _action_objection(statement: Statement, request: AccessRequest) -> str:
    listed = _some(statement.actions)
    if statement.not_actions:
        return f"it is for all actions but {listed}, and so not for {request.action}"
    return f"its action is {listed}, not {request.action}"


def _resource_objection(statement: Statement, request: AccessRequest) -> str:
    listed = _some(statement.resources)
    if statement.not_resources:
        return f"it is for all resources but {listed}, and so not for {shown(request.resource)}"
    return f"its resource is {listed}, which does not match {shown(request.resource)}"


def _condition_objection(condition: Condition, variables: Context) -> str:
    value = variables.get(condition.key)
    if value is None or value == ():
        is_now = "has no value here"
    elif isinstance(value, str):
        is_now = f"is {quoted(value)}"
    else:
        is_now = f"is {', '.join(map(quoted, value))}"
    return f"its condition {condition} does not hold, {condition.shown} {is_now}"


def _some(patterns: Sequence[Pattern]) -> str:
    listed = [shown(pattern.source) for pattern in patterns[:_PATTERNS_SHOWN]]
    more = len(patterns) - len(listed)
    return " or ".join(listed) + (f" or {more} more" if more else "")


def _nearest(
    judged: _Judged, request: AccessRequest
) -> tuple[StatementExplanation, Statement] | None:
    """Return the allow statement that covers most of the request, the first among equals.

    One that covers neither the action nor the resource is not near at all.
    """
    best: tuple[tuple[int, int, int], tuple[StatementExplanation, Statement]] | None = None
    for explanation, statement in judged:
        if explanation.effect == "Deny" or not (
            explanation.covers_action or (explanation.covers_resource and statement.resources)
        ):
            continue
        nearness = _nearness(explanation, statement, request)
        if best is None or nearness > best[0]:
            best = (nearness, (explanation, statement))
    return None if best is None else best[1]


def _nearness(
    explanation: StatementExplanation, statement: Statement, request: AccessRequest
) -> tuple[int, int, int]:
    covered = int(explanation.covers_action) + int(explanation.covers_resource)
    alike = max(
        (_alike(pattern.source, request.resource) for pattern in statement.resources), default=0
    )
    return covered, alike, -len(explanation.objections)


def _alike(pattern: str, resource: str) -> int:
    """Return how many characters both begin with."""
    pairs = zip(pattern, resource, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
