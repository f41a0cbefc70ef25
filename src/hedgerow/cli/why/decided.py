"""A policy decision as a step of the path: what decided, in which layer, and what to change."""

from hedgerow.cli.why.path import Step
from hedgerow.policy import Explanation


def decision_step(name: str, explanation: Explanation) -> Step:
    """Return the step for a decision; its code is the explanation's `cause`."""
    decision = explanation.decision
    if decision.allowed:
        return Step(
            name,
            passed=True,
            says=decision.reason,
            policy=decision.policy,
            statement=decision.statement,
        )
    nearest = explanation.nearest
    says = decision.reason
    if nearest is not None:
        says += f"; nearest is {nearest.statement} of policy {nearest.policy}, but " + "; ".join(
            nearest.objections
        )
    return Step(
        name,
        passed=False,
        says=says,
        code=explanation.cause or "",
        change=explanation.advice,
        policy=decision.policy if nearest is None else nearest.policy,
        statement=decision.statement if nearest is None else nearest.statement,
    )


def policies_step(explanation: Explanation) -> Step:
    """Return the step that names every policy that was asked."""
    names = dict.fromkeys(statement.policy for statement in explanation.statements)
    return Step("policies", passed=None, says=", ".join(names) or "none is attached")
