"""Well-signed calls whose content means harm: bounded work, an AWS-shaped 400, nothing done."""

import time
from typing import Any

import msgspec
import pytest
from tests.support.aws_gateway import SmallCloud, small_cloud
from tests.support.aws_requests import signed_request, unsigned_request
from tests.support.clock import ManualClock

from hedgerow.aws import HttpAnswer
from hedgerow.aws.form_reading import MAX_DEPTH, MAX_FIELDS
from hedgerow.aws.models import load_model
from hedgerow.aws.patterns import MAX_PATTERN_INPUT, compile_pattern

JSON = {"content-type": "application/json"}
FORM = {"content-type": "application/x-www-form-urlencoded"}
OUR_MODELS = ("greengrass", "iot", "iot-data", "sts")
PATTERN_BUDGET_S = 0.25


async def call(
    cloud: SmallCloud, body: bytes, target: str = "/things/lamp", **how: Any
) -> HttpAnswer:
    headers = how.pop("headers", JSON)
    request = unsigned_request("POST", target, headers, body)
    return await cloud.gateway.handle(signed_request(request, now=ManualClock().now(), **how))


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"[" * 200_000, id="open arrays"),
        pytest.param(b'{"attributePayload":' * 50_000, id="open objects"),
        pytest.param(b"[" * 100_000 + b"]" * 100_000, id="deep arrays"),
        pytest.param(b"", id="nothing where a name is needed"),
        pytest.param(b"null", id="null"),
        pytest.param(b"[]", id="array"),
        pytest.param(b'"text"', id="text"),
        pytest.param(b"1e999999999", id="endless number"),
        pytest.param(b'{"attributePayload":' + b"9" * 100_000 + b"}", id="long number"),
        pytest.param(b'{"attributePayload":{"attributes":[]}}', id="wrong type"),
        pytest.param(b'{"attributePayload":{"attributes":{"a":1}}}', id="wrong type inside"),
        pytest.param(b'{"attributePayload":{"merge":"yes"}}', id="text for a truth value"),
        pytest.param(b'{"thingTypeName":"\xff\xfe"}', id="not UTF-8"),
        pytest.param(b'{"thingTypeName":"\\ud800"}', id="half a character"),
        pytest.param(b'{"thingTypeName":NaN}', id="no JSON number"),
        pytest.param(b'{"thingTypeName":"' + b"a" * 129 + b'"}', id="too long"),
        pytest.param(b'{"thingTypeName":"a b"}', id="against the pattern"),
        pytest.param(b'{"thingTypeName":"a\\n"}', id="line feed at the end"),
        pytest.param(b"\x00" * 1000, id="zeros"),
        pytest.param(b"thingTypeName=x", id="a form"),
    ],
)
async def test_a_bad_body_is_a_caller_error(body: bytes) -> None:
    cloud = small_cloud(clock=ManualClock())
    answer = await call(cloud, body, "/things/lamp" if body else "/things/a%20b")
    assert answer.status == 400
    assert answer.headers["x-amzn-errortype"] in {
        "SerializationException",
        "InvalidRequestException",
    }
    assert cloud.iot.calls == []


async def test_a_service_names_its_own_error_for_a_bad_body() -> None:
    cloud = small_cloud(clock=ManualClock())
    answer = await call(cloud, b"{", "/greengrass/groups", service="greengrass")
    assert answer.headers["x-amzn-errortype"] == "BadRequestException"
    assert "Message" in msgspec.json.decode(answer.body)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"Action=GetCallerIdentity&" + b"a=1&" * (MAX_FIELDS + 1), id="fields"),
        pytest.param(b"Action=AssumeRole&" + b"a." * (MAX_DEPTH + 1) + b"a=1", id="depth"),
        pytest.param(b"Action=AssumeRole&Tags.member.x.Key=1", id="no number"),
        pytest.param(b"Action=AssumeRole&Tags.member.99999999999.Key=1", id="huge number"),
        pytest.param(b"Action=AssumeRole&DurationSeconds=1_000", id="no integer"),
        pytest.param(b"Action=AssumeRole&DurationSeconds=" + b"9" * 5000, id="long integer"),
        pytest.param(b"Action=AssumeRole&RoleArn.member.1=x", id="a list for a text"),
        pytest.param(b"Action=%ff", id="not UTF-8"),
        pytest.param(b"\xff\xfe", id="not a form"),
        pytest.param(b"Action=NoSuchThing", id="no such action"),
        pytest.param(b"Action=GetCallerIdentity&Version=1999-01-01", id="another version"),
        pytest.param(b"Version=2011-06-15", id="no action"),
    ],
)
async def test_a_bad_form_is_a_caller_error(body: bytes) -> None:
    cloud = small_cloud(clock=ManualClock())
    answer = await call(cloud, body, "/", service="sts", headers=FORM)
    assert answer.status == 400
    assert answer.body.startswith(b"<ErrorResponse ")
    assert b"<Type>Sender</Type>" in answer.body


async def test_what_the_caller_sent_cannot_break_out_of_an_xml_answer() -> None:
    cloud = small_cloud(clock=ManualClock())
    body = b"Action=AssumeRole&RoleArn=%3C%2FMessage%3E%00%3Cx%3E&RoleSessionName=a"
    answer = await call(cloud, body, "/", service="sts", headers=FORM)
    assert answer.status == 400
    assert b"<x>" not in answer.body
    assert b"\x00" not in answer.body


async def test_a_bug_of_ours_tells_the_caller_its_request_id_and_nothing_else() -> None:
    cloud = small_cloud(clock=ManualClock())
    for name in ("bug", "misfit"):
        request = signed_request(
            unsigned_request("GET", f"/things/{name}"), now=ManualClock().now()
        )
        answer = await cloud.gateway.handle(request)
        assert answer.status == 500
        assert answer.headers["x-amzn-errortype"] == "InternalFailureException"
        assert b"secret" not in answer.body
        assert b"noSuchMember" not in answer.body
        assert answer.headers["x-amzn-RequestId"].encode() in answer.body


def patterns() -> list[str]:
    """Return every pattern of the models that Hedgerow serves."""
    found = set()
    for name in OUR_MODELS:
        model = load_model(name)
        for shape_name in model.shape_names:
            found.add(model.shape_for(shape_name).metadata.get("pattern"))
    return sorted(found - {None})


def test_every_pattern_of_our_models_is_enforced() -> None:
    assert [text for text in patterns() if compile_pattern(text) is None] == []


def test_no_pattern_of_our_models_can_be_made_to_take_long() -> None:
    """Long runs of what the patterns repeat, with an end that does not fit."""
    runs = [letter * (MAX_PATTERN_INPUT - 1) + end for letter in "aA1-_/.: " for end in "\n\0é!"]
    runs += [f"arn:aws:iot:{'a' * 500}:{'1' * 500}:{'/' * 500}\n", "https://" + "." * 2000 + "\n"]
    for text in patterns():
        pattern = compile_pattern(text)
        assert pattern is not None
        started = time.perf_counter()
        for run in runs:
            pattern.matches(run)
        assert time.perf_counter() - started < PATTERN_BUDGET_S * len(runs), text


@pytest.mark.parametrize(
    "pattern", ["(a+)+b", "(a|a)*b", "(a?a?)*b", "(?:a*)*b", "(a{1,5}){1,50}b", r"(?=a)a", r"(a)\1"]
)
def test_a_pattern_that_could_take_exponential_time_is_not_used(pattern: str) -> None:
    assert compile_pattern(pattern) is None
