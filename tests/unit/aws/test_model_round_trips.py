"""Every operation of our models: what botocore's client writes we read, what we write it reads."""

import random
import string
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.awsrequest import HeadersDict, create_request_object, prepare_request_dict
from botocore.model import OperationModel, Shape
from botocore.parsers import create_parser
from botocore.serialize import create_serializer
from multidict import CIMultiDict, CIMultiDictProxy

from hedgerow.aws.http import HttpRequest
from hedgerow.aws.models import load_model, protocol_of
from hedgerow.aws.protocol import Protocol
from hedgerow.aws.tables import PROTOCOLS

SERVICES = ("greengrass", "iot", "iot-data", "sts", "secretsmanager", "kms", "cloudtrail", "iam")
ENDPOINT = "https://api.hedgerow.test"
DEPTH = 5
EPOCH = datetime(2026, 10, 7, tzinfo=UTC)
TEXT = string.ascii_letters + string.digits + " :/-_.,;%+=&?#'\"<>[]{}()|\\~@é☃"


class Samples:
    """Makes up values for shapes: the same ones for the same seed."""

    def __init__(self, seed: str) -> None:
        self._random = random.Random(seed)  # noqa: S311 - the same values every time

    def of(self, shape: Shape, depth: int = DEPTH) -> Any:
        kind = shape.type_name
        if shape.serialization.get("location") == "statusCode":
            return 202
        if kind == "structure":
            return self._structure(shape, depth)
        if kind == "list":
            return [self.of(shape.member, depth - 1) for _ in range(2 if depth > 0 else 1)]
        if kind == "map":
            return {self.of(shape.key): self.of(shape.value, depth - 1)}
        made = {
            "boolean": self._random.random() < 0.5,
            "integer": self._random.randrange(10**6),
            "long": self._random.randrange(10**12),
            "float": self._random.randrange(1000) / 8,
            "double": self._random.randrange(1000) / 8,
            "blob": self._random.randbytes(12),
            "timestamp": EPOCH + timedelta(seconds=self._random.randrange(10**7)),
        }
        return made.get(kind, self._text(shape))

    def _structure(self, shape: Shape, depth: int) -> Any:
        if shape.is_document_type:
            return {"any": [1, "thing"]}
        names = [
            name
            for name, member in shape.members.items()
            if depth > 0 or member.type_name not in ("structure", "list", "map")
        ]
        if shape.is_tagged_union:
            names = names[:1]
        return {name: self.of(shape.members[name], depth - 1) for name in names}

    def _text(self, shape: Shape) -> str:
        if shape.metadata.get("enum"):
            return str(self._random.choice(shape.metadata["enum"]))
        in_header = shape.serialization.get("location") in ("header", "headers")
        letters = string.ascii_letters if in_header else TEXT
        return "".join(self._random.choices(letters, k=12))


def protocol_and_operations(service: str) -> tuple[Protocol, list[OperationModel]]:
    model = load_model(service)
    protocol = PROTOCOLS[protocol_of(model)](model)
    return protocol, [model.operation_model(name) for name in model.operation_names]


def request_of(operation: OperationModel, given: dict[str, Any]) -> HttpRequest:
    """Return what botocore would send."""
    serializer = create_serializer(protocol_of(operation.service_model), include_validation=False)
    written = serializer.serialize_to_request(given, operation)
    prepare_request_dict(written, ENDPOINT)
    if isinstance(written["body"], dict):
        written["body"] = create_request_object(written).prepare().body
    raw_path, _, raw_query = written["url"].removeprefix(ENDPOINT).partition("?")
    body = written["body"]
    return HttpRequest(
        method=written["method"],
        raw_path=raw_path,
        raw_query=raw_query,
        headers=CIMultiDictProxy(CIMultiDict(written["headers"])),
        body=body.encode() if isinstance(body, str) else body,
        source_ip="192.0.2.7",
    )


@pytest.mark.parametrize("service", SERVICES)
def test_input_is_read_as_it_was_given(service: str) -> None:
    protocol, operations = protocol_and_operations(service)
    for operation in operations:
        shape = operation.input_shape
        given = {} if shape is None else Samples(operation.name).of(shape)
        request = request_of(operation, given)
        route = protocol.route(request)
        assert route.operation == operation.name
        assert protocol.parser(operation)(request, route) == given, operation.name


@pytest.mark.parametrize("service", [name for name in SERVICES if name != "iot-data"])
def test_output_is_read_as_it_was_returned(service: str) -> None:
    """The answers of iot-data are streams, which this parser does not make."""
    protocol, operations = protocol_and_operations(service)
    parser = create_parser(protocol.name)
    for operation in operations:
        shape = operation.output_shape
        output = {} if shape is None else Samples(operation.name).of(shape)
        answer = protocol.answerer(operation)(output, "request-1")
        response = {
            "status_code": answer.status,
            "headers": HeadersDict(answer.headers),
            "body": answer.body,
            "context": {},
        }
        found = parser.parse(response, shape)
        found.pop("ResponseMetadata")
        assert found == output, operation.name
