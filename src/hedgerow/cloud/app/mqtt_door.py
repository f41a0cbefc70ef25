"""From a WebSocket's first request to the broker of its caller's account.

At the API's door a signature proves who it is (presigned in the query, as AWS's SDKs do it, or in
the header); at the devices' doors TLS has proven a certificate before.
Source: AWS IoT Core Developer Guide, "Device communication protocols", MQTT over WebSocket.
"""

from http import HTTPStatus
from typing import Final

from hedgerow.aws import (
    AwsError,
    CredentialSource,
    HttpAnswer,
    HttpRequest,
    Scope,
    SignatureError,
    SignedDoor,
    Upgrade,
)
from hedgerow.aws.failures import unrouted_answer
from hedgerow.aws.signature_errors import aws_signature_error
from hedgerow.cloud.app.accounts import Accounts
from hedgerow.cloud.app.records import record_refused_websocket
from hedgerow.cloud.broker.programs import LONGEST_CONNECTION_S
from hedgerow.cloud.broker.websockets import mqtt_upgrade
from hedgerow.cloud.iam.key_ids import account_of
from hedgerow.cloud.sts import LastUse
from hedgerow.kernel import Clock, DeniedError, new_uuid

SIGNING_NAMES: Final = frozenset({"iotdevicegateway", "iotdata"})
"""What the newer and the older AWS IoT Device SDKs scope their credentials to."""
ADDED_AFTER_SIGNING: Final = frozenset({"X-Amz-Security-Token"})
"""AWS IoT wants the token of temporary credentials to be put behind the signature."""
LONGEST_UNATTENDED_S: Final = LONGEST_CONNECTION_S + 60
"""The broker ends a connection that has lasted long enough; should it not, this does."""


class MqttDoor:
    """Decides on WebSockets that begin at the API's doors; whatever it refuses is recorded."""

    def __init__(
        self,
        credentials: CredentialSource,
        accounts: Accounts,
        last_use: LastUse,
        *,
        region: str,
        clock: Clock,
    ) -> None:
        self._last_use = last_use
        self._region = region
        self._clock = clock
        self._accounts = accounts
        self._signed = SignedDoor(
            credentials,
            Scope(SIGNING_NAMES, (region,)),
            clock,
            unsigned_parameters=ADDED_AFTER_SIGNING,
        )

    async def __call__(self, request: HttpRequest) -> HttpAnswer | Upgrade:
        """Let a program begin that proves itself, or answer why not."""
        account: str | None = None
        try:
            claim = self._signed.claim(request)
            account = account_of(claim.access_key_id)
            proven = await self._signed.prove(request, claim)
            protocol = await self._accounts.of(proven.caller.account).broker.begin_program(
                proven,
                source_ip=request.source_ip,
                user_agent=request.headers.get("user-agent", ""),
                peer=request.peer,
            )
            self._last_use.used(proven.caller, self._clock.now(), claim.service, self._region)
        except DeniedError as error:
            return self._refused(request, account, error)
        return mqtt_upgrade(protocol, LONGEST_UNATTENDED_S)

    def _refused(self, request: HttpRequest, account: str | None, error: DeniedError) -> HttpAnswer:
        if isinstance(error, SignatureError):
            told = aws_signature_error(error, "rest-json")
        else:
            told = AwsError("ForbiddenException", error.message, http_status=HTTPStatus.FORBIDDEN)
        answer = unrouted_answer(told, "rest-json", new_uuid())
        record_refused_websocket(self._accounts.trail_of(account), request, told, answer.status)
        return answer
