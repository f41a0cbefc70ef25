"""What the broker does for its clients, over real sockets."""

import pytest
from tests.support.mqtt_broker import Collector, OpenAuthority, denied, serve, turned_away

from hedgerow.mqtt import Limits, ProtocolVersion, ReasonCode
from hedgerow.mqtt.codec import (
    Connack,
    Disconnect,
    Properties,
    Puback,
    Publish,
    Suback,
    Subscribe,
    SubscribeItem,
    Unsuback,
)

V31, V311, V5 = ProtocolVersion.V31, ProtocolVersion.V311, ProtocolVersion.V5
BOTH = pytest.mark.parametrize("version", [V311, V5])
R = ReasonCode


@pytest.mark.parametrize("publisher", [V31, V311, V5])
@pytest.mark.parametrize("subscriber", [V31, V311, V5])
async def test_messages_go_between_all_versions_in_order(
    publisher: ProtocolVersion, subscriber: ProtocolVersion
) -> None:
    async with (
        serve() as served,
        await served.connected("a", publisher) as a,
        await served.connected("b", subscriber) as b,
    ):
        await b.subscribe("t/+")
        sent = [Publish(f"t/{number % 3}", b"%d" % number * number) for number in range(300)]
        await a.send(*sent)
        for message in sent:
            await b.expect(message)
        await a.sync()
        await b.sync()
        counters = served.broker.counters
        assert (counters.messages_received, counters.messages_delivered) == (300, 300)


@BOTH
async def test_a_message_without_a_subscriber_goes_nowhere(version: ProtocolVersion) -> None:
    async with serve() as served, await served.connected("a", version) as a:
        await a.subscribe("other")
        await a.publish("t", b"x")
        await a.sync()
        assert served.broker.counters.messages_delivered == 0


@BOTH
async def test_overlapping_subscriptions_give_one_message(version: ProtocolVersion) -> None:
    async with serve() as served, await served.connected("a", version) as a:
        await a.subscribe("t/#", "t/+", "t/1")
        await a.publish("t/1", b"x")
        await a.expect(Publish("t/1", b"x"))
        await a.sync()


@BOTH
async def test_an_ended_subscription_gives_nothing(version: ProtocolVersion) -> None:
    async with serve() as served, await served.connected("a", version) as a:
        await a.subscribe("t")
        await a.publish("t")
        await a.message()
        answer = await a.unsubscribe("t", "never")
        wanted = (R.SUCCESS, R.NO_SUBSCRIPTION_EXISTED) if version is V5 else ()
        assert answer == Unsuback(answer.packet_id, wanted)
        await a.publish("t")
        await a.sync()


@BOTH
async def test_qos_1_is_acknowledged_to_the_publisher_and_by_the_subscriber(
    version: ProtocolVersion,
) -> None:
    async with (
        serve() as served,
        await served.connected("a", version) as a,
        await served.connected("b", version) as b,
        await served.connected("c", version) as c,
    ):
        answer = await b.subscribe("t", qos=2)
        assert answer.reasons == (R.GRANTED_QOS_1,)
        await c.subscribe("t", qos=0)
        assert await a.publish("t", b"x", qos=1) == Puback(1)
        assert await b.message() == Publish("t", b"x", qos=1, packet_id=1)
        assert await c.message() == Publish("t", b"x")
        await a.publish("t", b"y")
        assert await b.message() == Publish("t", b"y")
        assert await c.message() == Publish("t", b"y")


async def test_mqtt_5_hears_that_nobody_listens() -> None:
    async with serve() as served, await served.connected("a", V5) as a:
        assert await a.publish("t", qos=1) == Puback(1, R.NO_MATCHING_SUBSCRIBERS)


async def test_a_subscriber_gets_as_many_unacknowledged_messages_as_it_wants() -> None:
    async with (
        serve() as served,
        await served.connected("a", V5) as a,
        await served.client(V5) as b,
    ):
        await b.connect("b", properties=Properties(receive_maximum=2))
        await b.subscribe("t", qos=1)
        for number in range(4):
            await a.publish("t", b"%d" % number, qos=1)
        first, second = await b.receive(), await b.receive()
        await b.sync()
        assert isinstance(first, Publish)
        await b.send(Puback(first.packet_id))
        third = await b.receive()
        await b.sync()
        assert [getattr(message, "payload", b"") for message in (first, second, third)] == [
            b"0",
            b"1",
            b"2",
        ]


@BOTH
async def test_a_client_id_is_taken_over(version: ProtocolVersion) -> None:
    async with (
        serve() as served,
        await served.connected("a", version) as old,
        await served.connected("a", version) as new,
    ):
        goodbye = await old.expect_end()
        assert [getattr(packet, "reason", None) for packet in goodbye] == (
            [R.SESSION_TAKEN_OVER] if version is V5 else []
        )
        await new.subscribe("t")
        await new.publish("t")
        await new.message()
        assert served.broker.counters.refusals["session-taken-over"] == 1
        assert [ref.client_id for ref in served.broker.sessions] == ["a"]


@BOTH
async def test_sessions_start_clean_whatever_was_asked(version: ProtocolVersion) -> None:
    async with serve() as served:
        async with await served.client(version) as a:
            assert not (await a.connect("a", clean_start=False)).session_present
            await a.subscribe("t")
        async with await served.client(version) as a:
            assert not (await a.connect("a", clean_start=False)).session_present
            await a.publish("t")
            await a.sync()


async def test_mqtt_5_is_told_the_limits() -> None:
    async with serve() as served, await served.client(V5) as a:
        answer = await a.connect(
            "a", keep_alive_s=5000, properties=Properties(session_expiry_interval=60)
        )
        assert answer == Connack(
            properties=Properties(
                session_expiry_interval=0,
                receive_maximum=100,
                maximum_qos=1,
                retain_available=False,
                maximum_packet_size=Limits().packet_bytes,
                topic_alias_maximum=8,
                shared_subscription_available=False,
                server_keep_alive=1200,
            )
        )


async def test_an_empty_client_id_gets_one_where_that_is_on() -> None:
    async with (
        serve(limits=Limits(assign_client_ids=True)) as served,
        await served.client(V5) as a,
        await served.client() as b,
        await served.client() as c,
    ):
        assigned = (await a.connect("")).properties.assigned_client_identifier
        await b.connect("")
        assert {assigned} < {ref.client_id for ref in served.broker.sessions}
        answer = await c.connect("", clean_start=False)
        assert answer.reason is R.CLIENT_IDENTIFIER_NOT_VALID


@BOTH
async def test_the_authority_turns_a_client_away(version: ProtocolVersion) -> None:
    authority = OpenAuthority(refused_clients={"a": turned_away("not a device of this group")})
    async with serve(authority) as served, await served.client(version) as a:
        answer = await a.connect("a")
        assert answer.reason is R.NOT_AUTHORIZED
        assert answer.properties.reason_string == (
            "not a device of this group" if version is V5 else None
        )
        assert await a.expect_end() == []
        (event,) = authority.events
        assert (event.action, event.code, event.client_id) == ("connect", "connect-denied", "a")
        assert (event.reason, event.address) == ("not a device of this group", "127.0.0.1")
        assert served.broker.sessions == ()


@BOTH
async def test_a_denied_publish_goes_nowhere_and_is_told(version: ProtocolVersion) -> None:
    authority = OpenAuthority(no_publish={("a", "t"): denied("no row for t")})
    async with (
        serve(authority) as served,
        await served.connected("a", version) as a,
        await served.connected("b", version) as b,
    ):
        await b.subscribe("#")
        await a.publish("t", b"0")
        await a.publish("t", b"0")
        answer = await a.publish("t", b"1", qos=1)
        assert answer == (
            Puback(1, R.NOT_AUTHORIZED, Properties(reason_string="no row for t"))
            if version is V5
            else Puback(1)
        )
        await b.sync()
        assert [(event.code, event.topic) for event in authority.events] == [
            ("publish-denied", "t")
        ] * 3


@BOTH
async def test_a_denied_publish_can_end_the_connection(version: ProtocolVersion) -> None:
    authority = OpenAuthority(no_publish={("a", "t"): denied("no", disconnect=True)})
    async with serve(authority) as served, await served.connected("a", version) as a:
        await a.publish("t", b"0")
        end = await a.expect_end()
        told = [Disconnect(R.NOT_AUTHORIZED, Properties(reason_string="no"))]
        assert end == (told if version is V5 else [])


@BOTH
async def test_a_denied_subscription_is_told_beside_the_granted_ones(
    version: ProtocolVersion,
) -> None:
    authority = OpenAuthority(no_subscribe={("a", "x"): denied("not yours")})
    async with serve(authority) as served, await served.connected("a", version) as a:
        answer = await a.subscribe("t", "x", "u")
        if version is V5:
            explained = Properties(reason_string="not yours")
            wanted = Suback(1, (R.SUCCESS, R.NOT_AUTHORIZED, R.SUCCESS), explained)
        else:
            wanted = Suback(1, (R.SUCCESS, R.UNSPECIFIED_ERROR, R.SUCCESS))
        assert answer == wanted
        await a.publish("x")
        await a.sync()


async def test_a_denied_subscription_can_end_the_connection() -> None:
    authority = OpenAuthority(no_subscribe={("a", "x"): denied("no", disconnect=True)})
    async with serve(authority) as served, await served.connected("a") as a:
        await a.send(Subscribe(1, (SubscribeItem("x"),)))
        assert await a.expect_end() == []


async def test_a_client_that_wants_no_reasons_gets_none() -> None:
    authority = OpenAuthority(no_publish={("a", "t"): denied("no row")})
    async with serve(authority) as served, await served.client(V5) as a:
        await a.connect("a", properties=Properties(request_problem_information=False))
        assert await a.publish("t", qos=1) == Puback(1, R.NOT_AUTHORIZED)


async def test_a_reason_that_is_too_long_for_the_client_is_left_out() -> None:
    authority = OpenAuthority(no_publish={("a", "t"): denied("no row " * 20)})
    async with serve(authority) as served, await served.client(V5) as a:
        await a.connect("a", properties=Properties(maximum_packet_size=100))
        assert await a.publish("t", qos=1) == Puback(1, R.NOT_AUTHORIZED)


@pytest.mark.promise(3)
@BOTH
async def test_a_message_reaches_only_those_who_may_receive_it(version: ProtocolVersion) -> None:
    authority = OpenAuthority(no_receive={("a", "c", "t")})
    async with (
        serve(authority) as served,
        await served.connected("a", version) as a,
        await served.connected("b", version) as b,
        await served.connected("c", version) as c,
    ):
        await b.subscribe("#")
        await c.subscribe("#")
        for number in range(3):
            await a.publish("t", b"%d" % number)
            assert (await b.message()).payload == b"%d" % number
        await c.sync()
        await b.publish("t", b"from b")
        assert (await c.message()).payload == b"from b"


async def test_taps_get_messages_beside_the_subscribers() -> None:
    tap = Collector()
    authority = OpenAuthority(tapped=[("t/#", tap)])
    async with serve(authority) as served, await served.connected("a") as a:
        await a.subscribe("t/1")
        await a.publish("t/1", b"x")
        await a.publish("t/1", b"y", qos=0, retain=True)
        await a.publish("u", b"z")
        assert [(await a.message()).payload, (await a.message()).payload] == [b"x", b"y"]
        await a.sync()
        (ref,) = served.broker.sessions
        assert [
            (message.topic, message.payload, message.source is ref, message.retain)
            for message in tap.messages
        ] == [("t/1", b"x", True, False), ("t/1", b"y", True, True)]


async def test_a_tap_that_fails_costs_nobody_else_the_message(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(_message: object) -> None:
        raise RuntimeError("a bug")

    tap = Collector()
    authority = OpenAuthority(tapped=[("t", broken), ("t", tap)])
    async with serve(authority) as served, await served.connected("a") as a:
        await a.subscribe("t")
        await a.publish("t", b"x")
        await a.message()
        assert len(tap.messages) == 1
        assert served.broker.counters.refusals["tap-failed"] == 1
    assert "an in-process target failed" in caplog.text


@BOTH
async def test_the_inside_publishes_under_a_label(version: ProtocolVersion) -> None:
    authority = OpenAuthority(no_receive={("cloud", "b", "t")})
    async with (
        serve(authority) as served,
        await served.connected("a", version) as a,
        await served.connected("b", version) as b,
    ):
        await a.subscribe("t", qos=1)
        await b.subscribe("t", qos=1)
        assert served.broker.publish("cloud", "t", b"x") == 1
        assert await a.message() == Publish("t", b"x")
        assert served.broker.publish("cloud", "t", b"y", qos=1) == 1
        assert (await a.message()).qos == 1
        assert served.broker.publish("shadow", "t", b"z") == 2
        await a.message()
        assert (await b.message()).payload == b"z"


async def test_mqtt_5_options_of_a_subscription() -> None:
    async with (
        serve() as served,
        await served.connected("a", V5) as a,
        await served.connected("b", V5) as b,
    ):
        await a.subscribe(SubscribeItem("t", no_local=True), identifier=7)
        await a.subscribe("+", identifier=8)
        await b.publish("t", b"x")
        assert (await a.message()).properties.subscription_identifier == (7, 8)
        await a.publish("t", b"own")
        assert (await a.message()).properties.subscription_identifier == (8,)


async def test_mqtt_5_properties_go_on_but_those_of_the_connection() -> None:
    sent = Properties(
        topic_alias=3,
        content_type="application/json",
        response_topic="r",
        correlation_data=b"c",
        user_property=(("k", "v"),),
        message_expiry_interval=60,
    )
    async with (
        serve() as served,
        await served.connected("a", V5) as a,
        await served.connected("b", V5) as b,
        await served.connected("c", V311) as c,
    ):
        await b.subscribe("t")
        await c.subscribe("t")
        await a.publish("t", b"x", properties=sent)
        await a.publish("", b"y", properties=Properties(topic_alias=3))
        await b.expect(
            Publish(
                "t",
                b"x",
                properties=Properties(
                    content_type="application/json",
                    response_topic="r",
                    correlation_data=b"c",
                    user_property=(("k", "v"),),
                    message_expiry_interval=60,
                ),
            )
        )
        await b.expect(Publish("t", b"y"))
        await c.expect(Publish("t", b"x"))
        await c.expect(Publish("t", b"y"))


async def test_a_message_too_large_for_a_client_is_not_sent_to_it() -> None:
    async with (
        serve() as served,
        await served.connected("a", V5) as a,
        await served.client(V5) as b,
    ):
        await b.connect("b", properties=Properties(maximum_packet_size=50))
        await b.subscribe("t")
        await a.publish("t", b"x" * 100)
        await a.publish("t", b"small")
        assert (await b.message()).payload == b"small"
        assert served.broker.counters.messages_dropped == 1


async def test_a_topic_whose_targets_are_known_is_not_asked_about_again() -> None:
    authority = OpenAuthority()
    async with serve(authority) as served, await served.connected("a") as a:
        await a.subscribe("t")
        for _ in range(50):
            await a.publish("t")
            await a.message()
        assert authority.questions == ["subscribe a t", "publish a t", "receive a a t"]


async def test_remembered_topics_are_bounded() -> None:
    async with (
        serve(limits=Limits(cached_topics=10)) as served,
        await served.connected("a") as a,
    ):
        for number in range(100):
            await a.publish(f"t/{number}")
        await a.sync()
        (session,) = served.broker._engine.sessions.values()
        assert len(session.routes) <= 10
        assert len(session.verdicts) <= 10


async def test_stopping_says_goodbye() -> None:
    async with serve() as served, await served.connected("a", V5) as a:
        await served.broker.stop()
        (goodbye,) = await a.expect_end()
        assert isinstance(goodbye, Disconnect)
        assert goodbye.reason is R.SERVER_SHUTTING_DOWN
        async with await served.client() as late:
            assert await late.expect_end() == []
