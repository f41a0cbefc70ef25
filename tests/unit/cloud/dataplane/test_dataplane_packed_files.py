"""Large files of a deployment travel packed to those that take them so."""

import gzip

import pytest

from hedgerow.cloud.dataplane.answers import packed

LARGE = b'{"Certificates": "' + b"MIIDWTCCAkGgAwIBAgIUQ" * 2000 + b'"}'


def test_a_large_file_is_packed_for_who_takes_it() -> None:
    answer = packed(LARGE, "gzip, deflate")
    assert answer.headers["content-encoding"] == "gzip"
    assert len(answer.body) < len(LARGE) / 4
    assert gzip.decompress(answer.body) == LARGE
    assert packed(LARGE, "gzip, deflate") == answer


@pytest.mark.parametrize(
    ("body", "accepted"), [(b"{}", "gzip"), (LARGE, ""), (LARGE, "br"), (LARGE, "gzip;q=0")]
)
def test_others_get_it_as_it_is(body: bytes, accepted: str) -> None:
    answer = packed(body, accepted)
    assert answer.body == body
    assert "content-encoding" not in answer.headers
