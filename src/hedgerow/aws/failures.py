"""Failures of every kind in AWS's terms: the one table from our errors to codes and statuses."""

import json
from http import HTTPStatus

from hedgerow.aws.errors import AwsError, MalformedBodyError
from hedgerow.aws.http import HttpAnswer, HttpRequest
from hedgerow.aws.protocol import REQUEST_ID_HEADER, ErrorCodes, ResolvedError
from hedgerow.aws.query import query_error
from hedgerow.aws.signature_errors import SignatureError, aws_signature_error
from hedgerow.kernel import (
    CallerError,
    ConfigurationError,
    DeniedError,
    HedgerowError,
    UnavailableError,
)


def aws_error(raised: Exception, codes: ErrorCodes, protocol: str) -> AwsError | None:
    """Return the error to answer a failure with, or None if the failure is a bug of ours."""
    if isinstance(raised, AwsError):
        return raised
    if isinstance(raised, SignatureError):
        return aws_signature_error(raised, protocol)
    if not isinstance(raised, HedgerowError) or isinstance(raised, ConfigurationError):
        return None
    for kind, code, status in (
        (MalformedBodyError, codes.malformed, None),
        (CallerError, codes.invalid, None),
        (DeniedError, codes.denied, HTTPStatus.FORBIDDEN),
        (UnavailableError, codes.unavailable, HTTPStatus.SERVICE_UNAVAILABLE),
    ):
        if isinstance(raised, kind):
            return AwsError(code, raised.message, http_status=status)
    return None


def expected_protocol(request: HttpRequest) -> str:
    """Guess which protocol a caller speaks whose service is not known."""
    if "x-amz-target" in request.headers:
        return "json"
    form = request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
    return "query" if form or "Action=" in request.raw_query else "rest-json"


def unrouted_answer(error: AwsError, protocol: str, request_id: str) -> HttpAnswer:
    """Write an error that belongs to no service."""
    status = error.http_status or HTTPStatus.BAD_REQUEST
    if protocol == "query":
        resolved = ResolvedError(error.code, status, error.message, {}, None)
        return query_error(resolved, request_id)
    headers = {REQUEST_ID_HEADER: request_id}
    body = {"message": error.message}
    if protocol == "json":
        headers["content-type"] = "application/x-amz-json-1.1"
        body["__type"] = error.code
    else:
        headers["content-type"] = "application/json"
        headers["x-amzn-errortype"] = error.code
    return HttpAnswer(status, headers, json.dumps(body).encode())
