"""The core's calls on the data plane, each under the core's own certificate."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Self
from urllib.parse import quote

import aiohttp
import msgspec
from yarl import URL

from hedgerow.contract import (
    CERTIFICATE_PATH,
    DELEGATION_PATH,
    CertificateAnswer,
    CertificateRequest,
    ConnectivityInfo,
    DeploymentStatusReport,
    GroupCredentials,
    NamedShadows,
    ShadowId,
    artifact_path,
    connectivity_path,
    decode,
    deployment_path,
    deployment_status_path,
    encode,
    group_credentials_path,
    named_shadows_path,
    shadow_http_path,
)
from hedgerow.core.config import CoreConfig
from hedgerow.core.link.failures import explain_failure
from hedgerow.core.link.identity import LinkIdentity
from hedgerow.core.link.tunnel import TunnelConnector
from hedgerow.kernel import CallerError, Clock, DeniedError, PeerError, UnavailableError

HTTPS_PROTOCOL = "x-amzn-http-ca"
"""The ALPN name of HTTPS with client certificates on port 443."""

_DOCUMENT_BYTES_LIMIT = 32 * 1_048_576
_ERROR_TEXT_LIMIT = 1000
_CONNECT_SECONDS = 10
_TOTAL_SECONDS = 60
_CONNECTIONS_LIMIT = 4
_PAGES_LIMIT = 100

_OK = 200
_UNAUTHORIZED = 401
_FORBIDDEN = 403
_NOT_FOUND = 404
_TOO_MANY = 429
_SERVER_ERRORS = 500
_FILE_ANSWERS = frozenset({_OK, 206, 404, 416})
_SHADOW_ANSWERS = frozenset({_OK, 400, 404, 409, 413})


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """An answer of the cloud, read to its end."""

    status: int
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Endpoint:
    """A host and port of the cloud, and the session that reaches it."""

    host: str
    port: int
    session: aiohttp.ClientSession

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class CloudHttp:
    """Requests to the Greengrass and the IoT endpoints. Enter it before use.

    Errors by whose fault: `DeniedError` with the cloud's own words when a policy forbids a call,
    `CallerError` for another refusal, `UnavailableError` when trying again can help.
    """

    def __init__(self, config: CoreConfig, identity: LinkIdentity, clock: Clock) -> None:
        self._config = config
        self._identity = identity
        self._clock = clock
        self._greengrass: _Endpoint | None = None
        self._iot: _Endpoint | None = None
        self._clock_ahead = timedelta(0)

    @property
    def clock_ahead(self) -> timedelta:
        """How far the cloud's clock was ahead of this machine's at its last answer.

        It is known to a second, less the time that the answer took; nothing before the first one.
        """
        return self._clock_ahead

    async def __aenter__(self) -> Self:
        config = self._config
        self._greengrass = self._endpoint(config.gg_host, config.gg_http_port)
        self._iot = self._endpoint(config.iot_host, config.iot_http_port)
        return self

    async def __aexit__(self, *_: object) -> None:
        for endpoint in (self._greengrass, self._iot):
            if endpoint is not None:
                await endpoint.session.close()

    async def manifest(self, group_id: str, deployment_id: str) -> bytes:
        """Fetch the signed manifest of a deployment (`greengrass:GetDeployment`)."""
        return await self._greengrass_call("GET", deployment_path(group_id, deployment_id))

    async def artifact(self, group_id: str, deployment_id: str, name: str) -> bytes:
        """Fetch a file of a deployment (`greengrass:GetDeploymentArtifacts`)."""
        return await self._greengrass_call("GET", artifact_path(group_id, deployment_id, name))

    async def report_status(
        self, group_id: str, deployment_id: str, report: DeploymentStatusReport
    ) -> None:
        """Say how a deployment goes (`greengrass:UpdateCoreDeploymentStatus`)."""
        path = deployment_status_path(group_id, deployment_id, str(self._config.thing_arn))
        await self._greengrass_call("PUT", path, encode(report))

    async def connectivity(self) -> ConnectivityInfo:
        """Fetch the core's addresses (`greengrass:GetConnectivityInfo`)."""
        path = connectivity_path(self._config.thing_name)
        return decode(await self._greengrass_call("GET", path), ConnectivityInfo)

    async def update_connectivity(self, info: ConnectivityInfo) -> None:
        """Publish the core's addresses (`greengrass:UpdateConnectivityInfo`)."""
        path = connectivity_path(self._config.thing_name)
        await self._greengrass_call("PUT", path, encode(info))

    async def server_certificate(self, request: CertificateRequest) -> CertificateAnswer:
        """Ask for a certificate of the local MQTT server (`greengrass:CreateCertificate`)."""
        answer = await self._greengrass_call("POST", CERTIFICATE_PATH, encode(request))
        return decode(answer, CertificateAnswer)

    async def own_authority(self, request: CertificateRequest) -> CertificateAnswer:
        """Ask for an authority for the core's own names (`greengrass:CreateCertificate`)."""
        answer = await self._greengrass_call("POST", DELEGATION_PATH, encode(request))
        return decode(answer, CertificateAnswer)

    async def group_credentials(self, group_id: str) -> GroupCredentials:
        """Ask for credentials of the group's role (`greengrass:AssumeRoleForGroup`).

        Raises `CallerError` with the command that gives the group a role if it has none.
        """
        path = group_credentials_path(group_id)
        answer = await self._exchange(self._greengrass, "POST", path)
        if answer.status == _NOT_FOUND:
            raise CallerError(
                f"the group {group_id} has no role, so there are no credentials; give it one: aws "
                f"greengrass associate-role-to-group --group-id {group_id} --role-arn ROLE_ARN",
                code="NoGroupRole",
            )
        if answer.status != _OK:
            raise _refusal(answer.status, answer.body, f"POST {path}")
        return decode(answer.body, GroupCredentials)

    async def report_shadow(self, thing_name: str, reported: object) -> None:
        """Set the reported state of a thing's shadow (`iot:UpdateThingShadow`)."""
        document = {"state": {"reported": reported}}
        path = shadow_http_path(thing_name)
        await self._call(self._iot, "POST", path, msgspec.json.encode(document))

    async def shadow(self, method: str, shadow: ShadowId, body: bytes | None = None) -> HttpAnswer:
        """GET, POST or DELETE a shadow, and return what the cloud answered.

        A refusal by the shadow itself (none is there, a conflict, too large) is an answer; one by
        a policy is a `DeniedError` that names `iot:GetThingShadow`, `iot:UpdateThingShadow` or
        `iot:DeleteThingShadow` and the thing's ARN, with a named shadow's name behind it.
        """
        path = shadow_http_path(shadow.thing_name, shadow.shadow_name)
        answer = await self._exchange(self._iot, method, path, body)
        if answer.status in _SHADOW_ANSWERS:
            return answer
        raise _refusal(answer.status, answer.body, f"{method} {path}")

    async def thing_jobs(self, method: str, rest: str, body: bytes | None = None) -> bytes:
        """Call the jobs of the core's thing: `rest` is what follows `/things/<thing>/jobs`.

        Judged as `iotjobsdata:GetPendingJobExecutions`, `iotjobsdata:DescribeJobExecution` or
        `iotjobsdata:UpdateJobExecution` on the thing's ARN.
        """
        path = f"/things/{quote(self._config.thing_name, safe='')}/jobs{rest}"
        return await self._call(self._iot, method, path, body)

    async def update_file(self, path: str, byte_range: str | None = None) -> HttpAnswer:
        """Fetch a file of the software updates, or a piece of one (`bytes=FIRST-LAST`).

        That there is none, or nothing more of it, is an answer (`greengrass:GetDeploymentArtifacts`
        on the account's updates).
        """
        headers = {} if byte_range is None else {"Range": byte_range}
        answer = await self._exchange(self._greengrass, "GET", path, headers=headers)
        if answer.status in _FILE_ANSWERS:
            return answer
        raise _refusal(answer.status, answer.body, f"GET {path}")

    async def named_shadows(self, thing_name: str) -> tuple[str, ...]:
        """Fetch the names of a thing's named shadows (`iot:ListNamedShadowsForThing`)."""
        names: list[str] = []
        token: str | None = None
        for _ in range(_PAGES_LIMIT):
            path = named_shadows_path(thing_name, token)
            page = decode(await self._call(self._iot, "GET", path, None), NamedShadows)
            names += page.results
            token = page.next_token
            if token is None:
                break
        return tuple(names)

    async def _greengrass_call(self, method: str, path: str, body: bytes | None = None) -> bytes:
        return await self._call(self._greengrass, method, path, body)

    async def _call(
        self, endpoint: _Endpoint | None, method: str, path: str, body: bytes | None
    ) -> bytes:
        answer = await self._exchange(endpoint, method, path, body)
        if answer.status == _OK:
            return answer.body
        raise _refusal(answer.status, answer.body, f"{method} {path}")

    async def _exchange(
        self,
        endpoint: _Endpoint | None,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        headers: Mapping[str, str] | None = None,
    ) -> HttpAnswer:
        if endpoint is None:
            raise UnavailableError("the link to the cloud is not open")
        url = URL(f"https://{endpoint}{path}", encoded=True)
        content = {} if body is None else {"Content-Type": "application/json"}
        sent = {**content, **(headers or {})}
        try:
            async with endpoint.session.request(
                method, url, data=body, headers=sent, allow_redirects=False
            ) as response:
                self._read_clock(response.headers.get("Date"))
                return HttpAnswer(response.status, await _read(response, str(endpoint)))
        except (aiohttp.ClientError, OSError) as error:
            raise explain_failure(error, str(endpoint), self._clock.now()) from error

    def _read_clock(self, date: str | None) -> None:
        """Compare the clocks; the answer comes from a cloud that has proven itself."""
        if date is None:
            return
        try:
            theirs = parsedate_to_datetime(date).astimezone(UTC)
        except (ValueError, OverflowError):
            return
        self._clock_ahead = theirs - self._clock.now()

    def _endpoint(self, host: str, port: int) -> _Endpoint:
        context = self._identity.tls_context(port, HTTPS_PROTOCOL)
        session = aiohttp.ClientSession(
            connector=self._connector(host, context),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=_TOTAL_SECONDS, sock_connect=_CONNECT_SECONDS),
        )
        return _Endpoint(host, port, session)

    def _connector(self, host: str, context: ssl.SSLContext) -> aiohttp.BaseConnector:
        way = self._identity.way(self._config.proxy)
        if not way.leads_through_proxy(host):
            return aiohttp.TCPConnector(ssl=context, limit=_CONNECTIONS_LIMIT)
        return TunnelConnector(
            way, context, limit=_CONNECTIONS_LIMIT, connect_seconds=_CONNECT_SECONDS
        )


async def _read(response: aiohttp.ClientResponse, place: str) -> bytes:
    data = bytearray()
    async for chunk in response.content.iter_any():
        data += chunk
        if len(data) > _DOCUMENT_BYTES_LIMIT:
            raise PeerError(f"{place} answered with over {_DOCUMENT_BYTES_LIMIT} bytes")
    return bytes(data)


def _refusal(status: int, data: bytes, call: str) -> Exception:
    """Return the error of an answer, in the cloud's own words where it has some."""
    message = f"{call}: {_message(data) or 'no reason given'} ({status})"
    if status in {_UNAUTHORIZED, _FORBIDDEN}:
        return DeniedError(message)
    if status == _TOO_MANY or status >= _SERVER_ERRORS:
        return UnavailableError(message)
    return CallerError(message)


def _message(data: bytes) -> str:
    try:
        document: Any = msgspec.json.decode(data)
    except msgspec.DecodeError:
        return ""
    text = document.get("message") or document.get("Message") if isinstance(document, dict) else ""
    return str(text or "")[:_ERROR_TEXT_LIMIT]
