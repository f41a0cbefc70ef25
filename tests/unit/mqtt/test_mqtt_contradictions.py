"""Rules that other people's conformance suites showed to be missing."""

import pytest
from tests.support.mqtt_stage import V5, Stage

from hedgerow.mqtt import ProtocolVersion, ReasonCode
from hedgerow.mqtt.codec import (
    Connect,
    Packet,
    Properties,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
)

V31, V311 = ProtocolVersion.V31, ProtocolVersion.V311


@pytest.mark.parametrize(
    ("qos", "answer"), [(1, Pubrec(1)), (1, Pubcomp(1)), (2, Puback(1)), (2, Pubcomp(1))]
)
@pytest.mark.parametrize("version", [V311, V5])
async def test_an_answer_of_another_qos_ends_the_connection(
    version: ProtocolVersion, qos: int, answer: Packet
) -> None:
    stage = Stage()
    client = stage.connected("a", version, clean=False, expiry_s=60)
    client.subscribe("t", qos=qos)
    stage.connected("b").publish("t", b"x", qos=qos)
    (message,) = client.got()
    assert isinstance(message, Publish)
    assert (message.qos, message.packet_id) == (qos, 1)
    client.give(answer)
    assert client.transport.is_closing()
    # The message is not lost by it.
    client = stage.player("a", version)
    client.connect(clean=False, expiry_s=60)
    assert client.payloads() == [b"x"]


@pytest.mark.parametrize("version", [V311, V5])
async def test_an_acknowledgement_of_a_released_message_ends_the_connection(
    version: ProtocolVersion,
) -> None:
    stage = Stage()
    client = stage.connected("a", version)
    client.subscribe("t", qos=2)
    stage.connected("b").publish("t", b"x", qos=2)
    client.got()
    client.give(Pubrec(1))
    assert client.got() == [Pubrel(1)]
    client.give(Puback(1))
    assert client.transport.is_closing()


async def test_an_answer_to_nothing_is_let_pass() -> None:
    """It may have been on its way when the session ended."""
    stage = Stage()
    client = stage.connected("a", V5)
    client.give(Puback(7), Pubcomp(8))
    assert not client.transport.is_closing()


async def test_mqtt_3_1_knows_no_session_present() -> None:
    stage = Stage()
    stage.connected("a", V31, clean=False).goodbye()
    assert not stage.player("a", V31).connect(clean=False).session_present


async def test_mqtt_3_1_has_no_client_without_a_client_id() -> None:
    stage = Stage()
    client = stage.player("", V31)
    assert client.connect().reason is ReasonCode.CLIENT_IDENTIFIER_NOT_VALID


async def test_a_client_that_takes_no_connack_gets_none() -> None:
    """[MQTT-3.1.2-24]: what the CONNACK tells may not be left out, nor sent."""
    stage = Stage()
    client = stage.player("a", V5)
    client.give(Connect(client_id="a", version=V5, properties=Properties(maximum_packet_size=3)))
    assert client.got() == []
    assert client.transport.is_closing()
    assert not stage.broker.sessions
