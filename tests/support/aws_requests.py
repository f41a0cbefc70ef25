"""Signed HTTP requests as values, and proven callers made from them, for tests of AWS services."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from botocore.auth import SIGV4_TIMESTAMP, SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from multidict import CIMultiDict, CIMultiDictProxy
from tests.support.clock import ManualClock

from hedgerow.aws import Credential, HttpRequest, Principal, VerifiedCaller
from hedgerow.aws.claims import read_claim
from hedgerow.aws.sigv4 import Scope, SigningKeys, verify
from hedgerow.kernel import Secret

ACCESS_KEY = "AKIDEXAMPLE"
SECRET_KEY = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
ACCOUNT = "123456789012"
REGION = "eu-west-1"
HOST = "api.hedgerow.test:7443"


def credential(**changes: Any) -> Credential:
    """Return the credential of the test's administrator."""
    return replace(Credential(Secret(SECRET_KEY), principal()), **changes)


def principal(**changes: Any) -> Principal:
    """Return the test's administrator."""
    arn = f"arn:aws:iam::{ACCOUNT}:user/administrator"
    known = Principal("IAMUser", ACCOUNT, arn, "AIDAEXAMPLE", name="administrator")
    return replace(known, **changes)


def unsigned_request(
    method: str = "GET",
    target: str = "/things/lamp",
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
) -> HttpRequest:
    """Return a request as it would arrive, with a host and nothing else that is not given."""
    raw_path, _, raw_query = target.partition("?")
    return HttpRequest(
        method=method,
        raw_path=raw_path,
        raw_query=raw_query,
        headers=CIMultiDictProxy(CIMultiDict({"Host": HOST, **(headers or {})})),
        body=body,
        source_ip="192.0.2.7",
    )


def signed_request(
    request: HttpRequest,
    *,
    now: datetime,
    service: str = "iot",
    region: str = REGION,
    access_key: str = ACCESS_KEY,
    secret_key: str = SECRET_KEY,
    token: str | None = None,
    presigned_for: int | None = None,
) -> HttpRequest:
    """Return the request with the signature that botocore's own signer makes at this moment."""
    keys = Credentials(access_key, secret_key, token)
    query = f"?{request.raw_query}" if request.raw_query else ""
    outgoing = AWSRequest(
        method=request.method,
        url=f"https://{HOST}{request.raw_path}{query}",
        data=request.body,
        headers=dict(request.headers),
    )
    signer = _SignerAt(now, keys, service, region)
    if presigned_for is not None:
        signer = _PresignerAt(now, keys, service, region, expires=presigned_for)
    signer.add_auth(outgoing)
    target = str(outgoing.url).removeprefix(f"https://{HOST}")
    raw_path, _, raw_query = target.partition("?")
    headers = CIMultiDict(outgoing.headers.items())
    return replace(
        request, raw_path=raw_path, raw_query=raw_query, headers=CIMultiDictProxy(headers)
    )


def changed(request: HttpRequest, headers: Mapping[str, str | None]) -> HttpRequest:
    """Return the request with headers set or, where None, taken away."""
    kept = CIMultiDict(request.headers)
    for name, value in headers.items():
        kept.popall(name, None)
        if value is not None:
            kept[name] = value
    return replace(request, headers=CIMultiDictProxy(kept))


def verified_caller(**changes: Any) -> VerifiedCaller:
    """Return the proven administrator: a request is really signed and verified."""
    now = ManualClock().now()
    request = signed_request(unsigned_request(), now=now)
    return verify(
        request,
        read_claim(request),
        credential(**changes),
        scope=Scope({"iot"}, {REGION}),
        now=now,
        keys=SigningKeys(),
    )


class _SignerAt(SigV4Auth):  # type: ignore[misc]  # botocore has no types
    """botocore's signer at a moment of our choice."""

    def __init__(self, now: datetime, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._timestamp = now.strftime(SIGV4_TIMESTAMP)

    def add_auth(self, request: AWSRequest) -> None:
        request.context["timestamp"] = self._timestamp
        self._modify_request_before_signing(request)
        canonical = self.canonical_request(request)
        signature = self.signature(self.string_to_sign(request, canonical), request)
        self._inject_signature_to_request(request, signature)


class _PresignerAt(_SignerAt, SigV4QueryAuth):  # type: ignore[misc]  # likewise
    """The same for signatures in the query string."""
