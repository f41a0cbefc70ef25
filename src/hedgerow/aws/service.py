"""What a service is to the gateway: a model's name, its quirks as data, and its operations."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Protocol, TypeVar

from hedgerow.aws.caller import VerifiedCaller
from hedgerow.aws.models import load_model
from hedgerow.kernel import ConfigurationError, quoted

_OPERATION_MARK = "__aws_operation__"


@dataclass(frozen=True, slots=True)
class Asked:
    """What a proven caller asks for: what an authorizer is asked, and no HTTP.

    `service` is the model's name and `iam_prefix` the one that policies use, so that the action
    usually reads `iam_prefix:operation`. `input` is keyed by the model's member names, its values
    are of the model's types (timestamps are aware datetimes, blobs are bytes), and every constraint
    of the model holds. `peer` is what the accepting side said of the connection.
    """

    caller: VerifiedCaller
    service: str
    iam_prefix: str
    operation: str
    input: Mapping[str, Any]
    region: str
    at: datetime
    source_ip: str
    user_agent: str
    peer: object


@dataclass(frozen=True, slots=True)
class Call:
    """A call that may be made, as an operation sees it."""

    asked: Asked
    request_id: str

    @property
    def caller(self) -> VerifiedCaller:
        """Who makes it."""
        return self.asked.caller

    @property
    def account(self) -> str:
        """The caller's account."""
        return self.asked.caller.account

    @property
    def region(self) -> str:
        """The region of the API that is called."""
        return self.asked.region

    @property
    def operation(self) -> str:
        """The model's name of what is called."""
        return self.asked.operation

    @property
    def input(self) -> Mapping[str, Any]:
        """The members that came with it."""
        return self.asked.input


Answer = Mapping[str, Any] | None
Operation = Callable[[Call], Awaitable[Answer]]
Method = TypeVar("Method", bound=Callable[..., Awaitable[Answer]])


def operation(name: str) -> Callable[[Method], Method]:
    """Declare a method of a `Service` to be the model's operation of that name."""

    def mark(method: Method) -> Method:
        setattr(method, _OPERATION_MARK, name)
        return method

    return mark


class Service:
    """One AWS service. A subclass names its model and decorates its operations.

    Class values say how the service differs from others; all of them have a default.
    """

    model_name: ClassVar[str]
    """The model's folder in botocore, as boto3 calls the service: `iot-data`."""

    iam_prefix: ClassVar[str] = ""
    """The service's name in policy actions (`iot` for iot-data); empty: the signing name."""

    signing_names: ClassVar[tuple[str, ...]] = ()
    """Names to accept in the credential scope beside the model's own."""

    signing_regions: ClassVar[tuple[str, ...]] = ()
    """Regions to accept beside the gateway's own; a global service has `us-east-1`."""

    malformed_code: ClassVar[str] = ""
    """The error for a body that cannot be read; empty: the protocol's usual one, as below."""

    invalid_code: ClassVar[str] = ""
    """The error for input that breaks a constraint of the model, and for a wrong page token."""

    denied_code: ClassVar[str] = ""
    """The error for a call that no policy allows."""

    internal_code: ClassVar[str] = ""
    """The error for a fault of ours."""

    unavailable_code: ClassVar[str] = ""
    """The error for something that cannot be reached or used now."""

    message_member: ClassVar[str] = ""
    """The member with the sentence, in errors that the model does not describe."""

    def operations(self) -> Mapping[str, Operation]:
        """Return the operations that are built, by the model's names.

        A subclass that makes operations from a table returns those along with `super()`'s.
        """
        built: dict[str, Operation] = {}
        for attribute in dir(type(self)):
            name = getattr(getattr(type(self), attribute), _OPERATION_MARK, None)
            if name is not None:
                if name in built:
                    raise TypeError(f"{type(self).__name__} declares the operation {name} twice")
                built[name] = getattr(self, attribute)
        return built


Facts = Mapping[str, Any]


class Authorizer(Protocol):
    """Decides whether a caller may do what it asks for."""

    async def authorize(self, asked: Asked) -> Facts:
        """Return the facts of the decision if it may; they are kept with the call's record.

        Else raise `AccessDeniedError` (or another `DeniedError`) that says what is missing.
        """


BoundServices = Mapping[str, Mapping[str, Operation]]
"""The operations that one account is served with: model name, operation's name, method."""


def bind(services: Sequence[Service]) -> BoundServices:
    """Return the operations of one account's services, for `Gateway`."""
    bound: dict[str, Mapping[str, Operation]] = {}
    for service in services:
        operations = service.operations()
        unknown = operations.keys() - set(load_model(service.model_name).operation_names)
        if unknown:
            raise ConfigurationError(
                f"{type(service).__name__} declares {', '.join(sorted(unknown))}, "
                f"which the model {quoted(service.model_name)} does not have."
            )
        bound[service.model_name] = operations
    return bound


@dataclass(frozen=True, slots=True)
class CallRecord:
    """What is kept of every call, answered or refused.

    `input` has sensitive members as `***`; it is None where the call was refused before its body
    was read. `output` is kept of calls that change something. `caller` is None where the signature
    was not proven; `access_key_id` is then what the caller claimed. `decision` is what the
    authorizer said of its reasons, None where it was not asked. `event_source` is the service's
    host name at AWS, and `peer` is what the accepting side said of the connection.
    """

    at: datetime
    request_id: str
    service: str
    event_source: str
    api_version: str
    operation: str
    read_only: bool
    caller: VerifiedCaller | None
    access_key_id: str
    region: str
    source_ip: str
    user_agent: str
    input: Mapping[str, Any] | None
    output: Mapping[str, Any] | None
    decision: Facts | None
    peer: object
    http_status: int
    error_code: str | None
    error_message: str | None


Recorder = Callable[[CallRecord], None]
