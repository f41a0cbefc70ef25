"""What a shadow answers, as a table: the same over every way to it.

Source: AWS IoT Core Developer Guide, Device Shadow service: documents, MQTT topics, REST API,
error messages, and its quotas. A step's answer holds what must be in it; times are left out.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

Verb = Literal["get", "update", "delete"]

MANY_LEVELS = "JSON contains too many levels of nesting; maximum is 8"
TOO_LARGE = "The payload exceeds the maximum size allowed"
NOT_UTF_8 = "Unsupported documented encoding; supported encoding is UTF-8"
NONE = "No shadow exists with name: '{name}'"


@dataclass(frozen=True)
class Step:
    """A request with its answer, and the delta that is told if there is one.

    `answer` is a refusal's sentence, or what an `accepted` answer holds. `sent` is the body.
    """

    verb: Verb
    sent: bytes
    status: int
    answer: Any
    delta: Any = None


@dataclass(frozen=True)
class Case:
    """Steps on a shadow that did not exist before."""

    name: str
    steps: tuple[Step, ...] = field(repr=False)


def _update(body: Any, status: int, answer: Any, delta: Any = None) -> Step:
    sent = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return Step("update", sent, status, answer, delta)


def _made(version: int, *, delta: Any = None, more: Any = None, **sections: Any) -> Step:
    body = {"state": sections, **(more or {})}
    return _update(body, 200, {"version": version, "state": sections}, delta)


def _got(version: int, **sections: Any) -> Step:
    return Step("get", b"", 200, {"version": version, "state": sections})


def _deleted(version: int) -> Step:
    return Step("delete", b"", 200, {"version": version})


def _refused(body: Any, status: int, message: str) -> Step:
    return _update(body, status, message)


def _nested(levels: int) -> bytes:
    inner = b'{"a":' * (levels - 1) + b"{}" + b"}" * (levels - 1)
    return b'{"state":{"reported":' + inner + b"}}"


_NO_GET = Step("get", b"", 404, NONE)
_NO_DELETE = Step("delete", b"", 404, NONE)
_HALF = "x" * 4090

CASES: tuple[Case, ...] = (
    Case("what is not there", (_NO_GET, _NO_DELETE)),
    Case(
        "made, read, deleted, made again: versions count on",
        (
            _made(1, reported={"on": True}),
            _got(1, reported={"on": True}),
            _deleted(1),
            _NO_GET,
            _NO_DELETE,
            _made(2, reported={"on": False}),
            _got(2, reported={"on": False}),
        ),
    ),
    Case(
        "objects merge, everything else is replaced, null removes",
        (
            _made(1, reported={"a": {"x": 1, "y": 2}, "list": [1, 2, 3], "s": "old"}),
            _made(2, reported={"a": {"y": 3}, "list": [9], "s": {"now": "object"}}),
            _got(2, reported={"a": {"x": 1, "y": 3}, "list": [9], "s": {"now": "object"}}),
            _made(3, reported={"a": {"x": None}, "s": None, "list": []}),
            _got(3, reported={"a": {"y": 3}, "list": []}),
            _made(4, reported={"a": 5}),
            _got(4, reported={"a": 5, "list": []}),
            _made(5, reported=None),
            _got(5),
        ),
    ),
    Case(
        "the delta is what is desired and not reported",
        (
            _made(
                1,
                desired={"a": 1, "b": {"c": 2, "d": 3}},
                delta={"a": 1, "b": {"c": 2, "d": 3}},
            ),
            _made(2, reported={"a": 1, "b": {"c": 9}}, delta={"b": {"c": 2, "d": 3}}),
            _got(
                2,
                desired={"a": 1, "b": {"c": 2, "d": 3}},
                reported={"a": 1, "b": {"c": 9}},
                delta={"b": {"c": 2, "d": 3}},
            ),
            _made(3, reported={"b": {"c": 2, "d": 3}}),
            _made(4, desired={"list": [1, {"k": 1}]}, delta={"list": [1, {"k": 1}]}),
            _made(5, reported={"list": [{"k": 1}, 1]}, delta={"list": [1, {"k": 1}]}),
            _made(6, reported={"list": [1, {"k": 1}]}),
            _made(7, desired=None),
        ),
    ),
    Case(
        "versions",
        (
            _made(1, reported={"a": 1}, more={"version": 0}),
            _refused({"state": {"reported": {"a": 2}}, "version": 0}, 409, "Version conflict"),
            _refused({"state": {"reported": {"a": 2}}, "version": 7}, 409, "Version conflict"),
            _made(2, reported={"a": 2}, more={"version": 1}),
            _refused({"state": {}, "version": "2"}, 400, "Invalid version"),
            _refused({"state": {}, "version": -1}, 400, "Invalid version"),
            _refused({"state": {}, "version": 1.5}, 400, "Invalid version"),
            _refused({"state": {}, "version": True}, 400, "Invalid version"),
            _got(2, reported={"a": 2}),
        ),
    ),
    Case(
        "the client token comes back",
        (
            _update(
                {"state": {"reported": {"a": 1}}, "clientToken": "t-1"},
                200,
                {"version": 1, "clientToken": "t-1"},
            ),
            _refused({"state": {}, "clientToken": "x" * 65}, 400, "Invalid clientToken"),
            _refused({"state": {}, "clientToken": ""}, 400, "Invalid clientToken"),
            _refused({"state": {}, "clientToken": 5}, 400, "Invalid clientToken"),
            Step("get", b'{"clientToken":"t-2"}', 200, {"version": 1, "clientToken": "t-2"}),
            Step("delete", b'{"clientToken":"t-3"}', 200, {"version": 1, "clientToken": "t-3"}),
        ),
    ),
    Case(
        "what is no update",
        (
            _refused(b" ", 400, "Invalid JSON"),
            _refused(b"{", 400, "Invalid JSON"),
            _refused(b'{"state":{"reported":{"a":NaN}}}', 400, "Invalid JSON"),
            _refused(b"[]", 400, "Payload must be a JSON object"),
            _refused({}, 400, "Missing required node: state"),
            _refused({"state": []}, 400, "State node must be an object"),
            _refused({"state": {"desired": 1}}, 400, "Desired node must be an object"),
            _refused({"state": {"reported": []}}, 400, "Reported node must be an object"),
            _refused({"state": {"delta": {}}}, 400, "State contains an invalid node: 'delta'"),
            _refused(b'{"state":{"reported":{"a":"\xff"}}}', 415, NOT_UTF_8),
            _NO_GET,
        ),
    ),
    Case("eight levels and no more", (_update(_nested(8), 200, {"version": 1}),)),
    Case("nine levels", (_refused(_nested(9), 400, MANY_LEVELS), _NO_GET)),
    Case(
        "8 KB, of the request and of what it makes",
        (
            _refused({"state": {"reported": {"a": "x" * 8192}}}, 413, TOO_LARGE),
            _made(1, reported={"a": _HALF}),
            _refused({"state": {"reported": {"b": _HALF}}}, 413, TOO_LARGE),
            _made(2, reported={"a": None, "b": _HALF}),
            _got(2, reported={"b": _HALF}),
        ),
    ),
    Case(
        "an update of nothing is a version",
        (_made(1), _made(2, reported={}), _got(2, reported={})),
    ),
    Case(
        "true is not 1, 1 is 1.0, and text stays as it is",
        (
            _made(1, desired={"a": True, "b": 1, "c": "ä€😀\u0000"}, reported={"b": 1.0},
                  delta={"a": True, "c": "ä€😀\u0000"}),
            _made(2, reported={"a": 1, "c": "ä€😀\u0000"}, delta={"a": True}),
        ),
    ),
)  # fmt: skip
