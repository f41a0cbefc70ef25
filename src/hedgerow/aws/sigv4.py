"""Signature Version 4, checked: what turns a request into a `VerifiedCaller`.

Pure: the time and the credential come in, a proof value or a `SignatureError` goes out. The
canonical request and the string to sign are made by botocore's own signer, so that both sides of
the wire agree by construction.
"""

import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from botocore.auth import SigV4Auth

from hedgerow.aws.caller import SIGNATURE_PROOF, VerifiedCaller
from hedgerow.aws.claims import (
    SIGNATURE_PARAMETER,
    TERMINATOR,
    TIMESTAMP_FORMAT,
    SignatureClaim,
    query_pairs,
)
from hedgerow.aws.credentials import Credential
from hedgerow.aws.http import HttpRequest
from hedgerow.aws.signature_errors import SignatureError, SignatureFault
from hedgerow.kernel import Secret, quoted

ALLOWED_SKEW = timedelta(minutes=15)
MAX_CACHED_SIGNING_KEYS = 1024
_NEED_NO_SIGNATURE = frozenset({"x-amzn-trace-id"})  # proxies on the way add it


@dataclass(frozen=True, slots=True)
class Scope:
    """What credentials must be scoped to: names of the service and regions it is in."""

    services: Collection[str]
    regions: Collection[str]


@dataclass(slots=True)
class SigningKeys:
    """Derived signing keys, kept: four HMACs are saved on every call after a day's first.

    INVARIANT: a derived key is used only together with the secret that it was derived from.
    """

    _derived: "OrderedDict[tuple[str, str, str, str], tuple[Secret[str], Secret[bytes]]]" = field(
        default_factory=OrderedDict
    )

    def key(self, claim: SignatureClaim, secret: Secret[str]) -> Secret[bytes]:
        """Return the signing key of this secret for the claim's date, region and service."""
        scope = (claim.access_key_id, claim.date, claim.region, claim.service)
        known = self._derived.get(scope)
        if known is not None and known[0] == secret:
            self._derived.move_to_end(scope)
            return known[1]
        derived = _derive(secret, claim)
        self._derived[scope] = (secret, derived)
        while len(self._derived) > MAX_CACHED_SIGNING_KEYS:
            self._derived.popitem(last=False)
        return derived


def verify(
    request: HttpRequest,
    claim: SignatureClaim,
    credential: Credential | None,
    *,
    scope: Scope,
    now: datetime,
    keys: SigningKeys,
    unsigned_parameters: Collection[str] = (),
) -> VerifiedCaller:
    """Return the proven caller of a request, or raise `SignatureError`.

    `credential` is what the claim's access key id was found to be. `unsigned_parameters` are those
    of a presigned request's query that its clients add after signing; none of them may be acted
    upon, apart from the session token, which has to be the credential's own. What counts is the
    hash of the body that came, whatever `X-Amz-Content-SHA256` says; unsigned bodies are for
    services that we do not have.
    """
    _check_claim(claim, scope, now)
    _check_signed_headers(request, claim)
    if credential is None or credential.session_token != claim.session_token:
        raise SignatureError(
            SignatureFault.UNKNOWN_KEY, "The security token included in the request is invalid."
        )
    payload_hash = hashlib.sha256(request.body).hexdigest()
    text = string_to_sign(request, claim, payload_hash, unsigned_parameters)
    key = keys.key(claim, credential.secret).reveal()
    expected = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected.encode(), claim.signature.encode()):
        raise _mismatch()
    if credential.expires_at is not None and credential.expires_at <= now:
        raise SignatureError(
            SignatureFault.TOKEN_EXPIRED,
            "The security token included in the request is expired.",
        )
    return VerifiedCaller(
        principal=credential.principal,
        access_key_id=claim.access_key_id,
        proof=SIGNATURE_PROOF,
    )


def string_to_sign(
    request: HttpRequest,
    claim: SignatureClaim,
    payload_hash: str,
    unsigned_parameters: Collection[str] = (),
) -> str:
    """Return the text that the signature signs, by botocore's own functions."""
    signer = _ServerSideSigner(None, claim.service, claim.region)
    canonical = canonical_request(request, claim, payload_hash, unsigned_parameters)
    signed = _SignedRequest(context={"timestamp": claim.timestamp_text})
    return str(signer.string_to_sign(signed, canonical))


def canonical_request(
    request: HttpRequest,
    claim: SignatureClaim,
    payload_hash: str,
    unsigned_parameters: Collection[str] = (),
) -> str:
    """Return the canonical request, with the headers that the claim says are signed."""
    left_out = (SIGNATURE_PARAMETER, *unsigned_parameters) if claim.presigned else ()
    signed = _SignedRequest(
        method=request.method,
        # A host keeps a path that begins with two slashes from being read as one.
        url=f"https://host{request.raw_path}",
        params=[pair for pair in query_pairs(request.raw_query) if pair[0] not in left_out],
        signed=_SignedHeaders(
            {name: request.headers.getall(name, []) for name in claim.signed_headers}
        ),
        payload_hash=payload_hash,
    )
    signer = _ServerSideSigner(None, claim.service, claim.region)
    return str(signer.canonical_request(signed))


class _SignedHeaders(dict[str, list[str]]):
    """Just the signed headers, with the one method that botocore's signer asks them for."""

    def get_all(self, name: str) -> list[str]:
        return self[name]


@dataclass(slots=True)
class _SignedRequest:
    """The attributes of a request that botocore's signer reads."""

    method: str = ""
    url: str = ""
    params: list[tuple[str, str]] = field(default_factory=list)
    signed: _SignedHeaders = field(default_factory=_SignedHeaders)
    payload_hash: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    context: dict[str, str] = field(default_factory=dict)


class _ServerSideSigner(SigV4Auth):  # type: ignore[misc]  # botocore has no types
    """botocore's signer, told which headers are signed instead of choosing them."""

    def headers_to_sign(self, request: Any) -> _SignedHeaders:
        signed: _SignedHeaders = request.signed
        return signed

    def payload(self, request: Any) -> str:
        return str(request.payload_hash)


def _check_claim(claim: SignatureClaim, scope: Scope, now: datetime) -> None:
    """Refuse what no credential could make right: another scope, another time.

    Raises `SignatureError` in AWS's words.
    """
    if claim.service not in scope.services:
        expected = min(scope.services)
        raise _wrong_scope(f"Credential should be scoped to correct service: '{expected}'.")
    if claim.region not in scope.regions:
        raise _wrong_scope(
            f"Credential should be scoped to a valid region, not {quoted(claim.region)}."
        )
    if claim.date != claim.timestamp_text[:8]:
        raise _wrong_scope(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from "
            f"HTTP: {quoted(claim.date)} != '{claim.timestamp_text[:8]}'."
        )
    _check_time(claim, now)


def _check_time(claim: SignatureClaim, now: datetime) -> None:
    if claim.timestamp > now + ALLOWED_SKEW:
        raise SignatureError(
            SignatureFault.DATE_SKEW,
            f"Signature not yet current: {claim.timestamp_text} is still later than "
            f"{_basic(now + ALLOWED_SKEW)} ({_basic(now)} + 15 min.)",
        )
    if claim.expires is not None:
        if now >= claim.timestamp + claim.expires:
            raise SignatureError(SignatureFault.REQUEST_EXPIRED, "Request has expired.")
    elif claim.timestamp < now - ALLOWED_SKEW:
        raise SignatureError(
            SignatureFault.DATE_SKEW,
            f"Signature expired: {claim.timestamp_text} is now earlier than "
            f"{_basic(now - ALLOWED_SKEW)} ({_basic(now)} - 15 min.)",
        )


def _basic(moment: datetime) -> str:
    return moment.strftime(TIMESTAMP_FORMAT)


def _check_signed_headers(request: HttpRequest, claim: SignatureClaim) -> None:
    """Demand that the host and every AWS header are signed, and that what is signed is there."""
    signed = set(claim.signed_headers)
    if "host" not in signed:
        raise _incomplete("'Host' must be a 'SignedHeader' in the AWS Authorization.")
    if len(signed) != len(claim.signed_headers) or any(name != name.lower() for name in signed):
        raise _incomplete("SignedHeaders must be lower-case names, each once.")
    present = {name.lower() for name in request.headers}
    for name in present - signed - _NEED_NO_SIGNATURE:
        if name.startswith(("x-amz-", "x-amzn-")):
            raise _incomplete(f"{quoted(name)} must be a 'SignedHeader' in the AWS Authorization.")
    if signed - present:
        raise _mismatch()


def _derive(secret: Secret[str], claim: SignatureClaim) -> Secret[bytes]:
    key = b"AWS4" + secret.reveal().encode()
    for part in (claim.date, claim.region, claim.service, TERMINATOR):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return Secret(key)


def _mismatch() -> SignatureError:
    return SignatureError(
        SignatureFault.MISMATCH,
        "The request signature we calculated does not match the signature you provided. "
        "Check your AWS Secret Access Key and signing method.",
    )


def _wrong_scope(message: str) -> SignatureError:
    return SignatureError(SignatureFault.WRONG_SCOPE, message)


def _incomplete(message: str) -> SignatureError:
    return SignatureError(SignatureFault.INCOMPLETE, message)
