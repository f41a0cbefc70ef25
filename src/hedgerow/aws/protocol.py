"""What the three wire protocols have in common: the promises that the gateway relies on."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, ClassVar

from botocore.model import OperationModel, ServiceModel, Shape

from hedgerow.aws.errors import AwsError
from hedgerow.aws.http import HttpAnswer, HttpRequest
from hedgerow.aws.json_writing import JsonWriters
from hedgerow.aws.models import error_shapes
from hedgerow.aws.routing import Route

Parser = Callable[[HttpRequest, Route], dict[str, Any]]
Answerer = Callable[[Mapping[str, Any] | None, str], HttpAnswer]
REQUEST_ID_HEADER = "x-amzn-RequestId"


@dataclass(frozen=True, slots=True)
class ResolvedError:
    """An `AwsError` with what the model has to say about its code."""

    code: str
    status: int
    message: str
    fields: Mapping[str, Any]
    shape: Shape | None

    @property
    def is_ours(self) -> bool:
        """Whether the fault is the server's."""
        return self.status >= HTTPStatus.INTERNAL_SERVER_ERROR

    def members(self, message_member: str) -> dict[str, Any]:
        """Return the error's members by the model's names, the message among them."""
        name = message_member
        if self.shape is not None:
            modelled = (member for member in self.shape.members if member.lower() == "message")
            name = next(modelled, message_member)
        said = {name: self.message} if self.message else {}
        return {**said, **self.fields}


@dataclass(frozen=True, slots=True)
class ErrorCodes:
    """The codes for faults that are no operation's own."""

    malformed: str
    invalid: str
    denied: str
    internal: str
    unavailable: str


class Protocol(ABC):
    """How the calls of one model look on the wire.

    `route` finds the operation, `parser` makes what reads its input, `answerer` what writes its
    output, and `error` writes errors. Input that cannot be read raises `MalformedBodyError`.
    """

    name: ClassVar[str]
    usual_codes: ClassVar[ErrorCodes]
    usual_message_member: ClassVar[str] = "message"

    def __init__(self, model: ServiceModel, message_member: str = "") -> None:
        self.model = model
        self._message_member = message_member or self.usual_message_member
        self._errors = error_shapes(model)
        self.writers = JsonWriters()

    @abstractmethod
    def route(self, request: HttpRequest) -> Route:
        """Return the operation that a request is for, or raise `AwsError`."""

    @abstractmethod
    def parser(self, operation: OperationModel) -> Parser:
        """Return what turns a request into the operation's input, by the model's names."""

    @abstractmethod
    def answerer(self, operation: OperationModel) -> Answerer:
        """Return what turns the operation's output and the request id into an answer."""

    @abstractmethod
    def error(self, error: AwsError, request_id: str) -> HttpAnswer:
        """Return the answer for an error."""

    def resolve(self, error: AwsError) -> ResolvedError:
        """Look an error's code up in the model: its status, its shape, its name on the wire."""
        shape: Any = self._errors.get(error.code)
        modelled = shape.metadata.get("error", {}) if shape is not None else {}
        return ResolvedError(
            code=shape.error_code if shape is not None else error.code,
            status=error.http_status or modelled.get("httpStatusCode") or HTTPStatus.BAD_REQUEST,
            message=error.message,
            fields=error.fields,
            shape=shape,
        )
