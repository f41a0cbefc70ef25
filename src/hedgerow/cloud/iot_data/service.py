"""The `iot-data` service: shadows and publishing, as boto3 and the AWS CLI call them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import ClassVar, Protocol

from hedgerow.aws import Answer, AwsError, Call, Service, operation
from hedgerow.cloud.iot_data.shadow_service import PAGE_DEFAULT, ShadowService
from hedgerow.contract import CLASSIC, parse_shadow_topic
from hedgerow.kernel import quoted
from hedgerow.mqtt import valid_topic
from hedgerow.shadow import ShadowError
from hedgerow.store import InvalidPageTokenError

MAX_PAYLOAD_BYTES = 128 * 1024
MAX_TOPIC_BYTES = 256
MAX_TOPIC_SLASHES = 7


class Publisher(Protocol):
    """Publishes into the cloud's broker, as the cloud itself."""

    async def publish(self, topic: str, payload: bytes, *, qos: int = 0) -> None:
        """Give a message to everyone who is subscribed and may receive it."""


class IotDataService(Service):
    """Shadows (get, update, delete, names of the named ones) and Publish."""

    model_name: ClassVar[str] = "iot-data"
    iam_prefix: ClassVar[str] = "iot"
    malformed_code: ClassVar[str] = "InvalidRequestException"
    invalid_code: ClassVar[str] = "InvalidRequestException"
    denied_code: ClassVar[str] = "ForbiddenException"
    internal_code: ClassVar[str] = "InternalFailureException"

    def __init__(self, shadows: ShadowService, publisher: Publisher) -> None:
        self._shadows = shadows
        self._publisher = publisher

    @operation("GetThingShadow")
    async def get_thing_shadow(self, call: Call) -> Answer:
        """Return the document of a thing's shadow."""
        async with _aws_errors():
            return {
                "payload": await self._shadows.get(call.input["thingName"], shadow_name=_name(call))
            }

    @operation("UpdateThingShadow")
    async def update_thing_shadow(self, call: Call) -> Answer:
        """Merge an update into a thing's shadow."""
        async with _aws_errors():
            answer = await self._shadows.update(
                call.input["thingName"], call.input["payload"], shadow_name=_name(call)
            )
        return {"payload": answer}

    @operation("DeleteThingShadow")
    async def delete_thing_shadow(self, call: Call) -> Answer:
        """Delete a thing's shadow."""
        async with _aws_errors():
            return {
                "payload": await self._shadows.delete(
                    call.input["thingName"], shadow_name=_name(call)
                )
            }

    @operation("ListNamedShadowsForThing")
    async def list_named_shadows_for_thing(self, call: Call) -> Answer:
        """Return the names of a thing's named shadows, page by page."""
        async with _aws_errors():
            try:
                page = await self._shadows.names(
                    call.input["thingName"],
                    limit=call.input.get("pageSize") or PAGE_DEFAULT,
                    after=call.input.get("nextToken"),
                )
            except InvalidPageTokenError:
                raise _invalid("Invalid nextToken") from None
        answer: dict[str, object] = {"results": list(page.results), "timestamp": page.timestamp}
        return answer if page.next_token is None else {**answer, "nextToken": page.next_token}

    @operation("Publish")
    async def publish(self, call: Call) -> Answer:
        """Publish a message; of the reserved topics, only requests to shadows are open."""
        topic, payload = call.input["topic"], call.input.get("payload") or b""
        _require_publishable(topic, payload)
        if call.input.get("retain"):
            raise _invalid("Retained messages are not supported; leave retain out.")
        await self._publisher.publish(topic, payload, qos=call.input.get("qos") or 0)
        return None


def _require_publishable(topic: str, payload: bytes) -> None:
    if not valid_topic(topic):
        raise _invalid(f"{quoted(topic)} is not a topic name; it has no '+', '#' or NUL.")
    if len(topic.encode()) > MAX_TOPIC_BYTES or topic.count("/") > MAX_TOPIC_SLASHES:
        raise _invalid(
            f"A topic has at most {MAX_TOPIC_BYTES} bytes and {MAX_TOPIC_SLASHES} slashes."
        )
    if topic.startswith("$"):
        reserved = parse_shadow_topic(topic)
        if reserved is None or reserved.event:
            raise _invalid(f"The topic {quoted(topic)} is reserved.")
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise _invalid(f"A payload has at most {MAX_PAYLOAD_BYTES} bytes, not {len(payload)}.")


def _name(call: Call) -> str:
    """Return which of the thing's shadows a call is about."""
    name: str = call.input.get("shadowName", CLASSIC)
    return name


def _invalid(message: str) -> AwsError:
    return AwsError("InvalidRequestException", message)


@asynccontextmanager
async def _aws_errors() -> AsyncIterator[None]:
    try:
        yield
    except ShadowError as error:
        raise AwsError(error.reason_code, error.message, http_status=error.status) from error
