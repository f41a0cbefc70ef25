"""Who may assume a role: the role's trust policy and the caller's own policies, put together.

Within an account, a trust policy that names the caller itself is enough, unless one of the
caller's policies denies; one that names the account leaves it to the caller's policies. Across
accounts both sides have to allow. Source: IAM User Guide, "Policy evaluation logic", "Evaluating
identity-based policies with resource-based policies" and "Cross-account policy evaluation".
"""

from typing import Any, Final

import msgspec

from hedgerow.aws import AccessDeniedError, Facts, Principal
from hedgerow.cloud.access.decider import AccessDecider
from hedgerow.cloud.access.refusals import refusal
from hedgerow.cloud.iam.facts import RoleFacts
from hedgerow.policy import (
    AccessRequest,
    Context,
    Decision,
    Dialect,
    NamedPolicy,
    decide,
    decide_trust,
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
    ) -> Facts:
        """Return the facts of the decision if the caller may; else raise `AccessDeniedError`."""
        grants = await self._decider.grants(caller)
        request = AccessRequest(
            action=action, resource=role.arn, variables=known, principal=grants.requester
        )
        trust = decide_trust(role.trust, request)
        if not trust.allowed:
            raise refused(caller, action, role.arn, trust)
        own = decide(grants.policies, request)
        if own.effect == "explicit-deny" or (
            not own.allowed and (trust.by_account or caller.account != role.account)
        ):
            raise refused(caller, action, role.arn, own)
        if not own.allowed and caller.kind == "AssumedRole":
            # A role that is named itself is still held by its boundary and its session policies.
            limits = msgspec.structs.replace(grants.policies, identity=_EVERYTHING)
            within = decide(limits, request)
            if not within.allowed:
                raise refused(caller, action, role.arn, within)
        return {**_facts(action, role.arn, trust), "by_account": trust.by_account}


def refused(caller: Principal, action: str, resource: str, decision: Decision) -> AccessDeniedError:
    """Return the error for a decision against the caller, in AWS's words."""
    facts = {**_facts(action, resource, decision), "reason": decision.reason}
    denied = decision.effect == "explicit-deny"
    sentence = refusal(caller.arn, action, resource, layer=decision.layer, denied=denied)
    return AccessDeniedError(sentence, decision=facts)


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
        "reason": f"there is no role {role_arn}",
    }
    return AccessDeniedError(sentence, decision=facts)


def _facts(action: str, resource: str, decision: Decision) -> dict[str, Any]:
    return {
        "action": action,
        "resource": resource,
        "effect": decision.effect,
        "layer": decision.layer,
        "policy": decision.policy,
        "statement": decision.statement,
    }
