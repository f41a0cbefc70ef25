"""The json protocol: secretsmanager, kms, cloudtrail, logs."""

from collections.abc import Mapping
from typing import Any

import msgspec
from botocore.model import OperationModel, ServiceModel

from hedgerow.aws.errors import AwsError
from hedgerow.aws.http import HttpAnswer, HttpRequest
from hedgerow.aws.json_reading import JsonReaders, decode_json, read_json
from hedgerow.aws.protocol import REQUEST_ID_HEADER, Answerer, ErrorCodes, Parser, Protocol
from hedgerow.aws.routing import Route

TARGET_HEADER = "x-amz-target"


class JsonRpc(Protocol):
    """The operation is named by `X-Amz-Target`; input and output are one JSON object each."""

    name = "json"
    usual_codes = ErrorCodes(
        malformed="SerializationException",
        invalid="ValidationException",
        denied="AccessDeniedException",
        internal="InternalFailure",
        unavailable="ServiceUnavailableException",
    )

    def __init__(self, model: ServiceModel, message_member: str = "") -> None:
        super().__init__(model, message_member)
        self._readers = JsonReaders()
        self._names = frozenset(model.operation_names)
        self._prefix = f"{model.metadata['targetPrefix']}."
        self._content_type = f"application/x-amz-json-{model.metadata.get('jsonVersion', '1.1')}"

    def route(self, request: HttpRequest) -> Route:
        """Find the operation by its target header."""
        target = request.headers.get(TARGET_HEADER, "")
        name = target.removeprefix(self._prefix)
        if request.method != "POST" or name == target or name not in self._names:
            raise AwsError(
                "UnknownOperationException",
                "Unknown operation: X-Amz-Target names none of the service.",
            )
        return Route(name, {})

    def parser(self, operation: OperationModel) -> Parser:
        """Compile the reader of an operation's input."""
        if operation.input_shape is None:
            return lambda _request, _route: {}
        reader = self._readers.reader(operation.input_shape)

        def parse(request: HttpRequest, _route: Route) -> dict[str, Any]:
            value = decode_json(request.body) if request.body else {}
            result: dict[str, Any] = read_json(reader, value)
            return result

        return parse

    def answerer(self, operation: OperationModel) -> Answerer:
        """Compile the writer of an operation's output."""
        shape = operation.output_shape
        if shape is None:
            return lambda _output, request_id: HttpAnswer(200, self._headers(request_id))
        writer = self.writers.writer(shape)

        def answer(output: Mapping[str, Any] | None, request_id: str) -> HttpAnswer:
            body = msgspec.json.encode(writer(output or {}))
            return HttpAnswer(200, self._headers(request_id), body)

        return answer

    def error(self, error: AwsError, request_id: str) -> HttpAnswer:
        """Write an error: `__type` is its code."""
        resolved = self.resolve(error)
        members = resolved.members(self._message_member)
        if resolved.shape is not None:
            shapes = resolved.shape.members
            known = {name: members.pop(name) for name in list(members) if name in shapes}
            members |= self.writers.writer(resolved.shape)(known)
        body = msgspec.json.encode({"__type": resolved.code, **members})
        return HttpAnswer(resolved.status, self._headers(request_id), body)

    def _headers(self, request_id: str) -> dict[str, str]:
        return {REQUEST_ID_HEADER: request_id, "content-type": self._content_type}
