"""How a refusal reads, and the facts of a decision that go to the record.

The sentence is for the caller and says which kind of policy decided, as AWS's does, but not which
policy; the facts name it, with the nearest statement and what it objects to, for those who may
read records. Source: guide page security_iam_troubleshoot; IAM User Guide, "Troubleshoot access
denied error messages".
"""

from collections.abc import Mapping
from typing import Any, Final

from hedgerow.aws import AccessDeniedError, Asked
from hedgerow.cloud.access.rows import Row
from hedgerow.kernel import DeniedError
from hedgerow.policy import AccessRequest, Decision, Explanation
from hedgerow.policy.decisions import shown

_KINDS: Final[Mapping[str, str]] = {
    "identity": "identity-based policy",
    "boundary": "permissions boundary",
    "session": "session policy",
    "endpoint": "VPC endpoint policy",
    "trust": "resource-based policy",
    "resource": "resource-based policy",
    "table": "identity-based policy",
}
"""What AWS calls the kinds of policy in its refusals."""
_VOWELS: Final = "aeiou"


def refusal(arn: str, action: str, resource: str, *, layer: str, denied: bool) -> str:
    """Return the sentence of a refusal: who, what, on what, and which kind of policy is why."""
    who = f"User: {arn} is not authorized to perform: {action} on resource: {shown(resource)}"
    kind = _KINDS[layer]
    if denied:
        article = "an" if kind[0] in _VOWELS else "a"
        return f"{who} with an explicit deny in {article} {kind}"
    return f"{who} because no {kind} allows the {action} action"


def facts_of(request: AccessRequest, decision: Decision) -> dict[str, Any]:
    """Return a decision as plain facts."""
    return {
        "action": request.action,
        "resource": request.resource,
        "effect": decision.effect,
        "layer": decision.layer,
        "policy": decision.policy,
        "statement": decision.statement,
    }


def denial(
    asked: Asked, row: Row, request: AccessRequest, explanation: Explanation, *, gone: bool
) -> AccessDeniedError:
    """Return the error for a decision against a call, with every fact behind it."""
    decision = explanation.decision
    facts = facts_of(request, decision)
    facts["cause"] = explanation.cause
    facts["reason"] = decision.reason
    facts["access"] = row.access
    nearest = explanation.nearest
    if nearest is not None:
        facts["nearest"] = {"policy": nearest.policy, "statement": nearest.statement}
        facts["objections"] = list(nearest.objections)
    if explanation.advice:
        facts["advice"] = explanation.advice
    if gone:
        facts["gone"] = True
    sentence = refusal(
        asked.caller.arn,
        request.action,
        request.resource,
        layer=decision.layer,
        denied=decision.effect == "explicit-deny",
    )
    return AccessDeniedError(sentence, decision=facts)


def foreign(asked: Asked, action: str, resource: str) -> AccessDeniedError:
    """Return the error for a call about another account's resource: there is no way to allow it."""
    reason = f"the resource belongs to another account than {asked.caller.account}"
    return _implicit(asked, action, resource, layer="resource", reason=reason)


def nothing_allowed(asked: Asked, row: Row, why: DeniedError) -> AccessDeniedError:
    """Return the error for a caller whose policies cannot be read: they allow nothing."""
    return _implicit(asked, row.needs[0].action, "*", layer="identity", reason=why.message)


def unclear_tag(asked: Asked, row: Row, key: str) -> AccessDeniedError:
    """Return the error for a request that sets a tag twice, under names that differ in case only.

    Condition keys know no case: whichever value a policy were shown, the other would pass unseen.
    """
    reason = f"the request gives {key} several values, under names that differ in case only"
    return _implicit(asked, row.needs[0].action, "*", layer="identity", reason=reason)


def no_row(asked: Asked) -> AccessDeniedError:
    """Return the error for an operation that the table does not have: nobody may call it."""
    action = f"{asked.iam_prefix}:{asked.operation}"
    reason = f"the table of permissions has no row for {asked.operation} of {asked.service}"
    return _implicit(asked, action, "*", layer="table", reason=reason)


def never_by_session(row: Row, why: str) -> AccessDeniedError:
    """Return the error for what temporary credentials of this kind can never do."""
    facts = _facts(row.needs[0].action, "*", layer="credentials", reason=why)
    return AccessDeniedError(why, decision=facts)


def _implicit(
    asked: Asked, action: str, resource: str, *, layer: str, reason: str
) -> AccessDeniedError:
    sentence = refusal(asked.caller.arn, action, resource, layer=layer, denied=False)
    facts = _facts(action, resource, layer=layer, reason=reason)
    return AccessDeniedError(sentence, decision=facts)


def _facts(action: str, resource: str, *, layer: str, reason: str) -> dict[str, Any]:
    return {
        "action": action,
        "resource": resource,
        "effect": "implicit-deny",
        "layer": layer,
        "policy": None,
        "statement": None,
        "reason": reason,
    }
