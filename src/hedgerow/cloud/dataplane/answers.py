"""Answers of the data plane, and the one table from errors to statuses."""

import msgspec

from hedgerow.aws import HttpAnswer
from hedgerow.cloud.dataplane.routes import UnknownPathError, WrongMethodError
from hedgerow.cloud.greengrass import NoGroupRoleError, NoSuchDeploymentError
from hedgerow.kernel import CallerError, DeniedError, HedgerowError, PeerError, UnavailableError

JSON = {"content-type": "application/json"}


class UnauthenticatedError(DeniedError):
    """The certificate passed TLS, but its holder is not admitted (revoked, say)."""

    code = "Unauthorized"


class MissingError(CallerError):
    """What was asked for does not exist."""

    code = "ResourceNotFound"


_STATUSES: tuple[tuple[type[HedgerowError], int], ...] = (
    (UnauthenticatedError, 401),
    (DeniedError, 403),
    (NoSuchDeploymentError, 404),
    (NoGroupRoleError, 404),
    (MissingError, 404),
    (UnknownPathError, 404),
    (WrongMethodError, 405),
    (CallerError, 400),
    (PeerError, 400),
    (UnavailableError, 503),
)
"""From the special to the general; what is not in it is our fault and answered 500."""


def ok(body: bytes) -> HttpAnswer:
    """Return a JSON body with status 200."""
    return HttpAnswer(200, JSON, body)


def refusal(error: HedgerowError) -> HttpAnswer:
    """Return `{"message": …}` with the error's status; 401 also ends the connection."""
    status = next((code for kind, code in _STATUSES if isinstance(error, kind)), 500)
    message = error.message if status != 500 else "internal error"  # noqa: PLR2004 - HTTP's own
    headers = {**JSON, "connection": "close"} if isinstance(error, UnauthenticatedError) else JSON
    return HttpAnswer(status, headers, msgspec.json.encode({"message": message}))
