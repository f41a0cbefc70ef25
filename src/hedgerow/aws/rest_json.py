"""The rest-json protocol: greengrass, iot, iot-data, lambda."""

from collections.abc import Mapping
from typing import Any

import msgspec
from botocore.model import OperationModel, ServiceModel

from hedgerow.aws.claims import query_pairs
from hedgerow.aws.errors import AwsError
from hedgerow.aws.http import HttpAnswer, HttpRequest
from hedgerow.aws.json_reading import JsonReaders
from hedgerow.aws.protocol import REQUEST_ID_HEADER, Answerer, ErrorCodes, Parser, Protocol
from hedgerow.aws.rest_reading import RestInput
from hedgerow.aws.rest_writing import JSON_TYPE, RestOutput
from hedgerow.aws.routing import Route, UriRouter


class RestJson(Protocol):
    """Operations are methods and paths; input is in path, query, headers and a JSON body."""

    name = "rest-json"
    usual_codes = ErrorCodes(
        malformed="SerializationException",
        invalid="ValidationException",
        denied="AccessDeniedException",
        internal="InternalFailure",
        unavailable="ServiceUnavailableException",
    )

    def __init__(self, model: ServiceModel, message_member: str = "") -> None:
        super().__init__(model, message_member)
        self._router = UriRouter(model)
        self._readers = JsonReaders()

    def route(self, request: HttpRequest) -> Route:
        """Find the operation by method and raw path."""
        query = query_pairs(request.raw_query)
        route = self._router.route(request.method, request.raw_path, query)
        if route is None:
            raise AwsError(
                "UnknownOperationException",
                "Unknown operation: the service has none with this method and path.",
                http_status=404,
            )
        return route

    def parser(self, operation: OperationModel) -> Parser:
        """Compile the reader of an operation's input."""
        if operation.input_shape is None:
            return lambda _request, _route: {}
        return RestInput(operation.input_shape, self._readers).read

    def answerer(self, operation: OperationModel) -> Answerer:
        """Compile the writer of an operation's output."""
        status = int(operation.http.get("responseCode", 200))
        if operation.output_shape is None:
            return lambda _output, request_id: HttpAnswer(status, {REQUEST_ID_HEADER: request_id})
        writer = RestOutput(operation.output_shape, self.writers)

        def answer(output: Mapping[str, Any] | None, request_id: str) -> HttpAnswer:
            parts = writer.write(output or {}, status)
            return HttpAnswer(
                parts.status, {**parts.headers, REQUEST_ID_HEADER: request_id}, parts.body
            )

        return answer

    def error(self, error: AwsError, request_id: str) -> HttpAnswer:
        """Write an error: its code in a header, its members as JSON."""
        resolved = self.resolve(error)
        members = resolved.members(self._message_member)
        headers: dict[str, str] = {"content-type": JSON_TYPE}
        body: dict[str, Any] = members
        if resolved.shape is not None:
            known = {name: members[name] for name in members if name in resolved.shape.members}
            parts = RestOutput(resolved.shape, self.writers).write(known, resolved.status)
            rest = {name: members[name] for name in members if name not in known}
            body = {**(msgspec.json.decode(parts.body) if parts.body else {}), **rest}
            headers = parts.headers
        headers |= {REQUEST_ID_HEADER: request_id, "x-amzn-errortype": resolved.code}
        return HttpAnswer(resolved.status, headers, msgspec.json.encode(body))
