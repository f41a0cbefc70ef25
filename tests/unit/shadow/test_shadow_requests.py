"""Untrusted bytes that are sent to a shadow: what is read, and what is refused in which words."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedgerow.shadow import ShadowError
from hedgerow.shadow.documents import MAX_DEPTH, MAX_DOCUMENT_BYTES
from hedgerow.shadow.requests import parse_client_token, parse_update


@pytest.mark.parametrize(
    ("payload", "status", "message"),
    [
        (b"", 400, "Invalid JSON"),
        (b"{", 400, "Invalid JSON"),
        (b'{"state":{}} x', 400, "Invalid JSON"),
        (b'{"state":{"desired":{"a":NaN}}}', 400, "Invalid JSON"),
        (b'{"state":{"desired":{"a":1e999}}}', 400, "Invalid JSON"),
        (b"\xff\xfe", 415, "Unsupported documented encoding; supported encoding is UTF-8"),
        (b"[1]", 400, "Payload must be a JSON object"),
        (b"{}", 400, "Missing required node: state"),
        (b'{"state":null}', 400, "State node must be an object"),
        (b'{"state":[]}', 400, "State node must be an object"),
        (b'{"state":{"desired":1}}', 400, "Desired node must be an object"),
        (b'{"state":{"reported":"x"}}', 400, "Reported node must be an object"),
        (b'{"state":{"delta":{}}}', 400, "State contains an invalid node: 'delta'"),
        (b'{"state":{},"version":"1"}', 400, "Invalid version"),
        (b'{"state":{},"version":-1}', 400, "Invalid version"),
        (b'{"state":{},"version":true}', 400, "Invalid version"),
        (b'{"state":{},"clientToken":5}', 400, "Invalid clientToken"),
        (b'{"state":{},"clientToken":""}', 400, "Invalid clientToken"),
    ],
)
def test_a_malformed_update_is_refused_in_awss_words(
    payload: bytes, status: int, message: str
) -> None:
    with pytest.raises(ShadowError) as refused:
        parse_update(payload)
    assert (refused.value.status, refused.value.message) == (status, message)


def test_a_refusal_carries_the_client_token_back() -> None:
    with pytest.raises(ShadowError) as refused:
        parse_update(b'{"state":5,"clientToken":"mine"}')
    assert refused.value.client_token == "mine"


def test_limits_are_on_size_depth_token_and_integers() -> None:
    big = b'{"state":{"desired":{"a":"' + b"x" * MAX_DOCUMENT_BYTES + b'"}}}'
    with pytest.raises(ShadowError) as refused:
        parse_update(big)
    assert refused.value.status == 413
    deepest = b'{"a":' * (MAX_DEPTH - 1) + b"{}" + b"}" * (MAX_DEPTH - 1)
    parse_update(b'{"state":{"desired":' + deepest + b"}}")
    with pytest.raises(ShadowError, match="too many levels of nesting; maximum is 8"):
        parse_update(b'{"state":{"desired":{"a":' + deepest + b"}}}")
    with pytest.raises(ShadowError, match="Invalid clientToken"):
        parse_update(b'{"state":{},"clientToken":"' + b"t" * 65 + b'"}')
    with pytest.raises(ShadowError, match="over 64 bits"):
        parse_update(b'{"state":{"desired":{"a":9223372036854775808}}}')


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_a_nesting_bomb_is_refused_like_any_other_bad_document(opening: bytes) -> None:
    bomb = opening * ((MAX_DOCUMENT_BYTES - 1) // len(opening))
    with pytest.raises(ShadowError, match="Invalid JSON"):
        parse_update(bomb)


def test_get_and_delete_may_be_empty_or_carry_a_token() -> None:
    assert parse_client_token(b"") is None
    assert parse_client_token(b"  \n") is None
    assert parse_client_token(b"{}") is None
    assert parse_client_token(b'{"clientToken":"t"}') == "t"
    with pytest.raises(ShadowError, match="Invalid JSON"):
        parse_client_token(b"nonsense")


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode()))
def test_whatever_comes_is_either_read_or_refused(payload: bytes) -> None:
    status = None
    try:
        parse_update(payload)
    except ShadowError as error:
        status = error.status
    assert status in {None, 400, 413, 415}


_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=5), _json, max_size=4))
def test_a_sound_section_is_read_as_it_is(section: dict[str, object]) -> None:
    payload = msgspec.json.encode({"state": {"desired": section}})
    assert parse_update(payload).sections == {"desired": section}
