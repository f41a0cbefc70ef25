"""AWS's own suite of signed requests: each verifies, and so does every step on the way."""

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import pytest
from multidict import CIMultiDict, CIMultiDictProxy
from tests.support.aws_requests import ACCESS_KEY, SECRET_KEY, changed, credential

from hedgerow.aws.claims import read_claim
from hedgerow.aws.http import HttpRequest
from hedgerow.aws.signature_errors import SignatureError, SignatureFault
from hedgerow.aws.sigv4 import Scope, SigningKeys, canonical_request, string_to_sign, verify
from hedgerow.kernel import Secret

SUITE = Path(__file__).parents[2] / "golden" / "sigv4"
NOW = datetime(2015, 8, 30, 12, 36, tzinfo=UTC)
SCOPE = Scope(services={"service"}, regions={"us-east-1"})
# The token was added after signing, which some of AWS's services take and we do not: whatever
# says who the caller is has to be signed.
UNSIGNED_TOKEN = "post-sts-token/post-sts-header-after"
CASES = sorted(str(path.parent.relative_to(SUITE)) for path in SUITE.rglob("*.req"))


def read(case: str, suffix: str) -> str:
    path = SUITE / case / f"{Path(case).name}.{suffix}"
    return path.read_text(encoding="utf-8").replace("\r", "")


def parse_request(text: str) -> HttpRequest:
    """Read a request as text; a line that begins with a space goes on with the one before."""
    head, _, body = text.partition("\n\n")
    first, *lines = head.replace("\n ", " ").split("\n")
    method, rest = first.split(" ", 1)
    raw_path, _, raw_query = rest.removesuffix(" HTTP/1.1").partition("?")
    headers: CIMultiDict[str] = CIMultiDict()
    for line in lines:
        name, _, value = line.partition(":")
        headers.add(name, value)
    return HttpRequest(
        method, raw_path, raw_query, CIMultiDictProxy(headers), body.encode(), "192.0.2.7"
    )


def signed(case: str) -> HttpRequest:
    """Return a case's signed request, with the signature that the suite says is the right one.

    (In one of the cases the signed request itself carries another case's signature.)
    """
    request = parse_request(read(case, "sreq"))
    return changed(request, {"Authorization": read(case, "authz")})


def test_the_suite_is_there() -> None:
    assert len(CASES) == 34


@pytest.mark.parametrize("case", CASES)
def test_a_signed_request_of_the_suite_verifies(case: str) -> None:
    request = signed(case)
    claim = read_claim(request)
    payload_hash = hashlib.sha256(request.body).hexdigest()
    assert canonical_request(request, claim, payload_hash) == read(case, "creq")
    assert string_to_sign(request, claim, payload_hash) == read(case, "sts")
    token = claim.session_token
    known = credential(secret=Secret(SECRET_KEY), session_token=token)
    if case == UNSIGNED_TOKEN:
        with pytest.raises(SignatureError, match="x-amz-security-token") as refused:
            verify(request, claim, known, scope=SCOPE, now=NOW, keys=SigningKeys())
        assert refused.value.fault is SignatureFault.INCOMPLETE
        return
    caller = verify(request, claim, known, scope=SCOPE, now=NOW, keys=SigningKeys())
    assert (caller.access_key_id, caller.account) == (ACCESS_KEY, known.principal.account)


@pytest.mark.parametrize("case", CASES)
def test_the_same_request_does_not_verify_with_another_secret(case: str) -> None:
    request = signed(case)
    claim = read_claim(request)
    other = credential(secret=Secret(SECRET_KEY + "x"), session_token=claim.session_token)
    with pytest.raises(SignatureError):
        verify(request, claim, other, scope=SCOPE, now=NOW, keys=SigningKeys())
