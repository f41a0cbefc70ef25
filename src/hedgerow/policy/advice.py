"""The smallest change that would let a request pass, in one sentence; it never says `*`."""

from typing import Protocol

from hedgerow.policy.decisions import Decision, shown
from hedgerow.policy.documents import Statement
from hedgerow.policy.requests import AccessRequest


class Objecting(Protocol):
    """What advice needs to know of a statement's explanation."""

    @property
    def policy(self) -> str:
        """The policy's name."""

    @property
    def statement(self) -> str:
        """The statement's label."""

    @property
    def covers_action(self) -> bool:
        """Whether it speaks of the action."""

    @property
    def covers_resource(self) -> bool:
        """Whether it speaks of the resource."""

    @property
    def objections(self) -> tuple[str, ...]:
        """Why it does not apply."""


def advice_on(
    decision: Decision, nearest: tuple[Objecting, Statement] | None, request: AccessRequest
) -> str:
    """Return what would have to change; nothing if the request is allowed."""
    if decision.allowed:
        return ""
    wanted = f"{request.action} on {literal(request.resource)}"
    where = "" if decision.layer == "identity" else f" to the {decision.layer} policy"
    if decision.effect == "explicit-deny":
        return (
            f"to allow {wanted}, take it out of {decision.statement} of policy {decision.policy}; "
            "no allow statement can outweigh a deny"
        )
    if nearest is None:
        return f"add a statement{where} that allows {wanted}"
    explanation, _ = nearest
    which = f"{explanation.statement} of policy {explanation.policy}"
    why = "; ".join(explanation.objections)
    if explanation.covers_action and explanation.covers_resource:
        return f"meet what {which} asks for before it allows {wanted}: {why}"
    return f"add a statement{where} that allows {wanted}; nearest is {which}, but {why}"


def literal(resource: str) -> str:
    """Return a resource as a policy would name it and nothing else.

    What a policy would read as a wildcard or a variable is escaped: a device can have asked for
    a topic named `#/*`.
    """
    if resource == "*":
        return "every resource, as this action has none of its own"
    escaped = resource.replace("${", "${$}{").replace("?", "${?}")
    if "*" in escaped:
        escaped = "${*}".join(escaped.split("*"))
    return shown(escaped)
