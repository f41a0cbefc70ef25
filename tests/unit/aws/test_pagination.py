"""Page tokens."""

import pytest

from hedgerow.aws import InvalidPageTokenError, decode_token, encode_token
from hedgerow.aws.pagination import KEY_BYTES, MAX_TOKEN_CHARACTERS
from hedgerow.kernel import Secret

KEY = Secret(bytes(range(KEY_BYTES)))
SCOPE = "iot/ListThings/123456789012"


def test_a_token_gives_its_position_back() -> None:
    token = encode_token(KEY, SCOPE, "position 17 é")
    assert decode_token(KEY, SCOPE, token) == "position 17 é"
    assert token.replace("-", "").replace("_", "").isalnum()


def test_a_token_tells_nothing_and_is_new_every_time() -> None:
    tokens = {encode_token(KEY, SCOPE, "position-17") for _ in range(10)}
    assert len(tokens) == 10
    assert not any("position" in token for token in tokens)


@pytest.mark.parametrize("token", ["", "x", "=", "é", "a" * 100, "a" * (MAX_TOKEN_CHARACTERS + 1)])
def test_what_is_no_token_is_refused(token: str) -> None:
    with pytest.raises(InvalidPageTokenError):
        decode_token(KEY, SCOPE, token)


def test_a_changed_token_is_refused_wherever_it_is_changed() -> None:
    token = encode_token(KEY, SCOPE, "17")
    for place in range(len(token) - 1):
        other = "A" if token[place] != "A" else "B"
        with pytest.raises(InvalidPageTokenError):
            decode_token(KEY, SCOPE, token[:place] + other + token[place + 1 :])


def test_a_token_of_another_list_account_or_key_is_refused() -> None:
    token = encode_token(KEY, SCOPE, "17")
    for key, scope in (
        (KEY, "iot/ListThings/999999999999"),
        (KEY, "iot/ListPolicies/123456789012"),
        (Secret(bytes(KEY_BYTES)), SCOPE),
    ):
        with pytest.raises(InvalidPageTokenError):
            decode_token(key, scope, token)
