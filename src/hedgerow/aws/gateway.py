"""The one pipeline from an HTTP request to an AWS-shaped answer.

claim -> prove -> route -> read -> authorise -> operate -> answer -> record; each step takes what
the one before it made, and the first that fails decides the answer.
"""

import asyncio
import traceback
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Any

import msgspec
import structlog

from hedgerow.aws.caller import VerifiedCaller
from hedgerow.aws.claims import SignatureClaim, read_claim
from hedgerow.aws.credentials import CredentialSource
from hedgerow.aws.errors import AccessDeniedError, AwsError
from hedgerow.aws.failures import aws_error, expected_protocol, unrouted_answer
from hedgerow.aws.http import (
    HttpAnswer,
    HttpLimits,
    HttpRefusal,
    HttpRequest,
    HttpServer,
    Upgrader,
)
from hedgerow.aws.protocol import ErrorCodes
from hedgerow.aws.redaction import redacted
from hedgerow.aws.service import (
    Answer,
    Asked,
    Authorizer,
    BoundServices,
    Call,
    CallRecord,
    Facts,
    Recorder,
    Service,
)
from hedgerow.aws.signature_errors import SignatureError, SignatureFault
from hedgerow.aws.sigv4 import SigningKeys, verify
from hedgerow.aws.tables import PROTOCOLS, CompiledOperation, ServiceTable
from hedgerow.kernel import Clock, ConfigurationError, new_uuid, quoted

_log = structlog.get_logger("hedgerow.aws")


class _Seen(msgspec.Struct, frozen=True):
    """How far a call has got: what its record can say about it."""

    request_id: str
    at: datetime
    claim: SignatureClaim | None = None
    table: ServiceTable | None = None
    caller: VerifiedCaller | None = None
    operation: CompiledOperation | None = None
    input: Mapping[str, Any] | None = None
    decision: Facts | None = None


class Gateway:
    """Serves the APIs of its services: `handle` answers one request, `protocol_factory` connects.

    `services` says which APIs there are, and `operations_of` what an account is served with
    (`bind` makes it), so that an operation is always the caller's own account's. `record` is
    called once for every request that reached `handle`, whatever became of it. `upgraders` decide
    on WebSockets, by path: those are no calls and prove and record for themselves.
    """

    def __init__(
        self,
        services: Sequence[type[Service]],
        operations_of: Callable[[str], BoundServices],
        credentials: CredentialSource,
        authorizer: Authorizer,
        *,
        region: str,
        clock: Clock,
        record: Recorder,
        limits: HttpLimits | None = None,
        upgraders: Mapping[str, Upgrader] | None = None,
    ) -> None:
        self._tables = _tables(services, region)
        self._operations_of = operations_of
        self._credentials = credentials
        self._authorizer = authorizer
        self._region = region
        self._clock = clock
        self._recorder = record
        self._keys = SigningKeys()
        self.http = HttpServer(
            self.handle,
            limits=limits,
            refuse=_refusal,
            on_refusal=self._refused_before,
            upgraders=upgraders,
        )

    def protocol_factory(self, peer: object = None) -> asyncio.Protocol:
        """Return the protocol for one accepted connection (give this method to a listener)."""
        return self.http.protocol(peer)

    async def stop(self) -> None:
        """Let requests in progress finish, then close every connection."""
        await self.http.stop()

    async def handle(self, request: HttpRequest) -> HttpAnswer:
        """Answer one request and leave a record of it; an error of any kind is an answer too."""
        seen = _Seen(request_id=new_uuid(), at=self._clock.now())
        output: Mapping[str, Any] | None = None
        error: AwsError | None = None
        try:
            claim = read_claim(request)
            seen = msgspec.structs.replace(seen, claim=claim)
            table = self._table(claim)
            seen = msgspec.structs.replace(seen, table=table)
            caller = await self._prove(request, claim, table, seen.at)
            seen = msgspec.structs.replace(seen, caller=caller)
            route = table.protocol.route(request)
            operation = table.operation(route.operation)
            seen = msgspec.structs.replace(seen, operation=operation)
            call_input = operation.read(request, route)
            seen = msgspec.structs.replace(seen, input=call_input)
            asked = self._asked(request, seen, caller, table, operation, call_input)
            seen = msgspec.structs.replace(seen, decision=await self._authorizer.authorize(asked))
            output = await self._run(Call(asked, seen.request_id), table)
            answer = operation.answer(output, seen.request_id)
        except asyncio.CancelledError:
            self._cut_short(request, seen)
            raise
        except Exception as raised:  # noqa: BLE001 - whatever it is, the caller gets an answer
            if isinstance(raised, AccessDeniedError):
                seen = msgspec.structs.replace(seen, decision=raised.decision)
            error = self._error(raised, request, seen)
            answer = _error_answer(error, request, seen)
        return self._recorded(request, seen, output, error, answer)

    def _table(self, claim: SignatureClaim) -> ServiceTable:
        table = self._tables.get(claim.service)
        if table is None:
            raise SignatureError(
                SignatureFault.WRONG_SCOPE,
                f"Credential should be scoped to correct service: {quoted(claim.service)} is not "
                f"served here; {', '.join(sorted(self._tables))} are.",
            )
        return table

    async def _prove(
        self, request: HttpRequest, claim: SignatureClaim, table: ServiceTable, now: datetime
    ) -> VerifiedCaller:
        token = claim.session_token.reveal() if claim.session_token is not None else None
        credential = await self._credentials.find(claim.access_key_id, token)
        return verify(request, claim, credential, scope=table.scope, now=now, keys=self._keys)

    async def _run(self, call: Call, table: ServiceTable) -> Answer:
        """Run the caller's account's own operation, or raise the error for one not built."""
        run = self._operations_of(call.account).get(table.name, {}).get(call.operation)
        if run is None:
            raise AwsError(
                "OperationNotSupportedException",
                f"{call.operation} is not built in Hedgerow yet.",
                http_status=HTTPStatus.NOT_IMPLEMENTED,
            )
        return await run(call)

    def _asked(
        self,
        request: HttpRequest,
        seen: _Seen,
        caller: VerifiedCaller,
        table: ServiceTable,
        operation: CompiledOperation,
        call_input: Mapping[str, Any],
    ) -> Asked:
        return Asked(
            caller=caller,
            service=table.name,
            iam_prefix=table.iam_prefix,
            operation=operation.name,
            input=call_input,
            region=self._region,
            at=seen.at,
            source_ip=request.source_ip,
            user_agent=request.headers.get("user-agent", ""),
            peer=request.peer,
        )

    def _error(self, raised: Exception, request: HttpRequest, seen: _Seen) -> AwsError:
        """Return what a failure is called on the wire; what is our fault goes to the log."""
        codes, protocol = _manners(request, seen)
        error = aws_error(raised, codes, protocol)
        if error is None:
            _log.error(
                "call failed",
                request_id=seen.request_id,
                operation=seen.operation.name if seen.operation else None,
                trace="".join(traceback.format_exception(raised)),
            )
            error = AwsError(
                codes.internal,
                f"The request failed inside the server; its log has more under {seen.request_id}.",
                http_status=HTTPStatus.INTERNAL_SERVER_ERROR,
            )
        return error

    def _recorded(
        self,
        request: HttpRequest,
        seen: _Seen,
        output: Mapping[str, Any] | None,
        error: AwsError | None,
        answer: HttpAnswer,
    ) -> HttpAnswer:
        """Leave the record; an answer whose record cannot be left is not given."""
        try:
            self._recorder(self._record(request, seen, output, error, answer.status))
        except Exception as raised:  # noqa: BLE001 - as in `handle`
            return _error_answer(self._error(raised, request, seen), request, seen)
        return answer

    def _cut_short(self, request: HttpRequest, seen: _Seen) -> None:
        """Leave the record of a call that is not answered because the server stops."""
        codes, _ = _manners(request, seen)
        error = AwsError(
            codes.unavailable,
            "The server stopped before the call was answered; what it has done stays done.",
            http_status=HTTPStatus.SERVICE_UNAVAILABLE,
        )
        self._recorded(request, seen, None, error, _error_answer(error, request, seen))

    def _refused_before(self, refusal: HttpRefusal) -> None:
        """Leave the record of what broke HTTP or a limit, and so never became a call."""
        try:
            self._recorder(
                CallRecord(
                    at=self._clock.now(),
                    request_id=new_uuid(),
                    service="",
                    event_source="",
                    api_version="",
                    operation="",
                    read_only=False,
                    caller=None,
                    access_key_id="",
                    region=self._region,
                    source_ip=refusal.address,
                    user_agent="",
                    input=None,
                    output=None,
                    decision=None,
                    peer=refusal.peer,
                    http_status=refusal.status,
                    error_code=refusal.reason,
                    error_message=refusal.message,
                )
            )
        except Exception as raised:  # noqa: BLE001 - it is refused all the same
            _log.error("a refusal could not be recorded", reason=str(raised))

    def _record(
        self,
        request: HttpRequest,
        seen: _Seen,
        output: Mapping[str, Any] | None,
        error: AwsError | None,
        status: int,
    ) -> CallRecord:
        operation = seen.operation
        shapes = (operation.input_shape, operation.output_shape) if operation else (None, None)
        keeps_output = operation is not None and error is None and not operation.read_only
        return CallRecord(
            at=seen.at,
            request_id=seen.request_id,
            service=seen.table.name if seen.table else seen.claim.service if seen.claim else "",
            event_source=seen.table.event_source if seen.table else "",
            api_version=seen.table.api_version if seen.table else "",
            operation=operation.name if operation else "",
            read_only=operation is not None and operation.read_only,
            caller=seen.caller,
            access_key_id=seen.claim.access_key_id if seen.claim else "",
            region=self._region,
            source_ip=request.source_ip,
            user_agent=request.headers.get("user-agent", ""),
            input=redacted(shapes[0], seen.input),
            output=redacted(shapes[1], output) if keeps_output else None,
            decision=seen.decision,
            peer=request.peer,
            http_status=status,
            error_code=error.code if error else None,
            error_message=error.message if error else None,
        )


def _tables(services: Sequence[type[Service]], region: str) -> dict[str, ServiceTable]:
    tables: dict[str, ServiceTable] = {}
    for service in services:
        table = ServiceTable(service, region)
        for name in table.scope.services:
            if name in tables:
                raise ConfigurationError(f"Two services are signed for as {quoted(name)}.")
            tables[name] = table
    return tables


def _manners(request: HttpRequest, seen: _Seen) -> tuple[ErrorCodes, str]:
    """Return the codes and the protocol to fail in: the service's, or what the caller expects."""
    if seen.table is not None:
        return seen.table.codes, seen.table.protocol.name
    protocol = expected_protocol(request)
    return PROTOCOLS[protocol].usual_codes, protocol


def _error_answer(error: AwsError, request: HttpRequest, seen: _Seen) -> HttpAnswer:
    if seen.table is None:
        return unrouted_answer(error, expected_protocol(request), seen.request_id)
    return seen.table.protocol.error(error, seen.request_id)


def _refusal(refusal: HttpRefusal) -> HttpAnswer:
    """Answer what never became a request, in the most common protocol's manner."""
    error = AwsError(refusal.reason, refusal.message, http_status=refusal.status)
    return unrouted_answer(error, "rest-json", new_uuid())
