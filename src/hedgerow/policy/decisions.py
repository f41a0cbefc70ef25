"""The answer to a request, with what decided it."""

from typing import Final, Literal

import msgspec

LayerName = Literal["identity", "boundary", "session", "endpoint", "trust"]

_SHOWN_LIMIT: Final = 512
_KINDS: Final = {
    "identity": "policy",
    "boundary": "permissions boundary",
    "session": "session policy",
    "endpoint": "endpoint policy",
    "trust": "trust policy",
}


class Decision(msgspec.Struct, frozen=True, gc=False):
    """The answer and why: the policy and statement that decided, None if there was none.

    `layer` is the kind of policies that decided; of an allow it is the one that gave.
    `by_account` says of a trust policy's allow that it named the caller's account and not the
    caller, so that the caller's own policies have to allow as well.
    """

    allowed: bool
    effect: Literal["allow", "explicit-deny", "implicit-deny"]
    policy: str | None
    statement: str | None
    reason: str
    layer: LayerName = "identity"
    by_account: bool = False


def allowed_by(
    policy: str, statement: str, layer: LayerName = "identity", *, by_account: bool = False
) -> Decision:
    """Return the decision that a statement allows the request."""
    return Decision(
        allowed=True,
        effect="allow",
        policy=policy,
        statement=statement,
        reason=f"allowed by {statement} of {_KINDS[layer]} {policy}",
        layer=layer,
        by_account=by_account,
    )


def denied_by(
    policy: str, statement: str, action: str, resource: str, layer: LayerName = "identity"
) -> Decision:
    """Return the decision that a statement denies the request."""
    return Decision(
        allowed=False,
        effect="explicit-deny",
        policy=policy,
        statement=statement,
        reason=(
            f"explicit deny by {statement} of {_KINDS[layer]} {policy}: "
            f"{action} on {shown(resource)}"
        ),
        layer=layer,
    )


def not_allowed(
    action: str, resource: str, layer: LayerName = "identity", *, any_policy: bool = True
) -> Decision:
    """Return the decision that no statement allows the request."""
    kind = _KINDS[layer]
    missing = f"{action} on {shown(resource)}"
    return Decision(
        allowed=False,
        effect="implicit-deny",
        policy=None,
        statement=None,
        reason=(
            f"no {kind} allows {missing}"
            if any_policy
            else f"no {kind} is attached, so none allows {missing}"
        ),
        layer=layer,
    )


def shown(resource: str) -> str:
    """Return the resource fit for a message: on one line, not longer than needed."""
    if len(resource) > _SHOWN_LIMIT:
        resource = resource[:_SHOWN_LIMIT] + "…"
    if resource.isprintable():
        return resource
    return resource.encode("unicode_escape").decode("ascii")
