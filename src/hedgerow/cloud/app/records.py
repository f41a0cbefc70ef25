"""What is recorded of calls and refusals: one log line each, with names that tools can rely on.

Payloads and secrets are never in them: the gateway has replaced sensitive input before, and a
refusal carries names and reasons only.
"""

import structlog

from hedgerow.aws import CallRecord
from hedgerow.cloud.dataplane import RefusedRequest

_CALLS = structlog.get_logger("hedgerow.cloud.calls")
_REFUSALS = structlog.get_logger("hedgerow.cloud.refusals")


def record_call(record: CallRecord) -> None:
    """Record one control-plane call, answered or refused."""
    _CALLS.info(
        "call",
        request_id=record.request_id,
        service=record.service,
        operation=record.operation,
        caller=record.caller.arn if record.caller is not None else None,
        access_key_id=record.access_key_id,
        source_ip=record.source_ip,
        status=record.http_status,
        error=record.error_code,
    )


def record_refused_request(refused: RefusedRequest) -> None:
    """Record one refused request of the data plane."""
    _REFUSALS.warning(
        "request refused",
        status=refused.status,
        certificate_id=refused.certificate_id,
        address=refused.address,
        method=refused.method,
        path=refused.path,
        reason=refused.reason,
    )


def record_refused_handshake(reason: str, address: str) -> None:
    """Record one handshake that ended in an alert."""
    _REFUSALS.warning("handshake refused", reason=reason, address=address)
