"""Promise 1 at the API's door: a request that is not exactly what its signer signed is refused."""

import ast
import hmac
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from multidict import CIMultiDict, CIMultiDictProxy
from tests.support.aws_gateway import Keys, SmallCloud, small_cloud
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

import hedgerow
from hedgerow.aws import HttpAnswer, HttpRequest, VerifiedCaller
from hedgerow.aws.claims import MAX_EXPIRES
from hedgerow.kernel import Secret

pytestmark = pytest.mark.promise(1)
BODY = b'{"attributePayload":{"attributes":{"colour":"red"}}}'
SOURCES = Path(hedgerow.__file__).parent


@dataclass
class Door:
    """The gateway, and a clock that both sides share."""

    clock: ManualClock
    cloud: SmallCloud

    def signed(self, request: HttpRequest | None = None, **how: Any) -> HttpRequest:
        request = request or unsigned_request(
            "POST", "/things/lamp?a=1", {"content-type": "application/json"}, BODY
        )
        return signed_request(request, **{"now": self.clock.now(), **how})

    async def ask(self, request: HttpRequest) -> HttpAnswer:
        return await self.cloud.gateway.handle(request)

    async def refused(self, request: HttpRequest, code: str, status: int = 403) -> str:
        """Send a request that has to be refused with this code; return the body."""
        answer = await self.ask(request)
        body = answer.body.decode()
        shown = answer.headers.get("x-amzn-errortype", body)
        assert (answer.status, code in shown) == (status, True), (answer.status, shown)
        assert self.cloud.iot.calls == []
        record = self.cloud.records[-1]
        assert (record.caller, record.error_code, record.input) == (None, code, None)
        assert answer.headers["x-amzn-RequestId"] == record.request_id
        return body


@pytest.fixture
def door() -> Door:
    clock = ManualClock()
    return Door(clock, small_cloud(clock=clock))


async def test_the_untouched_request_is_served(door: Door) -> None:
    """Otherwise the refusals below would prove nothing."""
    answer = await door.ask(door.signed())
    assert answer.status == 200
    assert door.cloud.records[-1].caller == verified_caller()


async def test_an_unsigned_request_is_refused(door: Door) -> None:
    await door.refused(unsigned_request(), "MissingAuthenticationTokenException")
    form = unsigned_request(
        "POST",
        "/",
        {"content-type": "application/x-www-form-urlencoded"},
        b"Action=GetCallerIdentity&Version=2011-06-15",
    )
    await door.refused(form, "MissingAuthenticationToken")


async def test_a_wrong_secret_is_refused(door: Door) -> None:
    request = door.signed(secret_key="not-the-secret")
    body = await door.refused(request, "InvalidSignatureException")
    assert "does not match" in body


async def test_a_wrong_secret_is_refused_by_the_query_protocol_in_its_own_words(
    door: Door,
) -> None:
    form = unsigned_request(
        "POST",
        "/",
        {"content-type": "application/x-www-form-urlencoded"},
        b"Action=GetCallerIdentity&Version=2011-06-15",
    )
    request = door.signed(form, service="sts", secret_key="not-the-secret")
    assert "<Code>SignatureDoesNotMatch</Code>" in await door.refused(
        request, "SignatureDoesNotMatch"
    )
    request = door.signed(form, service="sts", access_key="AKIANOBODY")
    await door.refused(request, "InvalidClientTokenId")


async def test_an_unknown_key_is_refused(door: Door) -> None:
    request = door.signed(access_key="AKIANOBODY")
    await door.refused(request, "UnrecognizedClientException")


@pytest.mark.parametrize(
    "tamper",
    [
        pytest.param(lambda r: replace(r, body=BODY.replace(b"red", b"rot")), id="body"),
        pytest.param(lambda r: replace(r, body=b""), id="no body"),
        pytest.param(lambda r: replace(r, method="PATCH"), id="method"),
        pytest.param(lambda r: replace(r, raw_path="/things/lamp2"), id="path"),
        pytest.param(lambda r: replace(r, raw_path="/things/%6Camp"), id="path encoding"),
        pytest.param(lambda r: replace(r, raw_query="a=2"), id="query value"),
        pytest.param(lambda r: replace(r, raw_query="a=1&b=1"), id="query addition"),
        pytest.param(lambda r: replace(r, raw_query=""), id="no query"),
        pytest.param(lambda r: changed(r, {"content-type": "text/plain"}), id="header"),
        pytest.param(lambda r: changed(r, {"content-type": None}), id="no header"),
        pytest.param(lambda r: changed(r, {"host": "elsewhere"}), id="host"),
        pytest.param(lambda r: changed(r, {"x-amz-date": "20261007T120001Z"}), id="date"),
        pytest.param(lambda r: changed(r, {"x-amz-content-sha256": "0" * 64}), id="body hash"),
        pytest.param(
            lambda r: changed(r, {"x-amz-content-sha256": "UNSIGNED-PAYLOAD"}), id="unsigned body"
        ),
    ],
)
async def test_whatever_is_tampered_with_is_refused(
    door: Door, tamper: Callable[[HttpRequest], HttpRequest]
) -> None:
    answer = await door.ask(tamper(door.signed()))
    assert answer.status == 403
    assert door.cloud.iot.calls == []
    code = door.cloud.records[-1].error_code
    assert code in {"InvalidSignatureException", "IncompleteSignatureException"}


async def test_a_body_that_is_declared_unsigned_is_refused_even_if_that_is_signed(
    door: Door,
) -> None:
    """No operation that we serve lets its body go unsigned."""
    request = unsigned_request(
        "POST", "/things/lamp", {"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"}, BODY
    )
    await door.refused(door.signed(request), "InvalidSignatureException")


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ("SignedHeaders=content-type;host;x-amz-date", "SignedHeaders=content-type;x-amz-date"),
        ("SignedHeaders=content-type;host;x-amz-date", "SignedHeaders=content-type;host"),
        ("Signature=", "Signature=0"),
        ("Signature=", "Sig="),
        ("Credential=", "Cred="),
        ("/aws4_request", ""),
        ("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"),
        ("AWS4-HMAC-SHA256 ", "Bearer "),
    ],
)
async def test_a_signature_that_is_cut_short_or_covers_too_little_is_refused(
    door: Door, was: str, becomes: str
) -> None:
    request = door.signed()
    header = request.headers["authorization"]
    assert was in header
    answer = await door.ask(changed(request, {"authorization": header.replace(was, becomes)}))
    assert answer.status == 403
    assert door.cloud.iot.calls == []


async def test_a_host_that_is_not_signed_is_refused_even_under_a_right_signature(
    door: Door,
) -> None:
    """A captured request must be no good for another server."""
    request = door.signed()
    without_host = changed(
        request,
        {
            "authorization": request.headers["authorization"].replace(
                "SignedHeaders=content-type;host;x-amz-date",
                "SignedHeaders=content-type;x-amz-date",
            )
        },
    )
    body = await door.refused(without_host, "IncompleteSignatureException")
    assert "'Host' must be a 'SignedHeader'" in body


async def test_aws_headers_that_are_added_after_signing_are_refused(door: Door) -> None:
    for name in ("x-amz-security-token", "x-amz-target", "X-Amzn-Client-Token"):
        await door.refused(changed(door.signed(), {name: "x"}), "IncompleteSignatureException")


async def test_two_signatures_are_refused(door: Door) -> None:
    request = door.signed()
    twice = CIMultiDict(request.headers)
    twice.add("Authorization", request.headers["authorization"])
    doubled = replace(request, headers=CIMultiDictProxy(twice))
    await door.refused(doubled, "IncompleteSignatureException")
    both = replace(request, raw_query=door.signed(presigned_for=60).raw_query)
    await door.refused(both, "IncompleteSignatureException")


@pytest.mark.parametrize("minutes", [-15, 15])
async def test_a_clock_that_is_off_by_a_quarter_of_an_hour_is_still_served(
    door: Door, minutes: int
) -> None:
    request = door.signed(now=door.clock.now() + timedelta(minutes=minutes))
    assert (await door.ask(request)).status == 200


@pytest.mark.parametrize(
    ("minutes", "words"),
    [(-16, "Signature expired: 20261007T114400Z"), (16, "Signature not yet current")],
)
async def test_a_clock_that_is_off_by_more_is_refused(door: Door, minutes: int, words: str) -> None:
    request = door.signed(now=door.clock.now() + timedelta(minutes=minutes))
    assert words in await door.refused(request, "InvalidSignatureException")


async def test_a_captured_request_is_of_no_use_a_quarter_of_an_hour_later(door: Door) -> None:
    request = door.signed(unsigned_request())
    assert (await door.ask(request)).status == 200
    door.cloud.iot.calls.clear()
    door.clock.advance(timedelta(minutes=15, seconds=1))
    assert "Signature expired" in await door.refused(request, "InvalidSignatureException")


@pytest.mark.parametrize(
    ("scope", "words"),
    [
        ({"region": "us-east-1"}, "scoped to a valid region, not 'us-east-1'"),
        ({"service": "ec2"}, "scoped to correct service"),
        ({"service": "sts"}, ""),
    ],
)
async def test_a_signature_for_another_region_or_service_is_refused(
    door: Door, scope: dict[str, str], words: str
) -> None:
    """The scope chooses the service, so that one for sts never reaches an operation of iot."""
    answer = await door.ask(door.signed(unsigned_request(), **scope))
    assert answer.status in {400, 403}
    assert words in answer.body.decode()
    assert door.cloud.iot.calls == []


async def test_a_scope_of_another_day_is_refused(door: Door) -> None:
    request = door.signed()
    header = request.headers["authorization"].replace("/20261007/", "/20261006/")
    body = await door.refused(
        changed(request, {"authorization": header}), "InvalidSignatureException"
    )
    assert "Date in Credential scope does not match" in body


async def test_a_presigned_request_is_served_until_it_expires(door: Door) -> None:
    request = door.signed(unsigned_request(), presigned_for=3600)
    door.clock.advance(timedelta(minutes=59, seconds=59))
    assert (await door.ask(request)).status == 200
    door.cloud.iot.calls.clear()
    door.clock.advance(timedelta(seconds=1))
    await door.refused(request, "RequestExpired", 400)


async def test_a_presigned_request_of_tomorrow_is_refused(door: Door) -> None:
    tomorrow = door.clock.now() + timedelta(days=1)
    request = door.signed(unsigned_request(), now=tomorrow, presigned_for=3600)
    assert "not yet current" in await door.refused(request, "InvalidSignatureException")


async def test_the_life_of_a_presigned_request_cannot_be_stretched(door: Door) -> None:
    request = door.signed(unsigned_request(), presigned_for=60)
    longer = replace(request, raw_query=request.raw_query.replace("Expires=60", "Expires=600"))
    await door.refused(longer, "InvalidSignatureException")
    too_long = int(MAX_EXPIRES.total_seconds()) + 1
    for seconds in (0, -1, too_long, 10**30):
        query = request.raw_query.replace("Expires=60", f"Expires={seconds}")
        await door.refused(replace(request, raw_query=query), "IncompleteSignatureException")


async def test_parameters_added_to_a_presigned_request_are_refused(door: Door) -> None:
    request = door.signed(unsigned_request(), presigned_for=60)
    for addition in ("&maxResults=1", "&X-Amz-Extra=1", "&X-Amz-Date=20261007T120000Z"):
        answer = await door.ask(replace(request, raw_query=request.raw_query + addition))
        assert answer.status == 403
    assert door.cloud.iot.calls == []


async def test_a_temporary_key_needs_its_token_and_ends(door: Door) -> None:
    ends = door.clock.now() + timedelta(minutes=10)
    known = credential(session_token=Secret("the-token"), expires_at=ends)
    door.cloud = small_cloud(clock=door.clock, keys=Keys({ACCESS_KEY: known}))
    for token in (None, "another-token"):
        await door.refused(door.signed(token=token), "UnrecognizedClientException")
    assert (await door.ask(door.signed(token="the-token"))).status == 200
    door.cloud.iot.calls.clear()
    door.clock.advance(timedelta(minutes=10))
    await door.refused(door.signed(token="the-token"), "ExpiredTokenException")


async def test_a_long_lived_key_takes_no_token(door: Door) -> None:
    await door.refused(door.signed(token="made-up"), "UnrecognizedClientException")


async def test_a_key_whose_secret_was_changed_is_refused_at_once(door: Door) -> None:
    """The signing key derived from the old secret is kept, and must not be used again."""
    keys = Keys()
    door.cloud = small_cloud(clock=door.clock, keys=keys)
    assert (await door.ask(door.signed())).status == 200
    door.cloud.iot.calls.clear()
    keys.known[ACCESS_KEY] = credential(secret=Secret("a-new-secret"))
    await door.refused(door.signed(), "InvalidSignatureException")
    assert (await door.ask(door.signed(secret_key="a-new-secret"))).status == 200


async def test_dots_in_a_path_reach_no_operation(door: Door) -> None:
    """The signer takes `/a/../things/lamp` for `/things/lamp`; we must not take it for another."""
    request = door.signed(unsigned_request())
    answer = await door.ask(replace(request, raw_path="/policies/../things/lamp"))
    assert answer.status == 404
    assert door.cloud.iot.calls == []


async def test_signatures_are_compared_in_constant_time(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whole against whole, by the function that is made for it."""
    compared: list[tuple[object, object]] = []
    genuine = hmac.compare_digest

    def watch(left: Any, right: Any) -> bool:
        compared.append((left, right))
        return genuine(left, right)

    monkeypatch.setattr("hedgerow.aws.sigv4.hmac.compare_digest", watch)
    request = door.signed()
    signature = request.headers["authorization"].rpartition("=")[2].encode()
    assert (await door.ask(request)).status == 200
    assert [pair for pair in compared if signature in pair] == [(signature, signature)]


def test_only_the_verification_can_make_a_verified_caller() -> None:
    genuine = verified_caller()
    values = {field.name: getattr(genuine, field.name) for field in fields(genuine)}
    with pytest.raises(TypeError):
        VerifiedCaller(**values)
    with pytest.raises(TypeError, match=r"sigv4\.verify"):
        VerifiedCaller(**values, proof=object())  # type: ignore[arg-type]  # that is the point
    with pytest.raises((TypeError, ValueError), match="proof"):
        replace(genuine, access_key_id="AKIDOTHER")  # type: ignore[call-arg]  # likewise


def test_no_other_module_holds_the_proof() -> None:
    holders = {
        path.name
        for path in SOURCES.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Name | ast.alias)
        and "SIGNATURE_PROOF" in (getattr(node, "id", ""), getattr(node, "name", ""))
    }
    assert holders == {"caller.py", "sigv4.py"}


async def test_a_refusal_tells_nothing_of_the_secret_or_of_what_was_expected(door: Door) -> None:
    request = door.signed(secret_key="not-the-secret")
    text = repr(await door.ask(request)) + repr(door.cloud.records)
    right = door.signed().headers["authorization"].rpartition("=")[2]
    assert right not in text
    assert "not-the-secret" not in text
    assert "wJalrXUtnFEMI" not in text


async def test_a_key_is_scoped_to_the_region_of_the_gateway(door: Door) -> None:
    assert (await door.ask(door.signed(unsigned_request(), region=REGION))).status == 200
