"""The local endpoint of the default SDK credential chain, and the only place that shows a key.

SDKs find it by `AWS_CONTAINER_CREDENTIALS_FULL_URI`, and send what stands in
`AWS_CONTAINER_AUTHORIZATION_TOKEN`. Source: AWS SDKs and Tools guide, page "Container credential
provider"; the answers are those that botocore, the AWS CLI and the other SDKs read.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from aiohttp import web

from hedgerow.core.credentials.credentials import Credentials, OtherProcessError
from hedgerow.core.credentials.processes import Address
from hedgerow.core.credentials.tokens import UnknownTokenError
from hedgerow.core.credentials.values import RoleCredentials
from hedgerow.kernel import CallerError, DeniedError, HedgerowError, PeerError, UnavailableError

CREDENTIALS_PATH: Final = "/2016-11-01/credentialprovider/"

_STATUSES: Final[tuple[tuple[type[HedgerowError], int], ...]] = (
    (UnknownTokenError, 401),
    (OtherProcessError, 403),
    (DeniedError, 403),
    (CallerError, 404),
    (PeerError, 502),
    (UnavailableError, 503),
)
"""From the special to the general. SDKs try again after a status over 499 only."""

_HEADERS: Final = {"Cache-Control": "no-store"}


class CredentialsEndpoint:
    """Routes for the core's loopback server."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials

    def routes(self) -> Sequence[web.AbstractRouteDef]:
        """Return what is to be served, on the loopback interface only."""
        bare = CREDENTIALS_PATH.rstrip("/")
        return [web.get(path, self._answer, allow_head=False) for path in (CREDENTIALS_PATH, bare)]

    async def _answer(self, request: web.Request) -> web.Response:
        try:
            local, peer = _ends(request)
            token = request.headers.get("Authorization", "")
            got = await self._credentials.answer(token, local=local, peer=peer)
        except HedgerowError as error:
            status = next((code for kind, code in _STATUSES if isinstance(error, kind)), 500)
            return _json(status, {"code": error.reason_code, "message": error.message})
        return _json(200, _shown(got))


def _ends(request: web.Request) -> tuple[Address, Address]:
    transport = request.transport
    local = transport.get_extra_info("sockname") if transport is not None else None
    peer = transport.get_extra_info("peername") if transport is not None else None
    if not local or not peer:
        raise UnknownTokenError("the connection has ended")
    return (local[0], local[1]), (peer[0], peer[1])


def _shown(credentials: RoleCredentials) -> dict[str, Any]:
    return {
        "AccessKeyId": credentials.access_key_id,
        "SecretAccessKey": credentials.secret_access_key.reveal(),
        "Token": credentials.session_token.reveal(),
        "Expiration": f"{credentials.expires_at:%Y-%m-%dT%H:%M:%SZ}",
        "RoleArn": credentials.role_arn,
        "AccountId": credentials.role_arn.split(":")[4],
    }


def _json(status: int, document: dict[str, Any]) -> web.Response:
    return web.Response(
        status=status,
        body=msgspec.json.encode(document),
        content_type="application/json",
        headers=_HEADERS,
    )
