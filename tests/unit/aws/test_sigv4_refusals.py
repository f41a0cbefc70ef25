"""Each refusal of a signature says what is wrong, and each family of services has its code."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.support.aws_requests import (
    ACCESS_KEY,
    REGION,
    changed,
    credential,
    signed_request,
    unsigned_request,
    verified_caller,
)
from tests.support.clock import ManualClock

from hedgerow.aws import HttpRequest
from hedgerow.aws.claims import read_claim
from hedgerow.aws.signature_errors import SignatureError, SignatureFault, aws_signature_error
from hedgerow.aws.sigv4 import MAX_CACHED_SIGNING_KEYS, Scope, SigningKeys, verify
from hedgerow.kernel import Secret

NOW = ManualClock().now()
SIGNED = signed_request(unsigned_request(), now=NOW)
SECRET = Secret("a secret")
_WRONG = ("SignatureDoesNotMatch", 403, "InvalidSignatureException", 403, 400)
CODES: Mapping[SignatureFault, tuple[str, int, str, int, int]] = {
    # In the query protocol, and in JSON: there REST and RPC differ in the status.
    SignatureFault.MISSING: (
        "MissingAuthenticationToken",
        403,
        "MissingAuthenticationTokenException",
        403,
        400,
    ),
    SignatureFault.INCOMPLETE: (
        "IncompleteSignature",
        400,
        "IncompleteSignatureException",
        403,
        400,
    ),
    SignatureFault.UNKNOWN_KEY: (
        "InvalidClientTokenId",
        403,
        "UnrecognizedClientException",
        403,
        400,
    ),
    SignatureFault.MISMATCH: _WRONG,
    SignatureFault.WRONG_SCOPE: _WRONG,
    SignatureFault.DATE_SKEW: _WRONG,
    SignatureFault.REQUEST_EXPIRED: ("RequestExpired", 400, "RequestExpired", 400, 400),
    SignatureFault.TOKEN_EXPIRED: ("ExpiredToken", 403, "ExpiredTokenException", 403, 400),
}


def refused(request: HttpRequest, fault: SignatureFault, **changes: Any) -> str:
    with pytest.raises(SignatureError) as error:
        verify(
            request,
            read_claim(request),
            credential(),
            **{"scope": Scope({"iot"}, {REGION}), "now": NOW, "keys": SigningKeys(), **changes},
        )
    assert error.value.fault is fault
    return str(error.value)


@pytest.mark.parametrize("fault", SignatureFault)
def test_every_fault_has_a_code_in_every_protocol(fault: SignatureFault) -> None:
    query, query_status, json, rest_status, rpc_status = CODES[fault]
    error = SignatureError(fault, "what is wrong")
    said = {
        protocol: aws_signature_error(error, protocol)
        for protocol in ("query", "rest-json", "json")
    }
    assert {name: (one.code, one.http_status) for name, one in said.items()} == {
        "query": (query, query_status),
        "rest-json": (json, rest_status),
        "json": (json, rpc_status),
    }
    assert {one.message for one in said.values()} == {"what is wrong"}
    assert str(error) == "what is wrong"


def test_a_wrong_service_is_told_a_right_one() -> None:
    for scope in (Scope({"iot", "sns"}, {REGION}), Scope({"sns", "iot"}, {REGION})):
        request = signed_request(unsigned_request(), now=NOW, service="sts")
        words = refused(request, SignatureFault.WRONG_SCOPE, scope=scope)
        assert words == "Credential should be scoped to correct service: 'iot'."


def test_a_wrong_day_is_told_both() -> None:
    header = SIGNED.headers["authorization"].replace("/20261007/", "/20261006/")
    request = changed(SIGNED, {"authorization": header})
    words = refused(request, SignatureFault.WRONG_SCOPE)
    assert words.endswith("from HTTP: '20261006' != '20261007'.")


@pytest.mark.parametrize(
    ("off", "words"),
    [
        (
            timedelta(minutes=-15, seconds=-1),
            (
                "Signature expired: 20261007T114459Z is now earlier than 20261007T114500Z "
                "(20261007T120000Z - 15 min.)"
            ),
        ),
        (
            timedelta(minutes=15, seconds=1),
            (
                "Signature not yet current: 20261007T121501Z is still later than 20261007T121500Z "
                "(20261007T120000Z + 15 min.)"
            ),
        ),
    ],
)
def test_a_clock_that_is_off_is_told_by_how_much(off: timedelta, words: str) -> None:
    request = signed_request(unsigned_request(), now=NOW + off)
    assert refused(request, SignatureFault.DATE_SKEW) == words


@pytest.mark.parametrize("headers", ["host;host;x-amz-date", "Host;host;x-amz-date"])
def test_signed_headers_are_named_once_and_in_lower_case(headers: str) -> None:
    header = SIGNED.headers["authorization"].replace("host;x-amz-date", headers)
    words = refused(changed(SIGNED, {"authorization": header}), SignatureFault.INCOMPLETE)
    assert words == "SignedHeaders must be lower-case names, each once."


def test_an_empty_header_that_was_signed_must_be_there() -> None:
    """What is absent would be signed just as what is empty, and they are not the same."""
    request = signed_request(unsigned_request(headers={"x-note": ""}), now=NOW)
    assert "x-note" in request.headers["authorization"]
    words = refused(changed(request, {"x-note": None}), SignatureFault.MISMATCH)
    assert words == (
        "The request signature we calculated does not match the signature you provided. "
        "Check your AWS Secret Access Key and signing method."
    )


@pytest.mark.parametrize("name", ["x-amz-note", "x-amzn-note"])
def test_a_header_of_aws_that_is_not_signed_is_named(name: str) -> None:
    words = refused(changed(SIGNED, {name: "x"}), SignatureFault.INCOMPLETE)
    assert words == f"'{name}' must be a 'SignedHeader' in the AWS Authorization."


def test_a_proxy_may_add_its_trace() -> None:
    request = changed(SIGNED, {"X-Amzn-Trace-Id": "Root=1", "via": "a proxy", "note-x-amz-": "x"})
    verify(
        request,
        read_claim(request),
        credential(),
        scope=Scope({"iot"}, {REGION}),
        now=NOW,
        keys=SigningKeys(),
    )


def test_a_caller_is_whom_the_credential_says() -> None:
    caller = verified_caller()
    principal = credential().principal
    assert (caller.account, caller.arn, caller.principal_id) == (
        principal.account,
        principal.arn,
        principal.id,
    )


def test_a_signing_key_is_derived_once() -> None:
    keys, claim = SigningKeys(), read_claim(SIGNED)
    derived = keys.key(claim, SECRET)
    assert keys.key(claim, SECRET) is derived
    assert keys.key(replace(claim, timestamp_text="later"), SECRET) is derived
    others = (
        replace(claim, access_key_id="another"),
        replace(claim, date="another"),
        replace(claim, region="another"),
        replace(claim, service="another"),
    )
    assert all(keys.key(other, SECRET) is not derived for other in others)


def test_a_signing_key_is_not_used_with_another_secret() -> None:
    keys, claim = SigningKeys(), read_claim(SIGNED)
    assert keys.key(claim, SECRET) != keys.key(claim, Secret("another"))


def test_signing_keys_that_were_not_used_for_long_are_forgotten_first() -> None:
    keys, claim = SigningKeys(), read_claim(SIGNED)
    claims = [
        replace(claim, access_key_id=f"{ACCESS_KEY}{number}")
        for number in range(MAX_CACHED_SIGNING_KEYS)
    ]
    derived = [keys.key(one, SECRET) for one in claims]
    assert keys.key(claims[0], SECRET) is derived[0]
    keys.key(claim, SECRET)
    assert keys.key(claims[0], SECRET) is derived[0]
    assert keys.key(claims[2], SECRET) is derived[2]
    assert keys.key(claims[1], SECRET) is not derived[1]
