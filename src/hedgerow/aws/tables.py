"""A service made ready to serve: its model, its protocol, and its operations as they are used."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.model import OperationModel, Shape

from hedgerow.aws.http import HttpRequest
from hedgerow.aws.json_rpc import JsonRpc
from hedgerow.aws.models import load_model, protocol_of
from hedgerow.aws.protocol import Answerer, ErrorCodes, Parser, Protocol
from hedgerow.aws.query import Query
from hedgerow.aws.rest_json import RestJson
from hedgerow.aws.routing import Route
from hedgerow.aws.service import Service
from hedgerow.aws.sigv4 import Scope
from hedgerow.aws.validation import Check, Checks, validate

PROTOCOLS: Mapping[str, type[Protocol]] = {
    protocol.name: protocol for protocol in (RestJson, JsonRpc, Query)
}
_READ_ONLY = ("Get", "List", "Describe", "BatchGet", "Search", "Test", "Simulate", "Lookup")


@dataclass(frozen=True, slots=True)
class CompiledOperation:
    """One operation of a model, ready to be read and answered."""

    name: str
    read_only: bool
    input_shape: Shape | None
    output_shape: Shape | None
    parse: Parser
    check: Check | None
    answer: Answerer

    def read(self, request: HttpRequest, route: Route) -> dict[str, Any]:
        """Return the input of a request, which reads well and breaks no constraint."""
        call_input = self.parse(request, route)
        validate(self.check, call_input)
        return call_input


class ServiceTable:
    """What the gateway knows of one service. Operations are compiled at their first use."""

    def __init__(self, service: type[Service], region: str) -> None:
        model = load_model(service.model_name)
        self.protocol = PROTOCOLS[protocol_of(model)](model, service.message_member)
        signing_name = str(model.signing_name)
        self.name = service.model_name
        self.iam_prefix = service.iam_prefix or signing_name
        self.event_source = f"{signing_name}.amazonaws.com"
        self.api_version = str(model.api_version)
        self.scope = Scope(
            services=frozenset({signing_name, *service.signing_names}),
            regions=frozenset({region, *service.signing_regions}),
        )
        usual = self.protocol.usual_codes
        self.codes = ErrorCodes(
            malformed=service.malformed_code or usual.malformed,
            invalid=service.invalid_code or usual.invalid,
            denied=service.denied_code or usual.denied,
            internal=service.internal_code or usual.internal,
            unavailable=service.unavailable_code or usual.unavailable,
        )
        self._checks = Checks()
        self._compiled: dict[str, CompiledOperation] = {}

    def operation(self, name: str) -> CompiledOperation:
        """Return an operation of the model, ready to serve."""
        compiled = self._compiled.get(name)
        if compiled is None:
            compiled = self._compile(self.protocol.model.operation_model(name))
            self._compiled[name] = compiled
        return compiled

    def _compile(self, operation: OperationModel) -> CompiledOperation:
        shape = operation.input_shape
        return CompiledOperation(
            name=operation.name,
            read_only=operation.name.startswith(_READ_ONLY),
            input_shape=shape,
            output_shape=operation.output_shape,
            parse=self.protocol.parser(operation),
            check=None if shape is None else self._checks.check(shape),
            answer=self.protocol.answerer(operation),
        )
