"""A connection to a cloud that keeps MQTT's rules, and to one that does not; without a network."""

import asyncio
from collections.abc import Callable

import pytest

from hedgerow.core.link.client import CloudClient, Credentials, Incoming
from hedgerow.core.spool import EndedOverThisError
from hedgerow.kernel import UnavailableError
from hedgerow.mqtt.codec import (
    Connack,
    Connect,
    Decoder,
    Disconnect,
    Packet,
    Pingreq,
    Pingresp,
    Properties,
    ProtocolVersion,
    Puback,
    Publish,
    ReasonCode,
    Subscribe,
    encode,
)

V5 = ProtocolVersion.V5
CORE = Credentials("core-1", 600)


class Cloud(asyncio.Transport):
    """The other end: keeps what the client sends."""

    def __init__(self, who: Credentials = CORE, patience_s: float = 60) -> None:
        super().__init__()
        self.heard: list[tuple[Incoming, Callable[[], None]]] = []
        self.client = CloudClient(
            who, patience_s, lambda m, accepted: self.heard.append((m, accepted))
        )
        self.sent: list[Packet] = []
        self.closed = False
        self._decoder = Decoder(V5)
        self.client.connection_made(self)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.sent += self._decoder.feed(bytes(data))

    def abort(self) -> None:
        self.closed = True
        asyncio.get_running_loop().call_soon(self.client.connection_lost, None)

    def close(self) -> None:
        self.abort()

    def is_closing(self) -> bool:
        return self.closed

    def say(self, *packets: Packet) -> None:
        self.client.data_received(b"".join(encode(packet, V5) for packet in packets))

    def published(self) -> list[bytes]:
        return [packet.payload for packet in self.sent if isinstance(packet, Publish)]


@pytest.fixture
async def cloud() -> Cloud:
    made = Cloud()
    made.say(Connack())
    return made


async def test_it_begins_with_connect_and_limits_what_may_come_unacknowledged() -> None:
    cloud = Cloud(Credentials("core-1-c00", 600, clean_start=False, session_expiry_s=3600))
    [connect] = cloud.sent
    assert isinstance(connect, Connect)
    assert (connect.client_id, connect.clean_start) == ("core-1-c00", False)
    assert connect.properties.receive_maximum == 100
    with pytest.raises(UnavailableError, match="no connection"):
        cloud.client.publish("t", b"too early")
    cloud.say(Connack(session_present=True))
    assert not (await cloud.client.connected()).is_failure
    assert cloud.client.session_present
    cloud.client.give_up("the end")


async def test_no_more_is_sent_than_the_cloud_takes_and_the_rest_keeps_its_order() -> None:
    cloud = Cloud()
    cloud.say(Connack(properties=Properties(receive_maximum=2)))
    answers = [cloud.client.publish("t", b"%d" % number) for number in range(5)]
    assert cloud.published() == [b"0", b"1"]
    first = next(packet for packet in cloud.sent if isinstance(packet, Publish))
    cloud.say(Puback(first.packet_id))
    assert (await answers[0]).code is ReasonCode.SUCCESS
    assert cloud.published() == [b"0", b"1", b"2"]
    cloud.client.give_up("the end")
    for answer in answers[1:]:
        with pytest.raises(UnavailableError, match="ended before the cloud acknowledged"):
            await answer


async def test_a_message_larger_than_the_cloud_takes_is_refused_and_not_sent() -> None:
    cloud = Cloud()
    cloud.say(Connack(properties=Properties(maximum_packet_size=1000)))
    assert (await cloud.client.publish("t", b"x" * 1000)).code is ReasonCode.PACKET_TOO_LARGE
    assert cloud.published() == []
    cloud.client.give_up("the end")


async def test_a_message_of_qos_1_is_acknowledged_when_it_was_accepted_and_not_before(
    cloud: Cloud,
) -> None:
    cloud.say(Publish("t", b"1", qos=1, packet_id=7), Publish("t", b"0"))
    (first, accepted), (second, _) = cloud.heard
    assert (first.qos, second.qos) == (1, 0)
    assert not any(isinstance(packet, Puback) for packet in cloud.sent)
    accepted()
    assert cloud.sent[-1] == Puback(7)
    cloud.client.give_up("the end")
    accepted()  # nobody is there to hear it


@pytest.mark.parametrize("code", [ReasonCode.NOT_AUTHORIZED, ReasonCode.TOPIC_NAME_INVALID])
async def test_an_end_over_a_message_is_told_to_the_oldest_that_was_not_answered(
    cloud: Cloud, code: ReasonCode
) -> None:
    first, second = (cloud.client.publish("t", b"%d" % number) for number in range(2))
    cloud.say(Disconnect(code, Properties(reason_string="not this one")))
    with pytest.raises(EndedOverThisError, match="not this one"):
        await first
    with pytest.raises(UnavailableError) as caught:
        await second
    assert not isinstance(caught.value, EndedOverThisError)


@pytest.mark.parametrize("code", [ReasonCode.SESSION_TAKEN_OVER, ReasonCode.SERVER_SHUTTING_DOWN])
async def test_an_end_for_another_reason_puts_no_message_under_suspicion(
    cloud: Cloud, code: ReasonCode
) -> None:
    answer = cloud.client.publish("t", b"x")
    cloud.say(Disconnect(code))
    with pytest.raises(UnavailableError) as caught:
        await answer
    assert not isinstance(caught.value, EndedOverThisError)
    assert cloud.client.disconnect_answer is not None


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xff\xff\xff\xff",
        b"\x00\x00",
        encode(Publish("t", b"x" * 600_000), V5),
        encode(Publish("t", b"x", qos=2, packet_id=1), V5),
        encode(Publish("", b"x", properties=Properties(topic_alias=1)), V5),
        encode(Connack(), V5),
        encode(Subscribe(1, ()), V5)[:1] + b"\x00",
        encode(Pingreq(), V5),
    ],
)
async def test_a_cloud_that_breaks_the_rules_is_left_and_nothing_is_raised(
    cloud: Cloud, data: bytes
) -> None:
    answer = cloud.client.publish("t", b"x")
    cloud.client.data_received(data)
    assert cloud.closed
    assert cloud.client.is_over
    with pytest.raises(UnavailableError):
        await answer


async def test_answers_to_nothing_are_passed_over(cloud: Cloud) -> None:
    cloud.say(Puback(99), Pingresp(), Puback(99))
    assert not cloud.client.is_over
    cloud.client.give_up("the end")


async def test_a_quiet_connection_is_kept_alive_and_given_up_without_a_sign_of_life() -> None:
    """The cloud may ask for a shorter keep-alive."""
    cloud = Cloud()
    cloud.say(Connack(properties=Properties(server_keep_alive=1)))
    async with asyncio.timeout(5):
        await cloud.client.wait_over()
    assert [type(packet) for packet in cloud.sent[1:]] == [Pingreq]
    assert "no sign of life" in str(cloud.client.lost_because)


async def test_a_cloud_that_never_answers_connect_is_given_up() -> None:
    cloud = Cloud(patience_s=0.05)
    with pytest.raises(UnavailableError):
        await cloud.client.connected()
    assert cloud.closed
