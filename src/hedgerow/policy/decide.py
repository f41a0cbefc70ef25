"""May this request be done? Default is no, an explicit deny wins over every allow.

Identity policies give; a permissions boundary, session policies and the endpoint's policies each
have to allow as well, and a deny in any of them decides. Source: IAM User Guide, "Policy
evaluation logic".
"""

from collections.abc import Sequence
from typing import Any, Final

from hedgerow.policy.compiled import Layer, Plan, first, layer_of
from hedgerow.policy.context import Context, Facts, context
from hedgerow.policy.decisions import (
    Decision,
    LayerName,
    allowed_by,
    denied_by,
    not_allowed,
)
from hedgerow.policy.documents import NamedPolicy, PolicySet
from hedgerow.policy.principals import Named
from hedgerow.policy.requests import AccessRequest

_REMEMBERED: Final = 1024
"""Answers that are kept, of all policies together; then memory starts anew."""

_answers: dict[Any, Decision] = {}


def decide(policies: Sequence[NamedPolicy] | PolicySet, request: AccessRequest) -> Decision:
    """Return whether the policies, together, let the request pass."""
    if isinstance(policies, PolicySet):
        return _decide_set(policies, request)
    return _decide(layer_of(tuple(policies)), request)


def decide_trust(policy: NamedPolicy, request: AccessRequest) -> Decision:
    """Return whether a role's trust policy lets `request.principal` do an action of STS."""
    variables = context(request.variables)
    by_account: Decision | None = None
    directly: Decision | None = None
    for statement in policy.policy.statements:
        principals = statement.principals
        named = Named.NOT if principals is None else principals.of(request.principal)
        if (
            named is Named.NOT
            or not statement.covers_action(request.action)
            or not statement.covers_resource(request.resource, variables)
            or not statement.meets_conditions(variables)
        ):
            continue
        if statement.effect == "Deny":
            return denied_by(
                policy.name, statement.label, request.action, request.resource, "trust"
            )
        if named is Named.DIRECTLY:
            directly = directly or allowed_by(policy.name, statement.label, "trust")
        else:
            by_account = by_account or allowed_by(
                policy.name, statement.label, "trust", by_account=True
            )
    return directly or by_account or not_allowed(request.action, request.resource, "trust")


def _decide(layer: Layer, request: AccessRequest) -> Decision:
    """Decide by policies that hold together, as if they were identity policies."""
    variables = request.variables
    if variables.__class__ is not Facts:
        variables = context(variables)
    plan = layer.plans.get(request.action)
    if plan is None:
        return _judge(layer, layer.make_plan(request.action), request, variables)
    if not plan.remembered:
        return _judge(layer, plan, request, variables)
    key: tuple[Any, ...]
    if plan.keys:
        key = (plan, request.resource, *map(variables.get, plan.keys))
    else:
        key = (plan, request.resource)
    answer = _answers.get(key)
    if answer is None:
        answer = _judge(layer, plan, request, variables)
        if len(_answers) >= _REMEMBERED:
            _answers.clear()
        _answers[key] = answer
    return answer


def _judge(layer: Layer, plan: Plan, request: AccessRequest, variables: Context) -> Decision:
    if plan.denies is not None:
        entry = first(plan.denies, request, variables)
        if entry is not None:
            return denied_by(entry.policy, entry.statement.label, request.action, request.resource)
    if plan.allows is not None:
        entry = first(plan.allows, request, variables)
        if entry is not None:
            return entry.allow
    return not_allowed(request.action, request.resource, any_policy=bool(layer.statements))


def _decide_set(policies: PolicySet, request: AccessRequest) -> Decision:
    given = _decide(layer_of(policies.identity), request)
    if given.effect == "explicit-deny":
        return given
    refused = None if given.allowed else given
    for name, limiting in layers_that_limit(policies):
        decision = _decide(layer_of(limiting), request)
        if decision.effect == "explicit-deny":
            return _of_layer(decision, name, request, limiting)
        if not decision.allowed and refused is None:
            refused = _of_layer(decision, name, request, limiting)
    return refused or given


def layers_that_limit(
    policies: PolicySet,
) -> list[tuple[LayerName, tuple[NamedPolicy, ...]]]:
    """Return the layers that only take away, in the order in which they are judged."""
    layers: list[tuple[LayerName, tuple[NamedPolicy, ...]]] = []
    if policies.boundary is not None:
        layers.append(("boundary", policies.boundary))
    if policies.session is not None:
        layers.append(("session", policies.session))
    if policies.endpoint is not None:
        layers.append(("endpoint", policies.endpoint))
    return layers


def _of_layer(
    decision: Decision,
    layer: LayerName,
    request: AccessRequest,
    policies: tuple[NamedPolicy, ...],
) -> Decision:
    if decision.policy is None or decision.statement is None:
        return not_allowed(request.action, request.resource, layer, any_policy=bool(policies))
    return denied_by(decision.policy, decision.statement, request.action, request.resource, layer)
