"""May this request be done? Default is no, an explicit deny wins over every allow."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from hedgerow.policy.documents import NamedPolicy, Statement

_SHOWN_LIMIT: Final = 512


@dataclass(frozen=True, slots=True)
class AccessRequest:
    """Who wants what: an action, the ARN of a resource, and the connection's variables."""

    action: str
    resource: str
    variables: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer and why: the policy and statement that decided, None if there was none."""

    allowed: bool
    effect: Literal["allow", "explicit-deny", "implicit-deny"]
    policy: str | None
    statement: str | None
    reason: str


def decide(policies: Sequence[NamedPolicy], request: AccessRequest) -> Decision:
    """Return whether the policies, together, let the request pass."""
    action = request.action.lower()
    allow: tuple[NamedPolicy, Statement] | None = None
    for named in policies:
        candidates = named.policy.candidates(action)
        for statement in candidates.denies:
            if applies(statement, request):
                return _explicit_deny(named, statement, request)
        if allow is None:
            for statement in candidates.allows:
                if applies(statement, request):
                    allow = (named, statement)
                    break
    if allow is None:
        return _implicit_deny(policies, request)
    named, statement = allow
    return Decision(
        allowed=True,
        effect="allow",
        policy=named.name,
        statement=statement.label,
        reason=f"allowed by {statement.label} of policy {named.name}",
    )


def applies(statement: Statement, request: AccessRequest) -> bool:
    """Tell whether a statement about the request's action applies to its resource as well.

    Where something is not known, a deny statement applies and an allow statement does not.
    """
    variables = request.variables
    deny = statement.effect == "Deny"
    for pattern in statement.resources:
        if pattern.matches(request.resource, variables, when_missing=deny):
            break
    else:
        return False
    return all(condition.holds(variables, statement.effect) for condition in statement.conditions)


def shown(resource: str) -> str:
    """Return the resource fit for a message: on one line, not longer than needed."""
    if len(resource) > _SHOWN_LIMIT:
        resource = resource[:_SHOWN_LIMIT] + "…"
    if resource.isprintable():
        return resource
    return resource.encode("unicode_escape").decode("ascii")


def _explicit_deny(named: NamedPolicy, statement: Statement, request: AccessRequest) -> Decision:
    return Decision(
        allowed=False,
        effect="explicit-deny",
        policy=named.name,
        statement=statement.label,
        reason=(
            f"explicit deny by {statement.label} of policy {named.name}: "
            f"{request.action} on {shown(request.resource)}"
        ),
    )


def _implicit_deny(policies: Sequence[NamedPolicy], request: AccessRequest) -> Decision:
    missing = f"{request.action} on {shown(request.resource)}"
    return Decision(
        allowed=False,
        effect="implicit-deny",
        policy=None,
        statement=None,
        reason=f"no policy allows {missing}"
        if policies
        else f"no policy is attached, so none allows {missing}",
    )
