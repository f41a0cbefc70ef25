"""The smallest change that would let a request pass, in one sentence.

It never offers a wildcard: what it names is the action and the resource that were asked for, and
nothing that a policy would read as more than that.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from hedgerow.kernel import quoted
from hedgerow.policy.conditions import Condition
from hedgerow.policy.context import Context
from hedgerow.policy.decisions import Decision, LayerName, shown
from hedgerow.policy.documents import Statement
from hedgerow.policy.principals import Named
from hedgerow.policy.requests import AccessRequest

_WHERE: Final[Mapping[LayerName, str]] = {
    "identity": "",
    "boundary": " to the permissions boundary",
    "session": " to the session policy",
    "endpoint": " to the endpoint's policy",
    "trust": " to the trust policy",
}
_OF_AWS: Final = "arn:aws:iam::aws:policy/"
_PROOFS: Final = frozenset(
    {
        "aws:multifactorauthpresent",
        "aws:multifactorauthage",
        "aws:sourceaccount",
        "aws:sourcearn",
        "aws:sourceip",
        "aws:sourcevpce",
        "sts:externalid",
    }
)
"""What a statement asks of who calls, whatever is called: a new one beside it has to ask too."""
_HOW: Final[Mapping[str, str]] = {
    "aws:multifactorauthpresent": " (use a session that was made with an MFA code: --serial-number "
    "and --token-code of sts:AssumeRole or sts:GetSessionToken, or mfa_serial in the profile)",
    "aws:sourcevpce": " (it is the private door that a call comes through)",
}
"""How a key gets a value that its name does not tell of."""


class Near(msgspec.Struct, frozen=True):
    """A statement that matters most, and the policy it stands in.

    Of a refusal without a deny it is the allow statement that lacked least, else what denies.
    """

    policy: str
    statement: Statement
    device: bool = False
    """Whether it is AWS IoT's, whose policies have no NotAction."""

    def __str__(self) -> str:
        return f"{self.statement.label} of policy {self.policy}"


def advice_on(
    decision: Decision, near: Near | None, request: AccessRequest, variables: Context
) -> str:
    """Return what would have to change; nothing if the request is allowed."""
    if decision.allowed:
        return ""
    wanted = _wanted(request, decision.layer)
    if decision.effect == "explicit-deny":
        denies = f"{decision.statement} of policy {decision.policy}"
        undone = f"take it out of {denies}"
        if near is not None:
            undone = undoing(near, request, variables, denies)
        return f"to allow {wanted}, {undone}; no allow statement can outweigh a deny"
    change = None if near is None else _change_of(near, request, variables)
    if change is not None:
        return change
    where = _WHERE[decision.layer]
    if near is not None and not where:
        where = f" to policy {near.policy}"
        if near.policy.startswith(_OF_AWS):
            where = f" to a policy of your own, as {near.policy} cannot be changed,"
    return f"add a statement{where} that allows {wanted}{_kept(near, request)}"


def _kept(near: Near | None, request: AccessRequest) -> str:
    """Return which conditions a new statement takes over from its neighbour, so as not to open."""
    if near is None or not near.statement.covers_action(request.action):
        return ""
    names, who = near.statement.principals, request.principal
    if names is not None and who is not None and bool(names.services) != bool(who.service):
        return ""
    kept = [condition_shown(one) for one in near.statement.conditions if one.key in _PROOFS]
    return f", on the condition of {near.statement.label}: {' and '.join(kept)}" if kept else ""


def undoing(near: Near, request: AccessRequest, variables: Context, denies: str) -> str:
    """Return what would keep a statement from denying this request, and as little else as can be.

    Its conditions come first: who meets them changes no policy.
    """
    statement = near.statement
    if statement.conditions:
        ways = [_not_to_hold(one, variables) for one in statement.conditions]
        return f"let {denies} not hold: {', or '.join(ways)}"
    if any(one.exact == request.action.lower() for one in statement.actions):
        return f"take it out of {denies}"
    alone = request.resource == "*" or (
        len(statement.resources) == 1 and statement.resources[0].exact == request.resource
    )
    if alone and not near.device and not statement.not_resources:
        if statement.not_actions:
            return f"add {request.action} to the NotAction of {denies}"
        if [one.source for one in statement.actions] == ["*"]:
            return f"say NotAction: {request.action} in place of the Action of {denies}"
    return f"narrow {denies}, which denies more than it names, so that it leaves this out"


def _not_to_hold(condition: Condition, variables: Context) -> str:
    """Return what a condition of a deny is met by, and what would not meet it."""
    now = f"{condition.shown} {_now(condition, variables)}"
    values = [value.source for value in condition.values]
    hidden = any("*" in value for value in values)
    listed = "as the condition lists" if hidden else " or ".join(values)
    kind, how = condition.operator.kind, _HOW.get(condition.key, "")
    if kind == "presence":
        absent = "true" in [value.lower() for value in values]
        return f"{now}, and would have to have {'a' if absent else 'no'} value{how}"
    if kind == "truth" and len(values) == 1:
        other = "false" if values[0].lower() == "true" else "true"
        return f"{now}, and would have to be {other}{how}"
    if condition.operator.negated:
        return f"{now}, and would have to be {listed}{how}"
    if condition.operator.relation == "=":
        return f"{now}, and would have to be other than {listed}{how}"
    return f"{now}, and {condition_shown(condition)} would have to fail{how}"


def literal(resource: str) -> str:
    """Return a resource as a policy would name it and nothing else.

    What a policy would read as a wildcard or a variable is escaped: a device can have asked for
    a topic with a star in its name.
    """
    if resource == "*":
        return "every resource, as this action has none of its own"
    return shown(escaped(resource))


def escaped(resource: str) -> str:
    """Return the text of a pattern that matches the resource alone."""
    text = resource.replace("${", "${$}{").replace("?", "${?}")
    return "${*}".join(text.split("*"))


def condition_shown(condition: Condition) -> str:
    """Return a condition without its values where they hold wildcards."""
    if any("*" in value.source for value in condition.values):
        return f"{condition.name} {condition.shown}"
    return str(condition)


def _wanted(request: AccessRequest, layer: LayerName) -> str:
    who = request.principal
    if layer == "trust" and who is not None:
        return f"{request.action} to {who.service or who.role_arn or who.arn}"
    return f"{request.action} on {literal(request.resource)}"


def _change_of(near: Near, request: AccessRequest, variables: Context) -> str | None:
    """Return the change to the nearest statement or to the request, None if neither is small."""
    statement = near.statement
    if not statement.covers_action(request.action):
        return _other_action(near, request, variables)
    if not statement.covers_resource(request.resource, variables):
        return _other_resource(near, request, variables)
    names = statement.principals
    if names is not None and names.of(request.principal) is Named.NOT:
        return None
    return _conditions_to_meet(near, request, variables)


def _conditions_to_meet(near: Near, request: AccessRequest, variables: Context) -> str:
    asked = [
        f"{condition.shown} {_now(condition, variables)}, and {condition_shown(condition)} is "
        f"asked for{_HOW.get(condition.key, '')}"
        for condition in near.statement.conditions
        if not condition.holds(variables, near.statement.effect)
    ]
    wanted = f"{request.action} on {literal(request.resource)}"
    return f"meet what {near} asks for before it allows {wanted}: {'; '.join(asked)}"


def _now(condition: Condition, variables: Context) -> str:
    value = variables.get(condition.key)
    if value is None or value == ():
        return "has no value here"
    return f"is {quoted(value) if isinstance(value, str) else ', '.join(map(quoted, value))}"


def _other_action(near: Near, request: AccessRequest, variables: Context) -> str | None:
    """Name the action if the statement is about this one resource, so that no more is given."""
    statement = near.statement
    only = len(statement.resources) == 1 and statement.resources[0].exact == request.resource
    if not only or statement.not_actions or not statement.meets_conditions(variables):
        return None
    return f"add {request.action} to the actions of {near}"


def _other_resource(near: Near, request: AccessRequest, variables: Context) -> str | None:
    """Name the variables that lack a value, or the resource if only this action would get it."""
    statement = near.statement
    if not statement.meets_conditions(variables):
        return None
    missing = [
        name
        for pattern in statement.resources
        if pattern.could_match(request.resource, variables)
        for name in pattern.without_value(variables)
    ]
    if missing and not statement.not_resources:
        named = " and ".join(f"${{{name}}}" for name in dict.fromkeys(missing))
        return (
            f"give {named} a value that fits: {near} would allow {request.action} on "
            f"{literal(request.resource)}"
        )
    only = len(statement.actions) == 1 and statement.actions[0].exact is not None
    if not only or statement.not_actions or statement.not_resources or request.resource == "*":
        return None
    return f"add {literal(request.resource)} to the resources of {near}"
