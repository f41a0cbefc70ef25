"""The data plane: from a request on a mutually authenticated connection to its answer.

Each request goes the same way: who is it (the certificate that TLS proved, admitted now), which
row of the table, does the device's policy allow its action on its resource, then the call itself.
The calls take `Authorized`, which only that check makes.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import structlog

from hedgerow.aws import (
    HttpAnswer,
    HttpLimits,
    HttpRefusal,
    HttpRequest,
    HttpServer,
    Upgrade,
)
from hedgerow.cloud.broker.websockets import MQTT_PATH, mqtt_upgrade
from hedgerow.cloud.dataplane.answers import UnauthenticatedError, refusal
from hedgerow.cloud.dataplane.authorized import Authorized, authorize
from hedgerow.cloud.dataplane.core_calls import CoreCalls
from hedgerow.cloud.dataplane.credential_calls import CredentialCalls
from hedgerow.cloud.dataplane.discovery import Discovery
from hedgerow.cloud.dataplane.job_calls import JobCalls
from hedgerow.cloud.dataplane.message_calls import MessageCalls
from hedgerow.cloud.dataplane.routes import asked_path, match
from hedgerow.cloud.dataplane.shadow_calls import ShadowCalls
from hedgerow.cloud.dataplane.update_calls import UpdateCalls
from hedgerow.cloud.home import Home
from hedgerow.cloud.iot import DeviceDirectory
from hedgerow.kernel import DeniedError, HedgerowError
from hedgerow.pki import TlsPeer

LIMITS = HttpLimits(body_bytes=256 * 1024, idle_seconds=120)
_LOG = structlog.get_logger(__name__)
AnyProtocol = asyncio.Protocol | asyncio.BufferedProtocol
_Handler = Callable[[Authorized], Awaitable[HttpAnswer]]


@dataclass(frozen=True, slots=True)
class RefusedRequest:
    """A refusal as it is recorded: who, what, and why; never a body."""

    status: int
    certificate_id: str
    address: str
    method: str
    path: str
    reason: str


class DataPlane:
    """Serves devices and cores over HTTPS; `protocol` is for a listener with client certificates.

    `record` hears of every refusal.
    """

    def __init__(
        self,
        home: Home,
        directory: DeviceDirectory,
        *,
        discovery: Discovery,
        core_calls: CoreCalls,
        shadow_calls: ShadowCalls,
        message_calls: MessageCalls,
        credential_calls: CredentialCalls,
        update_calls: UpdateCalls,
        job_calls: JobCalls,
        mqtt: Callable[[TlsPeer], AnyProtocol],
        record: Callable[[RefusedRequest], None],
    ) -> None:
        """`mqtt` gives the broker's protocol for a device that speaks MQTT over WebSocket."""
        self._home = home
        self._directory = directory
        self._record = record
        self._mqtt = mqtt
        self._handlers: Mapping[str, _Handler] = {
            "discover": discovery.discover,
            "get-deployment": core_calls.get_deployment,
            "get-artifact": core_calls.get_artifact,
            "report-status": core_calls.report_status,
            "create-certificate": core_calls.create_certificate,
            "delegate-authority": core_calls.delegate_authority,
            "assume-group-role": core_calls.assume_group_role,
            "get-connectivity": core_calls.get_connectivity,
            "update-connectivity": core_calls.update_connectivity,
            "get-shadow": shadow_calls.get,
            "update-shadow": shadow_calls.update,
            "delete-shadow": shadow_calls.delete,
            "list-shadows": shadow_calls.names,
            "get-update-metadata": update_calls.metadata,
            "get-update": update_calls.target,
            "role-credentials": credential_calls.get,
            "get-pending-jobs": job_calls.pending,
            "start-next-job": job_calls.start_next,
            "describe-job": job_calls.describe,
            "update-job": job_calls.update,
            "publish": message_calls.publish,
            "get-retained": message_calls.get_retained,
            "list-retained": message_calls.list_retained,
        }
        self._http = HttpServer(
            self.handle,
            limits=LIMITS,
            on_refusal=self._refused_before,
            upgraders={MQTT_PATH: self._begin_mqtt},
        )
        self.refusals: Counter[int] = Counter()

    def protocol(self, peer: TlsPeer) -> asyncio.Protocol:
        """Return the protocol for one connection whose client certificate TLS has checked."""
        return self._http.protocol(peer)

    async def stop(self) -> None:
        """Let requests in progress finish, then close every connection."""
        await self._http.stop()

    async def handle(self, request: HttpRequest) -> HttpAnswer:
        """Answer one request."""
        peer = request.peer
        certificate_id = peer.certificate_id if isinstance(peer, TlsPeer) else None
        try:
            found = match(request.method, request.raw_path, self._home, request.raw_query)
            allowed = authorize(self._directory, certificate_id, found, request)
            return await self._handlers[found.route.name](allowed)
        except HedgerowError as error:
            answer = refusal(error)
            self._refused(request, certificate_id, answer.status, error)
            return answer

    async def _begin_mqtt(self, request: HttpRequest) -> HttpAnswer | Upgrade:
        """Let an admitted device speak MQTT; what it then does is the broker's to judge."""
        peer = request.peer
        try:
            admitted = self._admitted(peer)
        except HedgerowError as error:
            answer = refusal(error)
            certificate_id = peer.certificate_id if isinstance(peer, TlsPeer) else None
            self._refused(request, certificate_id, answer.status, error)
            return answer
        return mqtt_upgrade(self._mqtt(admitted))

    def _admitted(self, peer: object) -> TlsPeer:
        if not isinstance(peer, TlsPeer) or peer.certificate_id is None:
            raise UnauthenticatedError("MQTT over WebSocket needs a client certificate here")
        try:
            self._directory.admit(peer.certificate_id)
        except DeniedError as error:
            raise UnauthenticatedError(error.message) from error
        return peer

    def _refused(
        self, request: HttpRequest, certificate_id: str | None, status: int, error: HedgerowError
    ) -> None:
        self.refusals[status] += 1
        self._record(
            RefusedRequest(
                status=status,
                certificate_id=certificate_id or "",
                address=request.source_ip,
                method=request.method,
                path=asked_path(request.raw_path, request.raw_query),
                reason=error.message,
            )
        )

    def _refused_before(self, refusal: HttpRefusal) -> None:
        """Record what broke HTTP or a limit, and so never became a request."""
        self.refusals[refusal.status] += 1
        peer = refusal.peer
        self._record(
            RefusedRequest(
                status=refusal.status,
                certificate_id=(peer.certificate_id or "") if isinstance(peer, TlsPeer) else "",
                address=refusal.address,
                method="",
                path="",
                reason=refusal.message,
            )
        )
