"""An estate as bytes is the same for the same content, and is refused when it is none."""

import zlib

import pytest

from hedgerow.estate import Estate, Origin, Thing, wire
from hedgerow.estate.wire import decoded, encoded, packed, unpacked
from hedgerow.kernel import CallerError

HERE = Origin(account="111122223333", region="eu-west-1")


def test_what_is_packed_is_unpacked_the_same_whatever_its_order() -> None:
    one = Estate(origin=HERE, things=(Thing(name="a"), Thing(name="b")))
    other = Estate(origin=HERE, things=(Thing(name="b"), Thing(name="a")))
    assert encoded(one) == encoded(other)
    assert unpacked(packed(other)) == one


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"not compressed", "RFC 1950"),
        (zlib.compress(b"{}"), "origin"),
        (zlib.compress(b'{"origin":{"account":"1","region":"r"},"secrets":[]}'), "secrets"),
        (zlib.compress(b"[" * 100_000), "cannot be read"),
        (packed(Estate(origin=HERE))[:-3], "before it is complete"),
    ],
)
def test_bytes_that_are_no_estate_are_refused(data: bytes, said: str) -> None:
    with pytest.raises(CallerError, match=said):
        unpacked(data)


def test_an_estate_that_no_call_can_carry_is_refused_before_it_is_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(wire, "MAX_PACKED_BYTES", 50)
    with pytest.raises(CallerError, match="group by group"):
        packed(Estate(origin=HERE, things=tuple(Thing(name=f"{one}") for one in range(99))))


def test_an_estate_that_unfolds_beyond_the_limit_is_refused_before_it_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(wire, "MAX_ESTATE_BYTES", limit := 10_000)
    with pytest.raises(CallerError, match="at most"):
        unpacked(zlib.compress(b" " * (1000 * limit)))
    with pytest.raises(CallerError, match="at most"):
        decoded(b" " * (limit + 1))
