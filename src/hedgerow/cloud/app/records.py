"""What is recorded of calls and refusals: an entry in an account's trail, and one log line each.

Payloads and secrets are never in them: the gateway has replaced sensitive input before, and a
refusal carries names and reasons only. Of a flood, the trail records some and counts the others;
the log has a line for those that are recorded.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import structlog

from hedgerow.aws import AwsError, CallRecord, HttpRequest
from hedgerow.cloud.broker import CloudIdentity, Program
from hedgerow.cloud.cloudtrail import Refusal, Trail
from hedgerow.cloud.cloudtrail.refusals import Attempt
from hedgerow.cloud.dataplane import RefusedRequest
from hedgerow.mqtt import RefusalEvent

_CALLS = structlog.get_logger("hedgerow.cloud.calls")
_REFUSALS = structlog.get_logger("hedgerow.cloud.refusals")

_ATTEMPTS: Final[Mapping[str, Attempt]] = MappingProxyType(
    {
        "connect": "Connect",
        "publish": "Publish",
        "subscribe": "Subscribe",
        "receive": "Receive",
    }
)
"""What the broker calls an attempt, and what the trail does; the rest breaks MQTT or a limit."""


def record_call(trail: Trail, record: CallRecord) -> None:
    """Record one control-plane call, answered or refused. Raises if the trail cannot keep it.

    A call by an account's root stands out in the log as well.
    """
    if not trail.record_call(record):
        return
    root = record.caller is not None and record.caller.principal.kind == "Root"
    (_CALLS.warning if root else _CALLS.info)(
        "call by root" if root else "call",
        request_id=record.request_id,
        service=record.service,
        operation=record.operation,
        caller=record.caller.arn if record.caller is not None else None,
        access_key_id=record.access_key_id,
        source_ip=record.source_ip,
        status=int(record.http_status),
        error=record.error_code,
    )


def record_refused_handshake(trail: Trail, reason: str, address: str) -> None:
    """Record one handshake that ended in an alert."""
    refusal = Refusal("Handshake", code="HandshakeRefused", reason=reason, address=address)
    if trail.record_refusal(refusal):
        _REFUSALS.warning("handshake refused", reason=reason, address=address)


def record_refused_websocket(
    trail: Trail, request: HttpRequest, error: AwsError, status: int
) -> None:
    """Record one WebSocket that was not let begin; its query holds a signature and is left out."""
    named = {"method": request.method, "path": request.raw_path}
    refusal = Refusal(
        "Request", code=error.code, reason=error.message, address=request.source_ip, details=named
    )
    if trail.record_refusal(refusal):
        _REFUSALS.warning(
            "websocket refused",
            status=status,
            code=error.code,
            address=request.source_ip,
            reason=error.message,
            **named,
        )


class DeviceRefusals:
    """Records what the data plane and the broker of one account refuse."""

    def __init__(self, trail: Trail) -> None:
        self._trail = trail

    def request(self, refused: RefusedRequest) -> None:
        """Record one refused request of the data plane."""
        named = {"method": refused.method, "path": refused.path}
        refusal = Refusal(
            "Request",
            code=str(refused.status),
            reason=refused.reason,
            address=refused.address,
            certificate_id=refused.certificate_id,
            details={name: text for name, text in named.items() if text},
        )
        if self._trail.record_refusal(refusal):
            _REFUSALS.warning(
                "request refused",
                status=refused.status,
                certificate_id=refused.certificate_id,
                address=refused.address,
                reason=refused.reason,
                **named,
            )

    def message(self, event: RefusalEvent) -> None:
        """Record one refusal of the broker."""
        named = {
            "clientId": event.client_id,
            "topic": event.topic,
            "principal": _program_arn(event.identity),
        }
        refusal = Refusal(
            _ATTEMPTS.get(event.action, "Other"),
            code=event.code,
            reason=event.reason,
            address=event.address,
            certificate_id=_certificate_id(event.identity),
            details={name: text for name, text in named.items() if text is not None},
        )
        if self._trail.record_refusal(refusal):
            _REFUSALS.warning(
                "refused",
                action=event.action,
                code=event.code,
                reason=event.reason,
                client_id=event.client_id,
                topic=event.topic,
                address=event.address,
            )


def _certificate_id(identity: object) -> str:
    """Return the certificate of a session, or of a peer that has none yet."""
    if isinstance(identity, CloudIdentity):
        return identity.certificate_id
    return identity if isinstance(identity, str) else ""


def _program_arn(identity: object) -> str | None:
    """Return the ARN of a program's identity, None for a device."""
    holder = identity.holder if isinstance(identity, CloudIdentity) else identity
    return holder.arn if isinstance(holder, Program) else None
