"""What the local server does beyond V1, each part only where its option is on."""

import pytest
from tests.support.core import until
from tests.support.local_server import Local, local_server

from hedgerow.contract import CLOUD
from hedgerow.core.server import LocalOffer, local_limits
from hedgerow.mqtt import ProtocolVersion, ReasonCode
from hedgerow.mqtt.codec import Properties, Puback

SESSIONS = LocalOffer(qos=1, sessions_s=3600)
ROWS = [("A", "t/#", "B"), (CLOUD, "t/#", "B")]


async def _away(local: Local, *topics: str, version: ProtocolVersion) -> None:
    """Have B subscribe with a session that lasts, and go."""
    b = local.double.devices[1]
    properties = (
        Properties(session_expiry_interval=3600) if version is ProtocolVersion.V5 else Properties()
    )
    async with await local.transport(b, version) as client:
        await client.connect("B", clean_start=False, properties=properties)
        await client.subscribe(*topics, qos=1)
    await until(lambda: [s.client_id for s in local.server.broker.sessions] == ["A"])


async def _back(local: Local, version: ProtocolVersion) -> tuple[bool, list[bytes]]:
    """Return whether B found its session, and what waited in it."""
    async with await local.transport(local.double.devices[1], version) as client:
        answer = await client.connect("B", clean_start=False)
        payloads = [
            (await client.message()).payload
            for _ in range(_waiting(local) if answer.session_present else 0)
        ]
        await client.sync()
        return answer.session_present, payloads


def _waiting(local: Local) -> int:
    session = local.server.broker._engine.sessions["B"]
    return len(session.deliveries)


@pytest.mark.parametrize("version", [ProtocolVersion.V311, ProtocolVersion.V5])
async def test_with_the_options_messages_wait_for_a_device_that_is_away(
    version: ProtocolVersion,
) -> None:
    async with local_server("A", "B", rows=ROWS, offer=SESSIONS) as local:
        async with await local.connected(local.double.devices[0]) as sender:
            await _away(local, "t/#", version=version)
            for number in range(5):
                await sender.publish("t/x", b"%d" % number, qos=1)
            local.server.publish_from_cloud("t/y", b"from the cloud")
            found, payloads = await _back(local, version)
        assert found
        assert payloads == [b"0", b"1", b"2", b"3", b"4", b"from the cloud"]


async def test_with_local_qos_1_a_message_is_sent_until_it_is_acknowledged() -> None:
    async with local_server("A", "B", rows=ROWS, offer=LocalOffer(qos=1)) as local:
        a, b = local.double.devices
        async with await local.connected(a) as sender, await local.connected(b) as receiver:
            assert (await receiver.subscribe("t/x", qos=1)).reasons[0] == 1
            await sender.publish("t/x", b"once", qos=1)
            message = await receiver.receive()
            assert message.qos == 1  # type: ignore[union-attr]  # it is a message
            assert _waiting(local) == 1
            await receiver.send(Puback(message.packet_id))  # type: ignore[union-attr]
            await receiver.sync()
            assert _waiting(local) == 0


@pytest.mark.parametrize("gone", ["row", "certificate", "device"])
async def test_what_waits_is_let_go_with_the_row_the_certificate_or_the_device(gone: str) -> None:
    async with local_server("A", "B", rows=ROWS, offer=SESSIONS) as local:
        a, b = local.double.devices
        async with await local.connected(a) as sender:
            await _away(local, "t/#", version=ProtocolVersion.V5)
            await sender.publish("t/x", b"waits", qos=1)
            rows = local.double.rows
            match gone:
                case "row":
                    local.double.rows = rows[1:]
                case "certificate":
                    local.double.revoke(b)
                case _:
                    local.double.departed.add("B")
            local.serve()
            assert bool(local.server.broker.sessions_away) is (gone == "row")
            await sender.publish("t/x", b"meanwhile", qos=1)
            local.double.rows = rows
            local.double.revoked.clear()
            local.double.departed.clear()
            if gone != "row":
                local.serve()
            found, payloads = await _back_to_nothing(local)
            assert (found, payloads) == (gone == "row", [])


async def _back_to_nothing(local: Local) -> tuple[bool, list[bytes]]:
    async with await local.transport(local.double.devices[1], ProtocolVersion.V5) as client:
        answer = await client.connect("B", clean_start=False)
        await client.sync()
        return answer.session_present, []


async def test_a_session_is_the_things_and_goes_on_under_its_next_certificate() -> None:
    async with local_server("A", "B", rows=ROWS, offer=SESSIONS) as local:
        a, b = local.double.devices
        async with await local.connected(a) as sender:
            await _away(local, "t/#", version=ProtocolVersion.V5)
            await sender.publish("t/x", b"before", qos=1)
            local.double.devices.append(local.double.keys.device("B"))
            local.serve()
            local.double.revoke(b)
            local.serve()
            await sender.publish("t/x", b"after", qos=1)
            local.double.devices[1] = local.double.devices.pop()
            assert await _back(local, ProtocolVersion.V5) == (True, [b"before", b"after"])


async def test_retained_messages_reach_along_rows_only() -> None:
    offer = LocalOffer(retained=True)
    async with local_server("A", "B", "C", rows=[("A", "t/x", "B")], offer=offer) as local:
        a, b, c = local.double.devices
        async with (
            await local.connected(a) as sender,
            await local.connected(b) as receiver,
            await local.connected(c) as other,
        ):
            await sender.publish("t/x", b"kept", qos=1, retain=True)
            await receiver.subscribe("t/x")
            assert (await receiver.message()).payload == b"kept"
            local.double.rows.append((b.arn, "t/x", c.arn))
            local.serve()
            assert (await other.subscribe("t/x")).reasons == (ReasonCode.SUCCESS,)
            await other.sync()


async def test_shared_subscriptions_are_judged_by_the_filter_that_they_share() -> None:
    rows = [("A", "t/x", "B"), ("A", "t/x", "C")]
    offer = LocalOffer(shared_subscriptions=True)
    async with local_server("A", "B", "C", rows=rows, offer=offer) as local:
        a, b, c = local.double.devices
        async with (
            await local.connected(a) as sender,
            await local.connected(b) as one,
            await local.connected(c) as other,
        ):
            for client in (one, other):
                assert (await client.subscribe("$share/g/t/x")).reasons == (ReasonCode.SUCCESS,)
                refused = await client.subscribe("$share/g/elsewhere")
                assert refused.reasons == (ReasonCode.NOT_AUTHORIZED,)
            await sender.publish("t/x", b"1", qos=1)
            await sender.publish("t/x", b"2", qos=1)
            assert {(await one.message()).payload, (await other.message()).payload} == {b"1", b"2"}


@pytest.mark.spec("F07")
def test_without_an_option_the_offer_is_that_of_v1() -> None:
    limits = local_limits()
    assert (limits.maximum_qos, limits.granted_qos) == (1, 0)
    assert limits.session_expiry_s == 0
    assert not limits.retain_available
    assert not limits.shared_subscriptions
