"""Who may assume a role: the role's trust policy and the caller's own policies, put together.

Within an account, a trust policy that names the caller itself is enough, unless one of the
caller's policies denies; one that names the account leaves it to the caller's policies. Across
accounts both sides have to allow. Source: IAM User Guide, "Policy evaluation logic", "Evaluating
identity-based policies with resource-based policies" and "Cross-account policy evaluation".
"""

from typing import Final

import msgspec

from hedgerow.aws import AccessDeniedError, Principal
from hedgerow.cloud.access.decider import AccessDecider, Grants
from hedgerow.cloud.access.refusals import facts_of, refusal
from hedgerow.cloud.iam.facts import RoleFacts
from hedgerow.policy import (
    AccessRequest,
    Context,
    Dialect,
    Explanation,
    NamedPolicy,
    decide,
    explain,
    explain_trust,
    parse_policy,
)

_EVERYTHING: Final = (
    NamedPolicy(
        name="named by the trust policy",
        policy=parse_policy(
            '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}',
            Dialect.IDENTITY,
        ),
    ),
)
"""Stands for identity policies where the trust policy alone gives: what limits them still does."""


class RoleJudge:
    """Judges actions of STS on roles of any account."""

    def __init__(self, decider: AccessDecider) -> None:
        self._decider = decider

    async def require(
        self, caller: Principal, role: RoleFacts, action: str, known: Context
    ) -> None:
        """Return if the caller may; else raise `AccessDeniedError` with what is missing."""
        explanation = await self.explain(caller, role, action, known)
        if not explanation.decision.allowed:
            raise _refused(caller, explanation)

    async def explain(
        self, caller: Principal, role: RoleFacts, action: str, known: Context
    ) -> Explanation:
        """Return what decides, with every statement of the side that did.

        `known` is what conditions can know of the call and of the caller.
        """
        return explain_assumption(await self._decider.grants(caller), role, action, known)


def explain_assumption(grants: Grants, role: RoleFacts, action: str, known: Context) -> Explanation:
    """Return what decides whether a caller may do this on a role, by what both sides allow. Pure.

    `known` is what conditions can know of the call and of the caller.
    """
    caller = grants.principal
    request = AccessRequest(
        action=action, resource=role.arn, variables=known, principal=grants.requester
    )
    trust = explain_trust(role.trust, request)
    if not trust.decision.allowed:
        return trust
    own = decide(grants.policies, request)
    across = caller.account != role.account
    both_needed = trust.decision.by_account or across or grants.gone
    if own.effect == "explicit-deny" or (not own.allowed and both_needed):
        return explain(grants.policies, request)
    if not own.allowed and caller.kind == "AssumedRole":
        # A role that is named itself is still held by its boundary and its session policies.
        limits = msgspec.structs.replace(grants.policies, identity=_EVERYTHING)
        within = explain(limits, request)
        if not within.decision.allowed:
            return within
    return trust


def no_such_role(caller: Principal, action: str, role_arn: str) -> AccessDeniedError:
    """Return the error for a role that does not exist; it reads as for one that does not trust."""
    sentence = refusal(caller.arn, action, role_arn, layer="trust", denied=False)
    facts = {
        "action": action,
        "resource": role_arn,
        "effect": "implicit-deny",
        "layer": "trust",
        "policy": None,
        "statement": None,
        "cause": "no-role",
        "reason": f"there is no role {role_arn}",
    }
    return AccessDeniedError(sentence, decision=facts)


def _refused(caller: Principal, explanation: Explanation) -> AccessDeniedError:
    """Return the error for a decision against the caller, in AWS's words, with all facts."""
    decision, request = explanation.decision, explanation.request
    facts = {**facts_of(request, decision), "cause": explanation.cause, "reason": decision.reason}
    nearest = explanation.nearest
    if nearest is not None:
        facts["nearest"] = {"policy": nearest.policy, "statement": nearest.statement}
        facts["objections"] = list(nearest.objections)
    if explanation.advice:
        facts["advice"] = explanation.advice
    sentence = refusal(
        caller.arn,
        request.action,
        request.resource,
        layer=decision.layer,
        denied=decision.effect == "explicit-deny",
    )
    return AccessDeniedError(sentence, decision=facts)
