"""Every limit, at it and beyond it, with its reaction."""

from datetime import timedelta

import pytest
from tests.support.clock import ManualClock
from tests.support.mqtt_broker import OpenAuthority, serve
from tests.support.mqtt_transport import MemoryTransport

from hedgerow.kernel import CallerError
from hedgerow.mqtt import Broker, Limits, Peer, ProtocolVersion, ReasonCode
from hedgerow.mqtt.codec import (
    Auth,
    Connack,
    Connect,
    Disconnect,
    Packet,
    Pingreq,
    Pingresp,
    Properties,
    Publish,
    Suback,
    Will,
    encode,
)

V311, V5 = ProtocolVersion.V311, ProtocolVersion.V5
BOTH = pytest.mark.parametrize("version", [V311, V5])
R = ReasonCode


def _reasons(packets: list[Packet]) -> list[ReasonCode]:
    assert all(isinstance(packet, Disconnect) for packet in packets), packets
    return [packet.reason for packet in packets if isinstance(packet, Disconnect)]


@pytest.mark.spec("G08")
@BOTH
async def test_a_topic_has_at_most_256_bytes_and_7_slashes(version: ProtocolVersion) -> None:
    longest, deepest = "ä" * 128, "a/" * 7
    async with serve() as served:
        async with await served.connected("a", version) as a:
            assert (await a.subscribe(longest, deepest)).reasons == (R.SUCCESS, R.SUCCESS)
            refused = await a.subscribe(longest + "x", deepest + "/")
            wanted = R.TOPIC_FILTER_INVALID if version is V5 else R.UNSPECIFIED_ERROR
            assert refused.reasons == (wanted, wanted)
            await a.publish(longest)
            await a.publish(deepest)
            await a.message()
            await a.message()
        for topic in (longest + "x", deepest + "/"):
            async with await served.connected("a", version) as a:
                await a.publish(topic)
                end = await a.expect_end()
                assert _reasons(end) == ([R.TOPIC_NAME_INVALID] if version is V5 else [])
        refusals = served.broker.counters.refusals
        assert refusals == {"topic-filter-invalid": 2, "topic-name-invalid": 2}


@pytest.mark.spec("G07")
@BOTH
async def test_a_payload_has_at_most_128_kib(version: ProtocolVersion) -> None:
    largest = 128 * 1024
    async with serve() as served, await served.connected("a", version) as a:
        await a.subscribe("t")
        for _ in range(2):  # the second goes the fast way
            await a.publish("t", b"x" * largest)
            assert len((await a.message()).payload) == largest
        await a.publish("t", b"x" * (largest + 1))
        end = await a.expect_end()
        assert _reasons(end) == ([R.PACKET_TOO_LARGE] if version is V5 else [])
        assert served.broker.counters.refusals == {"packet-too-large": 1}


@BOTH
async def test_a_packet_beyond_every_limit_is_refused_by_its_length(
    version: ProtocolVersion,
) -> None:
    async with serve() as served, await served.connected("a", version) as a:
        await a.send_raw(b"\x30\xff\xff\xff\x7f")
        end = await a.expect_end()
        assert _reasons(end) == ([R.PACKET_TOO_LARGE] if version is V5 else [])


@pytest.mark.parametrize("client_id", ["", "x" * 129])
@BOTH
async def test_a_client_id_has_1_to_128_bytes(client_id: str, version: ProtocolVersion) -> None:
    async with serve() as served:
        async with await served.client(version) as a:
            assert (await a.connect("x" * 128)).reason is R.SUCCESS
        async with await served.client(version) as a:
            assert (await a.connect(client_id)).reason is R.CLIENT_IDENTIFIER_NOT_VALID
            assert await a.expect_end() == []


async def test_a_session_has_at_most_so_many_subscriptions() -> None:
    async with (
        serve(limits=Limits(subscriptions=2)) as served,
        await served.connected("a", V5) as a,
    ):
        answer = await a.subscribe("1", "2", "3")
        assert answer.reasons == (R.SUCCESS, R.SUCCESS, R.QUOTA_EXCEEDED)
        # One that is held already is only replaced.
        assert (await a.subscribe("2")).reasons == (R.SUCCESS,)
        await a.unsubscribe("1")
        assert (await a.subscribe("3")).reasons == (R.SUCCESS,)


async def test_there_are_at_most_so_many_sessions() -> None:
    async with (
        serve(limits=Limits(sessions=1)) as served,
        await served.connected("a") as _,
        await served.client() as b,
        await served.client(V5) as c,
    ):
        assert (await b.connect("b")).reason is R.SERVER_UNAVAILABLE
        assert (await c.connect("c")).reason is R.SERVER_BUSY
        async with await served.connected("a"):
            assert len(served.broker.sessions) == 1


async def test_there_are_at_most_so_many_connections_without_a_connect() -> None:
    async with (
        serve(limits=Limits(silent_connections=1)) as served,
        await served.client() as first,
    ):
        assert (await first.connect("a")).reason is R.SUCCESS
        async with await served.client() as second, await served.client() as third:
            assert await second.expect_end() == []
            assert served.broker.counters.refusals == {"server-busy": 1}
            assert (await third.connect("b")).reason is R.SUCCESS
            await first.sync()


@BOTH
async def test_qos_2_is_not_offered(version: ProtocolVersion) -> None:
    async with serve() as served, await served.connected("a", version) as a:
        await a.send(Publish("t", b"", qos=2, packet_id=1))
        end = await a.expect_end()
        assert _reasons(end) == ([R.QOS_NOT_SUPPORTED] if version is V5 else [])
        assert served.broker.counters.refusals == {"qos-not-supported": 1}


async def test_retain_is_not_offered() -> None:
    async with serve() as served:
        async with await served.connected("a", V5) as a:
            await a.send(Publish("t", b"", retain=True))
            assert _reasons(await a.expect_end()) == [R.RETAIN_NOT_SUPPORTED]
        async with await served.connected("a", V311) as a:
            await a.subscribe("t")
            await a.publish("t", b"x", retain=True)
            await a.expect(Publish("t", b"x"))


async def test_shared_subscriptions_are_not_offered_to_mqtt_5() -> None:
    async with serve() as served, await served.connected("a", V5) as a:
        answer = await a.subscribe("$share/g/t")
        assert answer.reasons == (R.SHARED_SUBSCRIPTIONS_NOT_SUPPORTED,)


@pytest.mark.parametrize(
    ("will", "version", "reason"),
    [
        (Will("a/" * 8, b""), V5, R.TOPIC_NAME_INVALID),
        (Will("a/" * 8, b""), V311, R.NOT_AUTHORIZED),
        (Will("t", b"", qos=2), V5, R.QOS_NOT_SUPPORTED),
        (Will("t", b"", retain=True), V5, R.RETAIN_NOT_SUPPORTED),
        (Will("t", b"", retain=True), V311, R.SUCCESS),
    ],
)
async def test_a_will_keeps_to_the_limits_of_a_publish(
    will: Will, version: ProtocolVersion, reason: ReasonCode
) -> None:
    async with serve() as served, await served.client(version) as a:
        assert (await a.connect("a", will=will)).reason is reason


async def test_extended_authentication_is_not_offered() -> None:
    async with serve() as served:
        async with await served.client(V5) as a:
            answer = await a.connect("a", properties=Properties(authentication_method="SCRAM"))
            assert answer.reason is R.BAD_AUTHENTICATION_METHOD
        async with await served.connected("a", V5) as a:
            await a.send(Auth(R.RE_AUTHENTICATE))
            assert _reasons(await a.expect_end()) == [R.PROTOCOL_ERROR]


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        (Publish("", b"", properties=Properties(topic_alias=9)), R.TOPIC_ALIAS_INVALID),
        (Publish("", b"", properties=Properties(topic_alias=8)), R.PROTOCOL_ERROR),
        (Connect("a", V5), R.PROTOCOL_ERROR),
        (Connack(), R.PROTOCOL_ERROR),
        (Pingresp(), R.PROTOCOL_ERROR),
        (Suback(1, (R.SUCCESS,)), R.PROTOCOL_ERROR),
        (Disconnect(properties=Properties(session_expiry_interval=9)), R.PROTOCOL_ERROR),
    ],
)
async def test_what_breaks_the_protocol_ends_the_connection(
    packet: Packet, reason: ReasonCode
) -> None:
    async with serve() as served, await served.connected("a", V5) as a:
        await a.send(packet)
        assert _reasons(await a.expect_end()) == [reason]


async def test_nothing_but_a_connect_is_answered_first() -> None:
    async with serve() as served, await served.client() as a:
        await a.send(Pingreq())
        assert await a.expect_end() == []
        assert served.broker.counters.refusals == {"protocol-error": 1}


async def test_a_protocol_level_from_the_future_is_answered_and_closed() -> None:
    async with serve() as served, await served.client() as a:
        await a.send_raw(bytes.fromhex("100c00044d5154540602003c0000"))
        await a.expect(Connack(R.UNSUPPORTED_PROTOCOL_VERSION))
        assert await a.expect_end() == []


async def test_a_connect_must_come_in_time() -> None:
    clock = ManualClock()
    async with serve(clock=clock) as served, await served.client() as a:
        await served.connected_count(1)
        clock.advance(timedelta(seconds=9))
        served.broker.tick()
        clock.advance(timedelta(seconds=1))
        served.broker.tick()
        assert await a.expect_end() == []
        assert served.broker.counters.refusals == {"connect-timeout": 1}


@BOTH
async def test_a_connect_that_drips_in_must_be_whole_in_time(version: ProtocolVersion) -> None:
    clock = ManualClock()
    broker = Broker(OpenAuthority(), clock=clock, name="dripped on")
    transport = MemoryTransport()
    transport.attach(broker.protocol(Peer("x", "memory")))
    for byte in encode(Connect("a", version), version)[:10]:
        assert not transport.is_closing()
        transport.deliver(bytes([byte]))
        clock.advance(timedelta(seconds=1))
        broker.tick()
    assert transport.is_closing()
    assert broker.counters.refusals == {"connect-timeout": 1}
    await broker.stop()


@BOTH
async def test_silence_of_one_and_a_half_keep_alives_ends_the_connection(
    version: ProtocolVersion,
) -> None:
    clock = ManualClock()
    async with serve(clock=clock) as served, await served.client(version) as a:
        await a.connect("a", keep_alive_s=10)
        for _ in range(3):
            clock.advance(timedelta(seconds=14))
            served.broker.tick()
            await a.sync()
        clock.advance(timedelta(seconds=16))
        served.broker.tick()
        end = await a.expect_end()
        assert _reasons(end) == ([R.KEEP_ALIVE_TIMEOUT] if version is V5 else [])
        assert served.broker.counters.refusals == {"keep-alive-timeout": 1}


async def test_a_client_that_wants_no_keep_alive_gets_the_longest() -> None:
    clock = ManualClock()
    async with serve(clock=clock) as served, await served.client() as a:
        await a.connect("a", keep_alive_s=0)
        clock.advance(timedelta(seconds=1790))
        served.broker.tick()
        await a.sync()
        clock.advance(timedelta(seconds=1801))
        served.broker.tick()
        assert await a.expect_end() == []


@pytest.mark.parametrize(
    ("topic", "payload", "qos"),
    [
        ("", b"", 0),
        ("a/#", b"", 0),
        ("a" * 257, b"", 0),
        ("/" * 8, b"", 0),
        ("t", b"x" * (128 * 1024 + 1), 0),
        ("t", b"", 2),
        ("t", b"", -1),
    ],
)
async def test_the_inside_keeps_to_the_limits_too(topic: str, payload: bytes, qos: int) -> None:
    async with serve() as served:
        with pytest.raises(CallerError):
            served.broker.publish("cloud", topic, payload, qos=qos)


async def test_a_client_that_does_not_read_its_answers_is_cut_off() -> None:
    """A flood of requests whose answers are never read must not fill the memory."""
    limits = Limits(outgoing_bytes=10_000, transport_bytes=10_000)
    async with serve(limits=limits) as served, await served.connected("a") as a:
        flood = encode(Pingreq(), V311) * 50_000
        try:
            while not served.broker.counters.refusals:
                await a.send_raw(flood)
        except ConnectionError:
            pass
        assert set(served.broker.counters.refusals) == {"outgoing-full"}
