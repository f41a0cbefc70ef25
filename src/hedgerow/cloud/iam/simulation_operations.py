"""Operations that simulate policies, and tell what a simulation would have to be told."""

import asyncio
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from hedgerow.aws import Answer, Call, operation
from hedgerow.cloud.iam.arns import AWS_ACCOUNT, EntityName, read_entity_arn
from hedgerow.cloud.iam.documents import Identity, PolicyHolder, User
from hedgerow.cloud.iam.estate import Estate
from hedgerow.cloud.iam.faults import invalid_input, no_such_entity
from hedgerow.cloud.iam.paging import page
from hedgerow.cloud.iam.service_base import IamOperations
from hedgerow.cloud.iam.simulation import (
    ANY_RESOURCE,
    Outcome,
    Scenario,
    Source,
    answered,
    outcome_of,
    source_of,
)
from hedgerow.kernel import quoted
from hedgerow.policy import Context, Dialect, MalformedPolicyError, context
from hedgerow.store import Record

MAX_DECISIONS: Final = 1000
"""Actions times resources that one call may ask for."""

MAX_JUDGED: Final = 100_000
"""Statements times actions times resources: about two seconds' work.

Each counts once more for every `HEAVY_CHARACTERS` that the context's values have together.
"""

HEAVY_CHARACTERS: Final = 1024

_ACTION: Final = re.compile(r"[A-Za-z0-9-]{1,64}:[A-Za-z0-9]{1,128}")
_WRONG: Final = "Invalid Input"


@dataclass(frozen=True, slots=True)
class _Principal:
    """A user, group or role whose policies are simulated."""

    entity: EntityName
    record: Record[Any]


class SimulationOperations(IamOperations):
    """SimulateCustomPolicy to GetContextKeysForPrincipalPolicy."""

    @operation("SimulateCustomPolicy")
    async def simulate_custom_policy(self, call: Call) -> Answer:
        """Answer what these policies would say."""
        scenario = Scenario(
            sources=tuple(_given(call, "PolicyInputList", Dialect.IDENTITY)),
            boundary=_given_boundary(call),
            known=_known(call, {}),
            resources=_resources(call),
        )
        return await _results(call, scenario)

    @operation("SimulatePrincipalPolicy")
    async def simulate_principal_policy(self, call: Call) -> Answer:
        """Answer what the policies of a user, group or role would say, and more beside them."""
        estate = await self._estate()
        principal = _principal(estate, call.input["PolicySourceArn"])
        boundary = _given_boundary(call)
        if boundary is None:
            boundary = _own_boundary(estate, principal.record.document)
        scenario = Scenario(
            sources=(
                *_policies_of(estate, principal),
                *_given(call, "PolicyInputList", Dialect.IDENTITY),
            ),
            boundary=boundary,
            known=_known(call, _facts_of(principal)),
            resources=_resources(call),
        )
        return await _results(call, scenario)

    @operation("GetContextKeysForCustomPolicy")
    async def get_context_keys_for_custom_policy(self, call: Call) -> Answer:
        """Return the keys that these policies ask for."""
        return {
            "ContextKeyNames": _keys(_given(call, "PolicyInputList", Dialect.IDENTITY)),
        }

    @operation("GetContextKeysForPrincipalPolicy")
    async def get_context_keys_for_principal_policy(self, call: Call) -> Answer:
        """Return the keys that the policies of a user, group or role ask for."""
        estate = await self._estate()
        principal = _principal(estate, call.input["PolicySourceArn"])
        given = _given(call, "PolicyInputList", Dialect.IDENTITY)
        return {"ContextKeyNames": _keys([*_policies_of(estate, principal), *given])}


async def _results(call: Call, scenario: Scenario) -> Answer:
    if "ResourcePolicy" in call.input:
        raise invalid_input(
            "ResourcePolicy is not simulated: no service of this cloud has policies on resources."
        )
    actions = list(dict.fromkeys(call.input["ActionNames"]))
    for action in actions:
        if not _ACTION.fullmatch(action):
            raise invalid_input(
                f"Invalid Entity Action name {quoted(action)}: write service:Action, without "
                "wildcards."
            )
    decisions = len(actions) * len(scenario.resources)
    judged = decisions * scenario.statements * _weight(scenario.known)
    if decisions > MAX_DECISIONS or judged > MAX_JUDGED:
        raise invalid_input(
            f"A call simulates at most {MAX_DECISIONS} actions times resources, and at most "
            f"{MAX_JUDGED} of those times statements, fewer if the context has long values; ask "
            "in parts."
        )
    numbered = [(f"{number:04}", action) for number, action in enumerate(actions)]
    shown, more = page(numbered, call.input, lambda pair: pair[0])
    return {"EvaluationResults": [await _answer(scenario, one) for _, one in shown], **more}


async def _answer(scenario: Scenario, action: str) -> dict[str, Any]:
    """Simulate an action, and let other calls have their turn between resources."""
    outcomes: list[Outcome] = []
    for resource in scenario.resources:
        outcomes.append(outcome_of(scenario, action, resource))
        await asyncio.sleep(0)
    return answered(scenario, action, outcomes)


def _weight(known: Context) -> int:
    """Return how much more one statement can take because of what is known."""
    values = (value for each in known.values() for value in each)
    return 1 + sum(map(len, values)) // HEAVY_CHARACTERS


def _given(call: Call, member: str, dialect: Dialect) -> list[Source]:
    """Return the policies that came with the request."""
    sources: list[Source] = []
    for number, text in enumerate(call.input.get(member, ()), start=1):
        identifier = f"{member}.{number}"
        try:
            sources.append(source_of(identifier, "none", text, dialect))
        except MalformedPolicyError as error:
            raise invalid_input(f"{_WRONG} {identifier}: {error.message}") from error
    return sources


def _given_boundary(call: Call) -> tuple[Source, ...] | None:
    member = "PermissionsBoundaryPolicyInputList"
    if not call.input.get(member):
        return None
    return tuple(_given(call, member, Dialect.BOUNDARY))


def _resources(call: Call) -> tuple[str, ...]:
    return tuple(dict.fromkeys(call.input.get("ResourceArns", ()))) or (ANY_RESOURCE,)


def _known(call: Call, facts: Mapping[str, str]) -> Context:
    """Return what the request says is known, over what is known of the principal and caller."""
    before = {**facts, **_facts_of_arn(call.input.get("CallerArn"))}
    known: dict[str, str | Sequence[str]] = {key.lower(): value for key, value in before.items()}
    for entry in call.input.get("ContextEntries", ()):
        name, values = entry.get("ContextKeyName", ""), entry.get("ContextKeyValues", ())
        several = entry.get("ContextKeyType", "").endswith("List") or len(values) > 1
        known[name.lower()] = tuple(values) if several or not values else values[0]
    return context(known)


def _facts_of_arn(arn: str | None) -> dict[str, str]:
    entity = None if arn is None else read_entity_arn(arn)
    if arn is None or entity is None:
        return {}
    facts = {"aws:PrincipalArn": arn, "aws:PrincipalAccount": entity.account}
    return {**facts, "aws:username": entity.name} if entity.kind == "user" else facts


def _facts_of(principal: _Principal) -> dict[str, str]:
    """Return what every call of this user or role would bring along."""
    entity, document = principal.entity, principal.record.document
    if not isinstance(document, Identity):
        return {}
    facts = {
        "aws:PrincipalArn": f"arn:aws:iam::{entity.account}:{entity.kind}"
        f"{entity.path}{entity.name}",
        "aws:PrincipalAccount": entity.account,
        "aws:PrincipalType": "User" if isinstance(document, User) else "AssumedRole",
        **{f"aws:PrincipalTag/{key}": value for key, value in document.tags.items()},
    }
    if isinstance(document, User):
        facts.update({"aws:username": document.name, "aws:userid": principal.record.id})
    return facts


def _principal(estate: Estate, arn: str) -> _Principal:
    entity = read_entity_arn(arn)
    if entity is None or entity.kind not in ("user", "group", "role"):
        raise invalid_input(f"{_WRONG} PolicySourceArn: it names no user, group or role.")
    record: Record[Any] | None = None
    if entity.account == estate.account:
        find = {"user": estate.user, "group": estate.group, "role": estate.role}[entity.kind]
        record = find(entity.name)
    if record is None or record.document.path != entity.path:
        raise no_such_entity(entity.kind, entity.name)
    return _Principal(entity, record)


def _policies_of(estate: Estate, principal: _Principal) -> Iterator[Source]:
    document: PolicyHolder = principal.record.document
    yield from _own(estate, principal.entity.kind, document)
    if isinstance(document, User):
        for group_id in document.groups:
            yield from _own(estate, "group", estate.groups[group_id].document)


def _own(estate: Estate, kind: str, holder: PolicyHolder) -> Iterator[Source]:
    for name, text in holder.inline.items():
        yield source_of(f"{kind}_{holder.name}_{name}", kind, text, Dialect.IDENTITY)
    for arn in holder.attached:
        yield _managed(estate, arn, Dialect.IDENTITY)


def _own_boundary(estate: Estate, holder: PolicyHolder) -> tuple[Source, ...] | None:
    if not isinstance(holder, Identity) or not holder.boundary:
        return None
    return (_managed(estate, holder.boundary, Dialect.BOUNDARY),)


def _managed(estate: Estate, arn: str, dialect: Dialect) -> Source:
    policy = estate.policy(arn)
    if policy is None:
        raise no_such_entity("policy", arn)
    entity = read_entity_arn(arn)
    ours = entity is not None and entity.account != AWS_ACCOUNT
    kind = "user-managed" if ours else "aws-managed"
    return source_of(policy.name, kind, policy.in_force.text, dialect)


def _keys(sources: Sequence[Source]) -> list[str]:
    """Return the keys of policies, spelled as they are where they are first asked for."""
    names: dict[str, str] = {}
    for source in sources:
        for statement in source.named.policy.statements:
            for condition in statement.conditions:
                names.setdefault(condition.key, condition.shown)
            for pattern in statement.resources:
                for variable in pattern.variables:
                    names.setdefault(variable.name, variable.shown)
        for key in source.named.policy.keys:
            names.setdefault(key, key)
    return sorted(names.values(), key=str.lower)
