"""botocore's protocol cases, from the other side of the wire."""

import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.awsrequest import HeadersDict
from botocore.model import Shape
from botocore.parsers import PROTOCOL_PARSERS
from botocore.utils import parse_timestamp
from multidict import CIMultiDict, CIMultiDictProxy
from tests.support.aws_protocol_cases import ProtocolCase, protocol_cases

from hedgerow.aws.errors import AwsError
from hedgerow.aws.http import HttpAnswer, HttpRequest
from hedgerow.aws.protocol import REQUEST_ID_HEADER
from hedgerow.aws.tables import PROTOCOLS

REQUEST_ID = "00000000-0000-4000-8000-000000000001"
# Cases that say something of clients only, or of what none of our services has.
ONE_WAY = {
    "PutWithContentEncoding": "the body is compressed, and not in the case",
    "HostWithPath": "the path is the endpoint's own",
    "MediaTypeHeader": "only Amazon Lex has JSON in headers, and these cases mean a plain text",
    "RestJsonQueryParamsStringListMap": "whether a map has the names of other members is open",
    "RestJsonQueryPrecedence": "the client drops one of two values",
    "legacy/json:3-1": "no operation of ours has nothing as an item of a list",
    "legacy/rest-json:17-2": "a newer server sends a member that the model does not have",
}


def applies(case: ProtocolCase) -> bool:
    one_way = any(word in f"{case.operation.name} {case.id}" for word in ONE_WAY)
    return not one_way and not case.operation.has_event_stream_output


INPUTS = [case for case in protocol_cases("input") if applies(case)]
ANSWERS = [case for case in protocol_cases("output") if applies(case)]
ERRORS = [case for case in ANSWERS if "error" in case.case]
OUTPUTS = [case for case in ANSWERS if "error" not in case.case and not case.unread_by_botocore]


def test_nearly_all_cases_apply() -> None:
    assert (len(INPUTS), len(OUTPUTS), len(ERRORS)) == (316, 228, 53)


def arriving(case: ProtocolCase) -> HttpRequest:
    """Return the request of an input case as it would arrive."""
    written = case.case["serialized"]
    raw_path, _, raw_query = written.get("uri", "/").partition("?")
    headers = CIMultiDict(written.get("headers", {}))
    if case.protocol == "json":  # some cases are about another header and leave this one out
        target = f"{case.model.metadata['targetPrefix']}.{case.operation.name}"
        headers.setdefault("X-Amz-Target", target)
    return HttpRequest(
        method=written.get("method", case.operation.http["method"]),
        raw_path=raw_path,
        raw_query=raw_query,
        headers=CIMultiDictProxy(headers),
        body=written.get("body", "").encode(),
        source_ip="192.0.2.7",
    )


def plain(value: Any) -> Any:
    """Return a value in the cases' own terms: seconds, text, and words for odd numbers.

    What is empty counts as absent at any depth: the wire cannot tell one from the other, and
    which of the two a case has is a matter of the client.
    """
    if isinstance(value, datetime):
        return value.timestamp()
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, dict):
        made = {name: plain(inner) for name, inner in value.items()}
        return {name: inner for name, inner in made.items() if inner not in (None, [], {})}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    return value


@pytest.mark.parametrize("case", [pytest.param(case, id=case.id) for case in INPUTS])
def test_a_request_is_read_as_the_client_meant_it(case: ProtocolCase) -> None:
    request = arriving(case)
    protocol = PROTOCOLS[case.protocol](case.model)
    route = protocol.route(request)
    assert route.operation == case.operation.name
    given = protocol.parser(case.operation)(request, route)
    expected = dict(case.case.get("params", {}))
    shape = case.operation.input_shape
    for name, member in shape.members.items() if shape is not None else ():
        if member.metadata.get("idempotencyToken"):  # the client makes one up if it is not given
            expected.setdefault(name, given.get(name))
    if "contentType" in given:  # a client sends this header whether it is asked to or not
        expected.setdefault("contentType", given["contentType"])
    assert plain(given) == plain(expected)


def typed(shape: Shape, value: Any) -> Any:
    """Return a case's value as an operation would return it: datetimes, bytes, odd numbers."""
    if value is None or (shape.type_name == "structure" and shape.is_document_type):
        return value
    made: dict[str, Callable[[], Any]] = {
        "structure": lambda: {n: typed(shape.members[n], inner) for n, inner in value.items()},
        "list": lambda: [typed(shape.member, inner) for inner in value],
        "map": lambda: {name: typed(shape.value, inner) for name, inner in value.items()},
        "timestamp": lambda: datetime.fromtimestamp(value, UTC),
        "blob": lambda: str(value).encode(),
        "float": lambda: float(value),
        "double": lambda: float(value),
    }
    return made.get(shape.type_name, lambda: value)()


def parsed(case: ProtocolCase, answer: HttpAnswer, shape: Shape | None) -> dict[str, Any]:
    """Return what botocore reads in our answer."""
    parser = PROTOCOL_PARSERS[case.protocol](
        timestamp_parser=lambda value: parse_timestamp(value).timestamp()
    )
    response = {
        "status_code": answer.status,
        "headers": HeadersDict(answer.headers),
        "body": answer.body,
        "context": {"operation_name": case.operation.name},
    }
    found: dict[str, Any] = parser.parse(response, shape)
    found.pop("ResponseMetadata", None)
    return found


def without_our_headers(value: Any) -> Any:
    """Leave out the headers that every answer has, for members that hold all headers."""
    ours = ("content-type", "requestid")
    if isinstance(value, dict):
        return {
            name: without_our_headers(inner)
            for name, inner in value.items()
            if not name.lower().endswith(ours)
        }
    return value


@pytest.mark.parametrize("case", [pytest.param(case, id=case.id) for case in OUTPUTS])
def test_a_client_reads_what_the_operation_returned(case: ProtocolCase) -> None:
    shape = case.operation.output_shape
    if case.protocol == "query" and shape is not None and shape.members:
        shape.serialization["resultWrapper"] = f"{case.operation.name}Result"
    protocol = PROTOCOLS[case.protocol](case.model)
    output = typed(shape, case.case["result"]) if shape is not None else None
    answer = protocol.answerer(case.operation)(output, REQUEST_ID)
    assert answer.headers[REQUEST_ID_HEADER] == REQUEST_ID
    found = without_our_headers(parsed(case, answer, shape))
    assert plain(found) == plain(without_our_headers(case.case["result"]))


@pytest.mark.parametrize("case", [pytest.param(case, id=case.id) for case in ERRORS])
def test_a_client_reads_the_error_that_was_raised(case: ProtocolCase) -> None:
    code, message = case.case["errorCode"], case.case.get("errorMessage", "")
    protocol = PROTOCOLS[case.protocol](case.model)
    shapes = {shape.error_code: shape for shape in case.model.error_shapes}
    fields = {name: value for name, value in case.case["error"].items() if name != "Message"}
    if code in shapes:
        fields = typed(shapes[code], fields)
    status = case.case["response"]["status_code"]
    answer = protocol.error(AwsError(code, message, http_status=status, fields=fields), REQUEST_ID)
    found = parsed(case, answer, None)
    assert answer.status == status
    assert found["Error"]["Code"] == code
    assert found["Error"].get("Message", "") == message
    if code in shapes:
        members = plain(parsed(case, answer, shapes[code]))
        assert {name: members.get(name) for name in fields} == plain(fields)
