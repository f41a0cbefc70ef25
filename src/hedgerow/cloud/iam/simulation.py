"""What policies would say to calls that nobody makes: the policy simulator's answers. Pure.

The decisions are those of the engine that judges real calls. Source: IAM API Reference,
`SimulateCustomPolicy`, `EvaluationResult` and `ResourceSpecificResult`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from hedgerow.cloud.iam.statement_places import Place, statement_places
from hedgerow.policy import (
    AccessRequest,
    Context,
    Decision,
    Dialect,
    NamedPolicy,
    PolicySet,
    decide,
    explain,
    parse_policy,
)

ANY_RESOURCE: Final = "*"
MAX_TEXT_CHARACTERS: Final = 131_072
"""How long a policy may be that is only simulated."""

_DECISIONS: Final = {
    "allow": "allowed",
    "explicit-deny": "explicitDeny",
    "implicit-deny": "implicitDeny",
}
_STRICTEST_FIRST: Final = ("explicitDeny", "implicitDeny", "allowed")

Members = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Source:
    """A policy of a simulation: what it is called, where it comes from, and its text, compiled.

    `kind` is AWS's word: `user`, `group`, `role`, `aws-managed`, `user-managed`, or `none` for
    one that came with the request.
    """

    id: str
    kind: str
    named: NamedPolicy
    places: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class Scenario:
    """What is simulated: policies, what is known, and on which resources."""

    sources: tuple[Source, ...]
    boundary: tuple[Source, ...] | None
    known: Context
    resources: tuple[str, ...] = (ANY_RESOURCE,)
    _set: PolicySet = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Put the policies together once."""
        boundary = None
        if self.boundary is not None:
            boundary = tuple(source.named for source in self.boundary)
        policies = PolicySet(
            identity=tuple(source.named for source in self.sources), boundary=boundary
        )
        object.__setattr__(self, "_set", policies)

    @property
    def statements(self) -> int:
        """How many statements there are to judge for each action and resource."""
        return sum(len(source.places) for source in (*self.sources, *(self.boundary or ())))

    @property
    def policies(self) -> PolicySet:
        """All of them, as the engine takes them."""
        return self._set


@dataclass(frozen=True, slots=True)
class Outcome:
    """What policies say to one action on one resource."""

    decision: Decision
    matched: tuple[Members, ...]
    missing: tuple[str, ...]
    within_boundary: bool | None


def source_of(identifier: str, kind: str, text: str, dialect: Dialect) -> Source:
    """Return a policy ready to be simulated, or raise `MalformedPolicyError`."""
    policy = parse_policy(text, dialect, limit=MAX_TEXT_CHARACTERS)
    # Two sources may have one text, and policies are told apart by name.
    named = NamedPolicy(name=f"{kind} {identifier}", policy=policy)
    return Source(identifier, kind, named, statement_places(text))


def answered(scenario: Scenario, action: str, outcomes: Sequence[Outcome]) -> Members:
    """Return the answer to one action, given the outcome on each resource of the scenario."""
    if scenario.resources == (ANY_RESOURCE,):
        (only,) = outcomes
        return {
            "EvalActionName": action,
            "EvalResourceName": ANY_RESOURCE,
            "EvalDecision": _DECISIONS[only.decision.effect],
            **_details(only),
        }
    by_resource = list(zip(scenario.resources, outcomes, strict=True))
    decisions = {_DECISIONS[outcome.decision.effect] for outcome in outcomes}
    answer: Members = {
        "EvalActionName": action,
        "EvalDecision": next(each for each in _STRICTEST_FIRST if each in decisions),
        "MatchedStatements": _once(outcomes),
        "MissingContextValues": [],
        "ResourceSpecificResults": [
            {
                "EvalResourceName": resource,
                "EvalResourceDecision": _DECISIONS[outcome.decision.effect],
                **_details(outcome),
            }
            for resource, outcome in by_resource
        ],
    }
    if len(by_resource) == 1:
        answer["EvalResourceName"] = scenario.resources[0]
    within = [each.within_boundary for each in outcomes if each.within_boundary is not None]
    if within:
        answer["PermissionsBoundaryDecisionDetail"] = {"AllowedByPermissionsBoundary": all(within)}
    return answer


def outcome_of(scenario: Scenario, action: str, resource: str) -> Outcome:
    """Return what the policies of a scenario say to an action on a resource."""
    request = AccessRequest(action=action, resource=resource, variables=scenario.known)
    explanation = explain(scenario.policies, request)
    decision = explanation.decision
    every = [*scenario.sources, *(scenario.boundary or ())]
    statements = [(source, position) for source in every for position in range(len(source.places))]
    wanted = {"allow": "Allow", "explicit-deny": "Deny"}.get(decision.effect)
    matched = [
        _statement(*statement)
        for said, statement in zip(explanation.statements, statements, strict=True)
        if said.applies and said.effect == wanted and _decides(decision, said.layer)
    ]
    missing = [
        name for said in explanation.statements if said.covers_action for name in said.without_value
    ]
    boundary = scenario.policies.boundary
    return Outcome(
        decision=decision,
        matched=tuple(matched),
        missing=tuple(dict.fromkeys(missing)),
        within_boundary=None if boundary is None else decide(boundary, request).allowed,
    )


def _decides(decision: Decision, layer: str) -> bool:
    """Whether a layer's statements say why: what gives is identity policies, any layer denies."""
    return decision.effect == "explicit-deny" or layer == "identity"


def _details(outcome: Outcome) -> Members:
    details: Members = {
        "MatchedStatements": list(outcome.matched),
        "MissingContextValues": list(outcome.missing),
    }
    if outcome.within_boundary is not None:
        details["PermissionsBoundaryDecisionDetail"] = {
            "AllowedByPermissionsBoundary": outcome.within_boundary
        }
    return details


def _statement(source: Source, position: int) -> Members:
    place = source.places[position]
    return {
        "SourcePolicyId": source.id,
        "SourcePolicyType": source.kind,
        "StartPosition": {"Line": place.start_line, "Column": place.start_column},
        "EndPosition": {"Line": place.end_line, "Column": place.end_column},
    }


def _once(outcomes: Sequence[Outcome]) -> list[Members]:
    """Return every matched statement once; where one denies, deny statements only."""
    denying = [each for each in outcomes if each.decision.effect == "explicit-deny"]
    found: Iterable[Members] = (
        statement for outcome in denying or outcomes for statement in outcome.matched
    )
    once: list[Members] = []
    for statement in found:
        if statement not in once:
            once.append(statement)
    return once
