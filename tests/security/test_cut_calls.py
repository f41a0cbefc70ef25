"""Calls whose caller, or whose server, does not wait for the answer are done on the record."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, ClassVar

import pytest
from tests.support.aws_gateway import AllowBut, Keys, gateway_of
from tests.support.aws_requests import signed_request, unsigned_request
from tests.support.clock import ManualClock
from tests.support.http_wire import listening, wire

from hedgerow.aws import Answer, Call, CallRecord, Gateway, HttpLimits, Service
from hedgerow.aws import operation as served_as


class SlowIot(Service):
    """Makes a thing at once, and takes its time to say so."""

    model_name: ClassVar[str] = "iot"

    def __init__(self) -> None:
        self.made: list[str] = []
        self.begun, self.go_on = asyncio.Event(), asyncio.Event()

    @served_as("CreateThing")
    async def create_thing(self, call: Call) -> Answer:
        """Make it, and wait."""
        self.made.append(call.input["thingName"])
        self.begun.set()
        await self.go_on.wait()
        return {"thingName": call.input["thingName"]}


def opened(service: SlowIot, records: list[CallRecord], limits: HttpLimits) -> Gateway:
    """Return a gateway to the service that keeps its records in a list."""
    clock = ManualClock()
    return gateway_of(
        [service], Keys(), AllowBut(), clock=clock, record=records.append, limits=limits
    )


def kept(gateway: Gateway) -> tuple[Callable[[], asyncio.Protocol], list[Any]]:
    """Return what makes the gateway's protocols, and the list of those made."""
    protocols: list[Any] = []

    def accepted() -> asyncio.Protocol:
        protocol = gateway.protocol_factory()
        protocols.append(protocol)
        return protocol

    return accepted, protocols


@asynccontextmanager
async def calling(port: int, service: SlowIot) -> AsyncIterator[None]:
    """Make a call that makes a thing, and go on when it has begun."""
    request = signed_request(
        unsigned_request("POST", "/things/lamp", {"Content-Type": "application/json"}, b"{}"),
        now=ManualClock().now(),
    )
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(wire(request))
        await service.begun.wait()
        yield
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


@pytest.mark.promise(8)
async def test_a_call_whose_caller_has_gone_is_finished_and_recorded_before_the_end() -> None:
    service, records = SlowIot(), list[CallRecord]()
    gateway = opened(service, records, HttpLimits(drain_seconds=5))
    accepted, protocols = kept(gateway)
    async with listening(accepted) as port, calling(port, service):
        protocols[0].transport.abort()
        await asyncio.sleep(0)
        async with asyncio.TaskGroup() as group:
            stopping = group.create_task(gateway.stop())
            await asyncio.sleep(0)
            assert not stopping.done()
            service.go_on.set()
    assert service.made == ["lamp"]
    (record,) = records
    assert (record.operation, record.error_code, record.http_status) == ("CreateThing", None, 200)


@pytest.mark.promise(8)
async def test_a_call_that_the_end_of_the_server_cuts_is_recorded() -> None:
    service, records = SlowIot(), list[CallRecord]()
    gateway = opened(service, records, HttpLimits(drain_seconds=0.05))
    async with listening(gateway.protocol_factory) as port, calling(port, service):
        await gateway.stop()
    assert service.made == ["lamp"]
    (record,) = records
    assert record.operation == "CreateThing"
    assert record.input == {"thingName": "lamp"}
    assert record.http_status == 503
    assert record.error_code is not None


@pytest.mark.promise(8)
async def test_a_call_that_nobody_waits_for_on_either_side_is_recorded() -> None:
    """It is not left to go on when there is no record to write it into any more."""
    service, records = SlowIot(), list[CallRecord]()
    gateway = opened(service, records, HttpLimits(drain_seconds=0.05))
    accepted, protocols = kept(gateway)
    async with listening(accepted) as port, calling(port, service):
        protocols[0].transport.abort()
        await asyncio.sleep(0)
        await gateway.stop()
    (record,) = records
    assert (record.operation, record.http_status) == ("CreateThing", 503)
