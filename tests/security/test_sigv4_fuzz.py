"""Any text where a signature is looked for is a refusal, and never a fault of ours."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.support.aws_requests import (
    REGION,
    changed,
    credential,
    signed_request,
    unsigned_request,
)
from tests.support.clock import ManualClock

from hedgerow.aws import HttpRequest
from hedgerow.aws.claims import query_pairs, read_claim
from hedgerow.aws.errors import MalformedBodyError
from hedgerow.aws.form_reading import form_tree, parse_form
from hedgerow.aws.json_reading import WrongTypeError, decode_json
from hedgerow.aws.models import load_model
from hedgerow.aws.routing import UriRouter
from hedgerow.aws.signature_errors import SignatureError
from hedgerow.aws.sigv4 import Scope, SigningKeys, verify
from hedgerow.aws.text_reading import split_header_list, text_reader
from hedgerow.aws.timestamps import ISO, RFC822, UNIX, read_timestamp

NOW = ManualClock().now()
SIGNED = signed_request(unsigned_request("GET", "/things/lamp?a=1"), now=NOW)
PRESIGNED = signed_request(unsigned_request(), now=NOW, presigned_for=60)
AUTHORIZATION = SIGNED.headers["authorization"]
ROUTER = UriRouter(load_model("iot"))
EXAMPLES = settings(max_examples=150, deadline=None)

# Header values as they arrive: UTF-8 without control characters.
header_text = st.text(st.characters(codec="utf-8", min_codepoint=32), max_size=200)
PARTS = "AWS4-HMAC-SHA256| |,|=|/|;|Credential|SignedHeaders|Signature|host|aws4_request|a|é|\x7f"
scrap = st.sampled_from([*PARTS.split("|"), *AUTHORIZATION.split(",")])
authorization = header_text | st.lists(scrap, max_size=20).map("".join)
query_text = st.text(st.characters(max_codepoint=126, min_codepoint=33), max_size=120)


def judge(request: HttpRequest) -> None:
    """Verify a request that cannot be right."""
    with pytest.raises(SignatureError):
        verify(
            request,
            read_claim(request),
            credential(),
            scope=Scope({"iot"}, {REGION}),
            now=NOW,
            keys=SigningKeys(),
        )


@EXAMPLES
@given(authorization)
def test_any_authorization_header(text: str) -> None:
    if text != AUTHORIZATION:
        judge(changed(SIGNED, {"authorization": text}))


@EXAMPLES
@given(header_text)
@example("Mon, 01 Jan 0001 00:00:00 +2359")
@example("Fri, 31 Dec 9999 23:59:59 -2359")
@example("1 1 1 1 99999999999999999999")
@example("".join(chr(0x660 + int(digit)) for digit in "20261007") + "T120000Z")
def test_any_date(text: str) -> None:
    judge(changed(SIGNED, {"x-amz-date": text}))
    judge(changed(SIGNED, {"x-amz-date": None, "date": text}))


@EXAMPLES
@given(query_text, st.integers(0, 400), st.integers(0, 40))
def test_any_query(text: str, place: int, length: int) -> None:
    """Only what decodes to the very same parameters may pass, such as one `&` too many."""
    query = PRESIGNED.raw_query
    cut = query[:place] + text.replace("#", "") + query[place + length :]
    try:
        same = sorted(query_pairs(cut)) == sorted(query_pairs(query))
    except SignatureError:
        same = False
    if not same:
        judge(unsigned_request(target=f"{PRESIGNED.raw_path}?{cut}"))


@EXAMPLES
@given(st.text(st.characters(max_codepoint=126, min_codepoint=33), max_size=80))
def test_any_path_has_a_route_or_none(path: str) -> None:
    ROUTER.route("GET", "/" + path, ())


TEXTS: list[tuple[str, Callable[[str], Any]]] = [
    ("iso", lambda text: read_timestamp(text, ISO)),
    ("rfc822", lambda text: read_timestamp(text, RFC822)),
    ("unix", lambda text: read_timestamp(text, UNIX)),
    ("json", lambda text: decode_json(text.encode())),
    ("form", lambda text: form_tree(parse_form(text.encode()))),
]


@pytest.mark.parametrize("read", [pytest.param(read, id=name) for name, read in TEXTS])
@EXAMPLES
@given(text=header_text)
@example(text="0001-01-01T00:00:00+23:59")
@example(text="9999-12-31T23:59:59-23:59")
@example(text="Mon, 01 Jan 0001 00:00:00 +2359")
@example(text="1e400")
@example(text="99999999999999999999")
def test_any_text_is_read_or_refused(read: Callable[[str], Any], text: str) -> None:
    try:
        read(text)
    except (ValueError, MalformedBodyError):
        return


@EXAMPLES
@given(header_text)
def test_any_header_list_comes_apart(text: str) -> None:
    shapes = load_model("iot")
    for shape in (shapes.shape_for("CreationDate"), shapes.shape_for("ThingName")):
        for item in split_header_list(text, shape):
            try:
                text_reader(shape, RFC822)(item)
            except WrongTypeError:
                continue
