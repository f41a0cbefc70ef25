"""A Secret shows as `***` wherever it could be printed."""

import copy
import json
import pickle  # noqa: TID251 - the attack under test
import traceback
from collections.abc import Callable

import msgspec
import pytest

from hedgerow.kernel import Secret, redact_secrets

VALUE = "correct horse battery staple"

pytestmark = pytest.mark.promise(9)


@pytest.mark.parametrize(
    "shown",
    [
        str(Secret(VALUE)),
        repr(Secret(VALUE)),
        f"{Secret(VALUE)}",
        f"{Secret(VALUE)!r:>40}",
        "%s" % Secret(VALUE),  # noqa: UP031 - the old form must not print it either
        repr([Secret(VALUE), {"key": Secret(VALUE)}]),
        repr(Secret(VALUE.encode())),
    ],
)
def test_no_way_of_printing_shows_the_value(shown: str) -> None:
    assert "horse" not in shown
    assert "***" in shown


def test_a_traceback_with_the_secret_in_it_does_not_show_it() -> None:
    with pytest.raises(ValueError) as raised:  # noqa: PT011 - the message is the point
        raise ValueError(Secret(VALUE))
    assert "horse" not in "".join(traceback.format_exception(raised.value))


@pytest.mark.parametrize("copier", [pickle.dumps, copy.copy, copy.deepcopy, json.dumps])
def test_copying_by_serialisation_is_refused(copier: Callable[[object], object]) -> None:
    with pytest.raises(TypeError):
        copier(Secret(VALUE))


def test_msgspec_does_not_encode_it() -> None:
    with pytest.raises(TypeError):
        msgspec.json.encode({"secret": Secret(VALUE)})


def test_equality_compares_values_and_hashing_is_refused() -> None:
    assert Secret(VALUE) == Secret(VALUE)
    assert Secret(VALUE) != Secret("something else")
    assert Secret(VALUE) != VALUE
    with pytest.raises(TypeError):
        hash(Secret(VALUE))


def test_the_log_processor_hides_secrets_and_bytes_at_any_depth() -> None:
    event = {
        "event": "connected",
        "password": Secret(VALUE),
        "payload": VALUE.encode(),
        "inner": {"list": [Secret(VALUE), ("fine", VALUE.encode())]},
        "port": 8883,
    }
    shown = repr(redact_secrets(None, "info", event))
    assert "horse" not in shown
    assert "8883" in shown
    assert "fine" in shown
