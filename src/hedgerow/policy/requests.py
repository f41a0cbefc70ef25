"""Who wants what, as a value."""

import msgspec

from hedgerow.policy.context import Context


class Requester(msgspec.Struct, frozen=True, gc=False):
    """Who asks, as trust and endpoint policies name them in Principal.

    `arn` is the user's or the session's, `role_arn` the role of a session; `service` is set, and
    the others empty, for an AWS service such as `greengrass.amazonaws.com`.
    """

    account: str
    arn: str
    role_arn: str = ""
    service: str = ""


class AccessRequest(msgspec.Struct, frozen=True, gc=False):
    """An action on the ARN of a resource, and what is known of the request (see `context`)."""

    action: str
    resource: str
    variables: Context
    principal: Requester | None = None
