"""What changes when the authority changes its mind, while clients are connected."""

import pytest
from tests.support.mqtt_broker import OpenAuthority, denied, serve

from hedgerow.mqtt import ProtocolVersion, ReasonCode, SessionRef
from hedgerow.mqtt.codec import Disconnect, Properties, Puback

V311, V5 = ProtocolVersion.V311, ProtocolVersion.V5
BOTH = pytest.mark.parametrize("version", [V311, V5])


@pytest.mark.promise(4)
@BOTH
async def test_a_right_to_publish_that_is_taken_away_ends_with_the_next_message(
    version: ProtocolVersion,
) -> None:
    authority = OpenAuthority()
    async with (
        serve(authority) as served,
        await served.connected("a", version) as a,
        await served.connected("b", version) as b,
    ):
        await b.subscribe("t")
        for _ in range(3):
            await a.publish("t", b"before")
            await b.message()
        authority.no_publish["a", "t"] = denied("policy detached")
        served.broker.new_epoch()
        await a.publish("t", b"after")
        await a.sync()
        await b.sync()
        del authority.no_publish["a", "t"]
        served.broker.new_epoch()
        await a.publish("t", b"again")
        assert (await b.message()).payload == b"again"


@pytest.mark.promise(4)
@BOTH
async def test_a_row_that_is_taken_away_ends_with_the_next_message(
    version: ProtocolVersion,
) -> None:
    authority = OpenAuthority()
    async with (
        serve(authority) as served,
        await served.connected("a", version) as a,
        await served.connected("b", version) as b,
    ):
        await b.subscribe("t")
        await a.publish("t", b"before")
        await b.message()
        served.broker.publish("cloud", "t", b"before")
        await b.message()
        authority.no_receive |= {("a", "b", "t"), ("cloud", "b", "t")}
        served.broker.new_epoch()
        await a.publish("t", b"after")
        await a.sync()
        assert served.broker.publish("cloud", "t", b"after") == 0
        await b.sync()


@pytest.mark.promise(4)
@BOTH
async def test_a_live_subscription_is_judged_again(version: ProtocolVersion) -> None:
    authority = OpenAuthority()
    async with (
        serve(authority) as served,
        await served.connected("a", version) as a,
        await served.connected("b", version) as b,
    ):
        await b.subscribe("t")
        authority.no_subscribe["b", "t"] = denied("policy detached")
        served.broker.new_epoch()
        for _ in range(3):
            await a.publish("t", b"after")
        await a.sync()
        await b.sync()
        assert [(event.code, event.client_id, event.topic) for event in authority.events] == [
            ("subscription-no-longer-allowed", "b", "t")
        ]
        authority.no_subscribe.clear()
        served.broker.new_epoch()
        await a.publish("t", b"again")
        assert (await b.message()).payload == b"again"


@pytest.mark.promise(4)
async def test_chosen_sessions_are_cut_at_once_and_told_why() -> None:
    authority = OpenAuthority()
    async with (
        serve(authority) as served,
        await served.connected("a", V5) as a,
        await served.connected("b", V311) as b,
        await served.connected("c", V5) as c,
    ):
        refs = {ref.client_id: ref for ref in served.broker.sessions}
        doomed = {refs["a"].identity, refs["b"].identity}

        def revoked(ref: SessionRef) -> bool:
            return ref.identity in doomed

        assert served.broker.disconnect(revoked, "certificate revoked") == 2
        told = Properties(reason_string="certificate revoked")
        assert await a.expect_end() == [Disconnect(ReasonCode.ADMINISTRATIVE_ACTION, told)]
        assert await b.expect_end() == []
        await c.sync()
        assert served.broker.sessions == (refs["c"],)
        assert [(event.code, event.client_id) for event in authority.events] == [
            ("cut", "a"),
            ("cut", "b"),
        ]
        assert served.broker.disconnect(revoked, "certificate revoked") == 0


@pytest.mark.promise(4)
async def test_nothing_of_a_cut_session_is_handled_any_more() -> None:
    """The rest of a read that was under way when the session was cut is thrown away."""
    authority = OpenAuthority()
    async with (
        serve(authority) as served,
        await served.connected("a") as a,
        await served.connected("b") as b,
    ):

        def cut(_message: object) -> None:
            served.broker.disconnect(lambda ref: ref.client_id == "a", "revoked")

        authority.tapped.append(("cut", cut))
        await b.subscribe("t")
        await a.publish("t", b"warm")
        await b.message()
        frames = "300400017430" + "30050003637574" + "300400017431"
        await a.send_raw(bytes.fromhex(frames))
        assert await a.expect_end() == []
        assert (await b.message()).payload == b"0"
        await b.sync()


async def test_an_authority_that_fails_costs_only_that_client_its_connection(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Failing(OpenAuthority):
        def may_publish(self, session: SessionRef, topic: str) -> object:  # type: ignore[override]
            if session.client_id == "a":
                raise RuntimeError("a bug")
            return super().may_publish(session, topic)

        def refused(self, *_: object) -> None:
            raise RuntimeError("another bug")

    async with (
        serve(Failing()) as served,
        await served.connected("a", V5) as a,
        await served.connected("b", V5) as b,
    ):
        await a.publish("t")
        (goodbye,) = await a.expect_end()
        assert isinstance(goodbye, Disconnect)
        assert goodbye.reason is ReasonCode.IMPLEMENTATION_SPECIFIC_ERROR
        assert await b.publish("t", qos=1) == Puback(1, ReasonCode.NO_MATCHING_SUBSCRIBERS)
        assert served.broker.counters.refusals == {"internal-error": 1}
    assert "a packet could not be handled" in caplog.text


async def test_an_authority_that_cannot_be_asked_admits_nobody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Failing(OpenAuthority):
        def admit(self, *_: object) -> object:  # type: ignore[override]
            raise RuntimeError("a bug")

    async with serve(Failing()) as served, await served.client() as a:
        await a.send_raw(bytes.fromhex("100d00044d51545404020000000161"))
        assert await a.expect_end() == []
        assert served.broker.sessions == ()
    assert "a packet could not be handled" in caplog.text
