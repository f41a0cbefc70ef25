"""Answers of the data plane, and the one table from errors to statuses."""

import gzip

import msgspec

from hedgerow.aws import HttpAnswer
from hedgerow.cloud.dataplane.pace import TooFastError
from hedgerow.cloud.dataplane.routes import UnknownPathError, WrongMethodError
from hedgerow.cloud.greengrass import NoGroupRoleError, NoSuchDeploymentError
from hedgerow.cloud.iot import NoRoleAliasError
from hedgerow.kernel import CallerError, DeniedError, HedgerowError, PeerError, UnavailableError

JSON = {"content-type": "application/json"}
_WORTH_PACKING = 16 * 1024
_QUICKLY = 1
"""The lowest level: a sixth larger than the default's, in two thirds of the time."""


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
    (NoRoleAliasError, 404),
    (MissingError, 404),
    (UnknownPathError, 404),
    (WrongMethodError, 405),
    (CallerError, 400),
    (PeerError, 400),
    (TooFastError, 429),
    (UnavailableError, 503),
)
"""From the special to the general; what is not in it is our fault and answered 500."""


def ok(body: bytes) -> HttpAnswer:
    """Return a JSON body with status 200."""
    return HttpAnswer(200, JSON, body)


def packed(body: bytes, accepted: str) -> HttpAnswer:
    """Return a JSON body, as gzip if the client takes that and it is large.

    A list of 5,000 certificates has 7 MB, and 1.5 packed: a revocation is fetched in less time.
    """
    takes_gzip = "gzip" in {coding.strip().lower() for coding in accepted.split(",")}
    if len(body) < _WORTH_PACKING or not takes_gzip:
        return ok(body)
    content = gzip.compress(body, _QUICKLY, mtime=0)
    return HttpAnswer(200, {**JSON, "content-encoding": "gzip"}, content)


def refusal(error: HedgerowError) -> HttpAnswer:
    """Return `{"message": …}` with the error's status; 401 also ends the connection."""
    status = next((code for kind, code in _STATUSES if isinstance(error, kind)), 500)
    message = error.message if status != 500 else "internal error"  # noqa: PLR2004 - HTTP's own
    headers = {**JSON, "connection": "close"} if isinstance(error, UnauthenticatedError) else JSON
    return HttpAnswer(status, headers, msgspec.json.encode({"message": message}))
