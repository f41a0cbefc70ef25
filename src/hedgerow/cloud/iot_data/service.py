"""The `iot-data` service: shadows and publishing, as boto3 and the AWS CLI call them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import ClassVar

from hedgerow.aws import Answer, AwsError, Call, operation
from hedgerow.cloud.iot_data.broker_calls import BrokerCalls, Publisher
from hedgerow.cloud.iot_data.shadow_service import PAGE_DEFAULT, ShadowService
from hedgerow.contract import CLASSIC
from hedgerow.shadow import ShadowError
from hedgerow.store import InvalidPageTokenError


class IotDataService(BrokerCalls):
    """Shadows (get, update, delete, names of the named ones), and the calls of the broker."""

    model_name: ClassVar[str] = "iot-data"
    iam_prefix: ClassVar[str] = "iot"
    malformed_code: ClassVar[str] = "InvalidRequestException"
    invalid_code: ClassVar[str] = "InvalidRequestException"
    denied_code: ClassVar[str] = "ForbiddenException"
    internal_code: ClassVar[str] = "InternalFailureException"

    def __init__(self, shadows: ShadowService, publisher: Publisher) -> None:
        super().__init__(publisher)
        self._shadows = shadows

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
