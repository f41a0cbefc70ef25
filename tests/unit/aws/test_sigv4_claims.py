"""What a request claims about its signature is read in full, or refused in words that help."""

from dataclasses import replace
from datetime import timedelta

import pytest
from multidict import CIMultiDict, CIMultiDictProxy
from tests.support.aws_requests import (
    ACCESS_KEY,
    REGION,
    changed,
    credential,
    signed_request,
    unsigned_request,
)
from tests.support.clock import ManualClock

from hedgerow.aws import Credential, HttpRequest, VerifiedCaller
from hedgerow.aws.claims import query_pairs, read_claim
from hedgerow.aws.signature_errors import SignatureError, SignatureFault
from hedgerow.aws.sigv4 import Scope, SigningKeys, verify
from hedgerow.kernel import Secret

NOW = ManualClock().now()
SCOPE = Scope({"iot", "data.iot"}, {REGION})
WEEK = 604_800
SIGNED = signed_request(unsigned_request(), now=NOW)
PRESIGNED = signed_request(unsigned_request(), now=NOW, presigned_for=60)


def verified(request: HttpRequest, known: Credential | None = None) -> VerifiedCaller:
    return verify(
        request,
        read_claim(request),
        known or credential(),
        scope=SCOPE,
        now=NOW,
        keys=SigningKeys(),
    )


def refused(request: HttpRequest, fault: SignatureFault) -> str:
    with pytest.raises(SignatureError) as error:
        verified(request)
    assert error.value.fault is fault
    return str(error.value)


def with_authorization(was: str, becomes: str) -> HttpRequest:
    header = SIGNED.headers["authorization"]
    assert was in header
    return changed(SIGNED, {"authorization": header.replace(was, becomes)})


def with_query(was: str, becomes: str) -> HttpRequest:
    assert was in PRESIGNED.raw_query
    return replace(PRESIGNED, raw_query=PRESIGNED.raw_query.replace(was, becomes))


def added(request: HttpRequest, name: str, value: str) -> HttpRequest:
    headers = CIMultiDict(request.headers)
    headers.add(name, value)
    return replace(request, headers=CIMultiDictProxy(headers))


def test_a_query_is_cut_at_every_ampersand_and_only_there() -> None:
    assert query_pairs("a=1&&b=2%263&c=x=y&d&") == (
        ("a", "1"),
        ("b", "2&3"),
        ("c", "x=y"),
        ("d", ""),
    )


@pytest.mark.parametrize("query", ["a=%FF", "%FF=a", "a=1&b=%C3"])
def test_escapes_that_are_not_utf_8_are_refused(query: str) -> None:
    """Two of those could decode to the same text."""
    with pytest.raises(SignatureError, match="not UTF-8") as error:
        query_pairs(query)
    assert error.value.fault is SignatureFault.INCOMPLETE


def test_what_is_behind_the_first_equals_sign_is_the_value() -> None:
    refused(with_authorization("Signature=", "Signature=="), SignatureFault.MISMATCH)


def test_a_plus_sign_stays_one() -> None:
    assert query_pairs("a+b=c+d%20e") == (("a+b", "c+d e"),)


@pytest.mark.parametrize("known", ["Mon, 05 Oct 2026 12:00:00 GMT", "20261005T120000Z"])
def test_the_date_header_takes_the_place_of_the_amazon_one(known: str) -> None:
    """Both forms of it are read; which of them signs makes no difference."""
    claim = read_claim(changed(SIGNED, {"x-amz-date": None, "date": known}))
    assert claim.timestamp_text == "20261005T120000Z"
    assert claim.expires is None


def test_a_request_that_is_dated_by_its_date_header_is_served() -> None:
    request = signed_request(unsigned_request(headers={"Date": "now"}), now=NOW)
    assert "x-amz-date" not in request.headers
    assert verified(request).access_key_id == ACCESS_KEY


def test_a_request_without_a_date_is_told_which_header_it_lacks() -> None:
    request = changed(SIGNED, {"x-amz-date": None})
    assert "requires a 'X-Amz-Date' or a 'Date'" in refused(request, SignatureFault.INCOMPLETE)


@pytest.mark.parametrize(
    "text",
    [
        "20261007t120000Z",
        "20261007T120000z",
        "20261007T120000",
        "20261007T120000Z0",
        "2026100 T120000Z",
        "20261007T12 000Z",
        "+2261007T120000Z",
        "20261307T120000Z",
        "20261007T126000Z",
        "\u0662\u0660\u0662\u06661007T120000Z",
        "2026-10-07T12:00",
    ],
)
def test_a_date_has_exactly_one_form(text: str) -> None:
    words = refused(changed(SIGNED, {"x-amz-date": text}), SignatureFault.INCOMPLETE)
    assert "must be in ISO-8601 'basic format'" in words


def test_space_around_what_was_signed_does_not_count() -> None:
    padded = {name: f" {SIGNED.headers[name]} " for name in ("authorization", "x-amz-date")}
    assert verified(changed(SIGNED, dict(padded))).access_key_id == ACCESS_KEY


@pytest.mark.parametrize("name", ["x-amz-date", "x-amz-security-token"])
def test_a_header_that_counts_must_not_come_twice(name: str) -> None:
    request = SIGNED if name in SIGNED.headers else added(SIGNED, name, "one")
    words = refused(added(request, name, "another"), SignatureFault.INCOMPLETE)
    assert f"the header {name} more than once" in words


def test_a_header_and_a_query_that_both_sign_are_one_signature_too_many() -> None:
    request = replace(SIGNED, raw_query=PRESIGNED.raw_query)
    assert "more than one signature" in refused(request, SignatureFault.INCOMPLETE)


@pytest.mark.parametrize("name", ["Algorithm", "Credential", "Signature"])
def test_a_query_with_a_part_of_a_signature_is_told_what_it_lacks(name: str) -> None:
    words = refused(unsigned_request(target=f"/?X-Amz-{name}=x"), SignatureFault.INCOMPLETE)
    assert "query-string parameters must include 'X-Amz-" in words


def test_other_parameters_of_that_kind_do_not_make_a_request_presigned() -> None:
    request = unsigned_request(target="/things/lamp?X-Amz-Trace=1&X-Amz-Date=now")
    assert verified(signed_request(request, now=NOW)).access_key_id == ACCESS_KEY
    assert "Missing Authentication Token" in refused(request, SignatureFault.MISSING)


def test_a_presigned_request_carries_its_token() -> None:
    known = credential(session_token=Secret("the-token"))
    request = signed_request(unsigned_request(), now=NOW, presigned_for=60, token="the-token")
    assert verified(request, known).access_key_id == ACCESS_KEY
    refused(request, SignatureFault.UNKNOWN_KEY)


@pytest.mark.parametrize("seconds", [1, WEEK])
def test_the_shortest_and_the_longest_life_are_allowed(seconds: int) -> None:
    request = signed_request(unsigned_request(), now=NOW, presigned_for=seconds)
    assert read_claim(request).expires == timedelta(seconds=seconds)
    assert verified(request).access_key_id == ACCESS_KEY


@pytest.mark.parametrize("seconds", ["0", f"{WEEK + 1}"])
def test_a_life_that_is_too_short_or_too_long_is_refused(seconds: str) -> None:
    request = with_query("Expires=60", f"Expires={seconds}")
    assert "from 1 second to 7 days" in refused(request, SignatureFault.INCOMPLETE)


@pytest.mark.parametrize(
    "seconds", ["sixty", "-60", "6e1", "6_0", "60.0", "%D9%A6%D9%A0", "9" * 99]
)
def test_a_life_that_is_no_number_is_refused(seconds: str) -> None:
    request = with_query("Expires=60", f"Expires={seconds}")
    assert "must be a number of seconds" in refused(request, SignatureFault.INCOMPLETE)


def test_another_algorithm_is_refused_by_name() -> None:
    request = with_query("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256")
    words = refused(request, SignatureFault.INCOMPLETE)
    assert words == "X-Amz-Algorithm must be AWS4-HMAC-SHA256."
    request = with_authorization("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256")
    words = refused(request, SignatureFault.INCOMPLETE)
    assert words == "The Authorization header must begin with AWS4-HMAC-SHA256."


def test_parameters_that_come_twice_are_refused() -> None:
    """Which of two counts is not for us to guess."""
    header = with_authorization("Signature=", "Signature=0, Signature=")
    assert "has 'Signature' twice" in refused(header, SignatureFault.INCOMPLETE)
    query = with_query("X-Amz-Expires=60", "X-Amz-Expires=60&X-Amz-Expires=60")
    assert "has 'X-Amz-Expires' twice" in refused(query, SignatureFault.INCOMPLETE)


@pytest.mark.parametrize("name", ["Credential", "SignedHeaders", "Signature"])
def test_a_header_that_lacks_a_part_is_told_which(name: str) -> None:
    words = refused(with_authorization(f"{name}=", f"{name}=,x="), SignatureFault.INCOMPLETE)
    assert words == f"Authorization header requires '{name}' parameter."


@pytest.mark.parametrize("scope", ["20261007//iot/aws4_request", "20261007/iot/aws4_request", ""])
def test_a_credential_that_lacks_a_part_is_refused(scope: str) -> None:
    was = SIGNED.headers["authorization"].partition(f"{ACCESS_KEY}/")[2].partition(",")[0]
    words = refused(with_authorization(was, scope), SignatureFault.INCOMPLETE)
    assert "must have the form key/date/region/service/aws4_request" in words
    assert ACCESS_KEY in words


def test_a_credential_ends_as_it_has_to() -> None:
    words = refused(with_authorization("aws4_request", "aws4"), SignatureFault.WRONG_SCOPE)
    assert words == "Credential should be scoped with a valid terminator: 'aws4_request'."


def test_a_slash_in_the_key_id_moves_nothing_of_the_scope() -> None:
    claim = read_claim(with_authorization(f"{ACCESS_KEY}/", "of/somebody/"))
    assert (claim.access_key_id, claim.region, claim.service) == ("of/somebody", REGION, "iot")


def test_a_key_id_has_an_end() -> None:
    claim = read_claim(with_authorization(f"{ACCESS_KEY}/", "A" * 128 + "/"))
    assert claim.access_key_id == "A" * 128
    refused(with_authorization(f"{ACCESS_KEY}/", "A" * 129 + "/"), SignatureFault.INCOMPLETE)
