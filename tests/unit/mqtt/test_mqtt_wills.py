"""What is published for clients that vanish."""

import pytest
from tests.support.mqtt_broker import Collector, OpenAuthority, Served, denied, serve
from tests.support.mqtt_client import MqttClient

from hedgerow.mqtt import ProtocolVersion, ReasonCode
from hedgerow.mqtt.codec import Properties, Publish, Will

V311, V5 = ProtocolVersion.V311, ProtocolVersion.V5
BOTH = pytest.mark.parametrize("version", [V311, V5])
_WILL = Will("gone/a", b"a is gone")


async def _mortal(served: Served, version: ProtocolVersion, will: Will = _WILL) -> MqttClient:
    client = await served.client(version)
    await client.connect("a", will=will)
    return client


@BOTH
async def test_a_client_that_vanishes_leaves_its_will(version: ProtocolVersion) -> None:
    async with serve() as served, await served.connected("w", version) as watcher:
        await watcher.subscribe("gone/#")
        client = await _mortal(served, version)
        client.abort()
        await watcher.expect(Publish("gone/a", b"a is gone"))
        await client.close()


@BOTH
async def test_a_goodbye_takes_the_will_with_it(version: ProtocolVersion) -> None:
    async with serve() as served, await served.connected("w", version) as watcher:
        await watcher.subscribe("gone/#")
        async with await _mortal(served, version) as client:
            await client.goodbye()
            assert await client.expect_end() == []
        await watcher.sync()


async def test_mqtt_5_can_say_goodbye_and_leave_its_will() -> None:
    async with serve() as served, await served.connected("w", V5) as watcher:
        await watcher.subscribe("gone/#")
        will = Will("gone/a", b"x", properties=Properties(will_delay_interval=60, content_type="t"))
        async with await _mortal(served, V5, will) as client:
            await client.goodbye(ReasonCode.DISCONNECT_WITH_WILL)
            # The session ends with its connection, and the delay with the session.
            await watcher.expect(Publish("gone/a", b"x", properties=Properties(content_type="t")))


@BOTH
async def test_a_broken_protocol_leaves_the_will(version: ProtocolVersion) -> None:
    async with serve() as served, await served.connected("w", version) as watcher:
        await watcher.subscribe("gone/#")
        async with await _mortal(served, version) as client:
            await client.send_raw(b"\x00\x00")
            await client.expect_end()
        assert (await watcher.message()).payload == b"a is gone"


@BOTH
async def test_a_client_taken_over_leaves_its_will(version: ProtocolVersion) -> None:
    async with serve() as served, await served.connected("w", version) as watcher:
        await watcher.subscribe("gone/#")
        async with await _mortal(served, version), await served.connected("a", version):
            assert (await watcher.message()).payload == b"a is gone"


@pytest.mark.promise(3)
@BOTH
async def test_a_will_is_published_only_if_the_authority_allows_it_then(
    version: ProtocolVersion,
) -> None:
    authority = OpenAuthority()
    async with serve(authority) as served, await served.connected("w", version) as watcher:
        await watcher.subscribe("gone/#")
        async with await _mortal(served, version) as client:
            # The answer that was given earlier no longer counts.
            await client.publish("gone/a", b"alive")
            assert (await watcher.message()).payload == b"alive"
            authority.no_publish["a", "gone/a"] = denied("revoked")
            assert served.broker.disconnect(lambda ref: ref.client_id == "a", "revoked") == 1
            await client.expect_end()
        await watcher.sync()
        assert [event.code for event in authority.events] == ["cut", "publish-denied"]


async def test_a_will_that_cannot_be_judged_is_not_published(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Failing(OpenAuthority):
        def may_receive(self, *_: object) -> bool:
            raise RuntimeError("a bug in the authority")

    async with serve(Failing()) as served, await served.connected("w") as watcher:
        await watcher.subscribe("gone/#")
        async with await _mortal(served, V311) as client:
            await client.goodbye(ReasonCode.SUCCESS)
        async with await _mortal(served, V311) as client:
            await client.send_raw(b"\x00\x00")
            await client.expect_end()
        await watcher.sync()
        assert served.broker.counters.refusals["internal-error"] == 1
    assert "a will could not be judged" in caplog.text


async def test_targets_inside_are_told_that_it_is_a_will() -> None:
    collector = Collector()
    authority = OpenAuthority(tapped=[("gone/#", collector)])
    async with serve(authority) as served:
        client = await _mortal(served, V5)
        await client.publish("gone/a", b"alive", qos=1)
        await client.goodbye(ReasonCode.DISCONNECT_WITH_WILL)
        await client.expect_end()
        await client.close()
    assert [(message.payload, message.is_will) for message in collector.messages] == [
        (b"alive", False),
        (b"a is gone", True),
    ]
