"""The query protocol: sts, iam."""

from collections.abc import Mapping
from typing import Any

from botocore.model import OperationModel, ServiceModel

from hedgerow.aws.claims import query_pairs
from hedgerow.aws.errors import AwsError
from hedgerow.aws.form_reading import form_tree, parse_form, read_form
from hedgerow.aws.http import HttpAnswer, HttpRequest
from hedgerow.aws.protocol import (
    REQUEST_ID_HEADER,
    Answerer,
    ErrorCodes,
    Parser,
    Protocol,
    ResolvedError,
)
from hedgerow.aws.routing import Route
from hedgerow.aws.xml_writing import element, members_xml, namespace, text_element

XML_TYPE = "text/xml"


class Query(Protocol):
    """`Action` names the operation; input is a form (or a query string), output is XML."""

    name = "query"
    usual_codes = ErrorCodes(
        malformed="MalformedQueryString",
        invalid="ValidationError",
        denied="AccessDenied",
        internal="InternalFailure",
        unavailable="ServiceUnavailable",
    )
    usual_message_member = "Message"

    def __init__(self, model: ServiceModel, message_member: str = "") -> None:
        super().__init__(model, message_member)
        self._names = frozenset(model.operation_names)
        self._version = str(model.metadata.get("apiVersion", ""))
        self._namespace = namespace(model.metadata.get("xmlNamespace"))

    def route(self, request: HttpRequest) -> Route:
        """Find the operation by the form's `Action` and `Version`."""
        fields = dict(_fields(request))
        action, version = fields.get("Action", ""), fields.get("Version", self._version)
        if not action:
            raise AwsError("MissingAction", "The request has no Action parameter.")
        if action not in self._names or version != self._version:
            raise AwsError(
                "InvalidAction",
                "Could not find an operation of that Action and Version; "
                f"the service has version {self._version}.",
            )
        return Route(action, {})

    def parser(self, operation: OperationModel) -> Parser:
        """Make the reader of an operation's input."""
        shape = operation.input_shape
        if shape is None:
            return lambda _request, _route: {}
        return lambda request, _route: read_form(shape, form_tree(_fields(request)))

    def answerer(self, operation: OperationModel) -> Answerer:
        """Make the writer of an operation's output."""
        shape, name = operation.output_shape, operation.name
        wrapper = shape.serialization.get("resultWrapper") if shape is not None else None

        def answer(output: Mapping[str, Any] | None, request_id: str) -> HttpAnswer:
            inside = members_xml(shape, output or {}) if shape is not None else ""
            result = element(wrapper, inside) if wrapper else inside
            meta = element("ResponseMetadata", text_element("RequestId", request_id))
            body = element(f"{name}Response", result + meta, self._namespace)
            return _answer(200, body, request_id)

        return answer

    def error(self, error: AwsError, request_id: str) -> HttpAnswer:
        """Write an error as `ErrorResponse`."""
        resolved = self.resolve(error)
        return query_error(resolved, request_id, self._namespace)


def query_error(resolved: ResolvedError, request_id: str, declared: str = "") -> HttpAnswer:
    """Write an error document; members of the error beside the message stand in `Error`."""
    inside = text_element("Type", "Receiver" if resolved.is_ours else "Sender")
    inside += text_element("Code", resolved.code)
    if resolved.message:
        inside += text_element("Message", resolved.message)
    if resolved.shape is not None:
        inside += members_xml(resolved.shape, resolved.fields)
    body = element("Error", inside) + text_element("RequestId", request_id)
    return _answer(resolved.status, element("ErrorResponse", body, declared), request_id)


def _fields(request: HttpRequest) -> list[tuple[str, str]]:
    """Return the form's fields, or those in the query string of a request without a body."""
    if request.body:
        return parse_form(request.body)
    return [pair for pair in query_pairs(request.raw_query) if not pair[0].startswith("X-Amz-")]


def _answer(status: int, body: str, request_id: str) -> HttpAnswer:
    headers = {REQUEST_ID_HEADER: request_id, "content-type": XML_TYPE}
    return HttpAnswer(status, headers, body.encode())
