"""A certificate that ends while its connection stands: TLS never looks again, the core does."""

import asyncio
from datetime import timedelta

import pytest
from tests.support.clock import ManualClock
from tests.support.cloud_documents import Device, cloud_keys, ec_key
from tests.support.local_server import Local, local_server

from hedgerow.mqtt.codec import Disconnect
from hedgerow.pki import device_certificate, load_certificate

SECOND = timedelta(seconds=1)


def short_lived(name: str) -> Device:
    key = ec_key()
    profile = device_certificate(timedelta(hours=1))
    return Device(name, key, cloud_keys().device_ca.issue(profile, key.public_key))


def device(local: Local, name: str) -> Device:
    return next(each for each in local.double.devices if each.name == name)


@pytest.mark.promise(2)
@pytest.mark.both_loops
async def test_a_connection_ends_with_its_certificate_and_no_other_does() -> None:
    passing = short_lived("A")
    end = load_certificate(passing.certificate_pem).not_valid_after_utc
    clock = ManualClock(end - SECOND)
    async with local_server("A", "B", clock=clock) as local:
        local.double.devices.append(passing)
        local.serve()
        a, b = await local.connected(passing), await local.connected(device(local, "B"))
        running = asyncio.get_running_loop().create_task(local.server.run())
        try:
            clock.advance(SECOND)
            epoch = local.server.broker._engine.router.epoch
            local.server.cut_ended()
            assert (
                local.server.broker._engine.router.epoch == epoch
            )  # answers that are known stay so
            await a.sync()
            clock.advance(SECOND)
            assert [type(packet) for packet in await a.expect_end()] == [Disconnect]
            await b.sync()
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await b.close()
