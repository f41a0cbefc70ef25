"""Every packet against bytes put together by hand from the standards' tables."""

import pytest
from tests.support.mqtt_packets import wire_bytes

from hedgerow.kernel import CallerError, Secret
from hedgerow.mqtt import Decoder, ProtocolVersion, ReasonCode, encode
from hedgerow.mqtt.codec import (
    Auth,
    Connack,
    Connect,
    Disconnect,
    Packet,
    PacketType,
    Pingreq,
    Pingresp,
    Properties,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Suback,
    Subscribe,
    SubscribeItem,
    Unsuback,
    Unsubscribe,
    Will,
    publish_frame,
)
from hedgerow.mqtt.codec.wire import write_variable_integer

V31, V311, V5 = ProtocolVersion.V31, ProtocolVersion.V311, ProtocolVersion.V5
R = ReasonCode


_CASES: list[tuple[ProtocolVersion, Packet, str]] = [
    (V311, Connect("a"), "10 0d 0004 'MQTT' 04 02 0000 0001 'a'"),
    (V31, Connect("a", V31), "10 0f 0006 'MQIsdp' 03 02 0000 0001 'a'"),
    (
        V311,
        Connect(
            "a",
            V311,
            clean_start=False,
            keep_alive_s=60,
            username="u",
            password=Secret(b"p"),
            will=Will("w", b"gone", qos=1, retain=True),
        ),
        "10 1c 0004 'MQTT' 04 ec 003c 0001 'a' 0001 'w' 0004 'gone' 0001 'u' 0001 'p'",
    ),
    (
        V5,
        Connect(
            "a",
            V5,
            properties=Properties(session_expiry_interval=16, receive_maximum=2),
            password=Secret(b"p"),
        ),
        "10 19 0004 'MQTT' 05 42 0000 08 1100000010 210002 0001 'a' 0001 'p'",
    ),
    (
        V5,
        Connect(
            "a",
            V5,
            will=Will("w", b"", properties=Properties(will_delay_interval=1, content_type="t")),
        ),
        "10 1d 0004 'MQTT' 05 06 0000 00 0001 'a' 09 0300 01 't' 1800000001 0001 'w' 0000",
    ),
    (V311, Connack(session_present=True), "20 02 01 00"),
    (V311, Connack(R.NOT_AUTHORIZED), "20 02 00 05"),
    (V5, Connack(R.NOT_AUTHORIZED), "20 03 00 87 00"),
    (
        V5,
        Connack(
            properties=Properties(
                maximum_qos=1,
                retain_available=False,
                topic_alias_maximum=8,
                assigned_client_identifier="x",
                server_keep_alive=30,
            )
        ),
        "20 11 00 00 0e 120001 'x' 13001e 220008 2401 2500",
    ),
    (V311, Publish("t", b"hi"), "30 05 0001 't' 'hi'"),
    (V311, Publish("t", b"", qos=1, retain=True, dup=True, packet_id=258), "3b 05 0001 't' 0102"),
    (V5, Publish("t", b"hi"), "30 06 0001 't' 00 'hi'"),
    (
        V5,
        Publish("t", b"", qos=2, packet_id=1, properties=Properties(topic_alias=3)),
        "34 09 0001 't' 0001 03 230003",
    ),
    (
        V5,
        Publish(
            "t",
            b"",
            properties=Properties(
                payload_format_indicator=True,
                message_expiry_interval=5,
                response_topic="r",
                correlation_data=b"c",
                subscription_identifier=(1, 200),
                user_property=(("k", "v"), ("k", "w")),
            ),
        ),
        """30 26 0001 't' 22 0101 0200000005 080001 'r' 090001 'c' 0b01 0bc801
        260001 'k' 0001 'v' 260001 'k' 0001 'w'""",
    ),
    (V311, Puback(1), "40 02 0001"),
    (V5, Puback(1), "40 02 0001"),
    (V5, Puback(1, R.NO_MATCHING_SUBSCRIBERS), "40 03 0001 10"),
    (
        V5,
        Puback(1, R.NOT_AUTHORIZED, Properties(reason_string="no")),
        "40 09 0001 87 05 1f0002 'no'",
    ),
    (V311, Pubrec(1), "50 02 0001"),
    (V5, Pubrec(1, R.QUOTA_EXCEEDED), "50 03 0001 97"),
    (V311, Pubrel(1), "62 02 0001"),
    (V5, Pubrel(1, R.PACKET_IDENTIFIER_NOT_FOUND), "62 03 0001 92"),
    (V311, Pubcomp(1), "70 02 0001"),
    (V5, Pubcomp(1, R.PACKET_IDENTIFIER_NOT_FOUND), "70 03 0001 92"),
    (
        V311,
        Subscribe(10, (SubscribeItem("a/+", 1), SubscribeItem("#"))),
        "82 0c 000a 0003 'a/+' 01 0001 '#' 00",
    ),
    (
        V5,
        Subscribe(
            10,
            (SubscribeItem("a", 1, no_local=True, retain_as_published=True, retain_handling=2),),
            Properties(subscription_identifier=(9,)),
        ),
        "82 09 000a 02 0b09 0001 'a' 2d",
    ),
    (
        V311,
        Suback(10, (R.SUCCESS, R.GRANTED_QOS_1, R.UNSPECIFIED_ERROR)),
        "90 05 000a 00 01 80",
    ),
    (V5, Suback(10, (R.NOT_AUTHORIZED, R.GRANTED_QOS_2)), "90 05 000a 00 87 02"),
    (V311, Unsubscribe(3, ("a", "b")), "a2 08 0003 0001 'a' 0001 'b'"),
    (V5, Unsubscribe(3, ("a",)), "a2 06 0003 00 0001 'a'"),
    (V311, Unsuback(3), "b0 02 0003"),
    (V5, Unsuback(3, (R.SUCCESS, R.NO_SUBSCRIPTION_EXISTED)), "b0 05 0003 00 00 11"),
    (V311, Pingreq(), "c0 00"),
    (V5, Pingresp(), "d0 00"),
    (V311, Disconnect(), "e0 00"),
    (V5, Disconnect(), "e0 00"),
    (V5, Disconnect(R.DISCONNECT_WITH_WILL), "e0 01 04"),
    (
        V5,
        Disconnect(R.SESSION_TAKEN_OVER, Properties(reason_string="x")),
        "e0 06 8e 04 1f0001 'x'",
    ),
    (V5, Auth(), "f0 00"),
    (
        V5,
        Auth(
            R.CONTINUE_AUTHENTICATION,
            Properties(authentication_method="m", authentication_data=Secret(b"d")),
        ),
        "f0 0a 18 08 150001 'm' 160001 'd'",
    ),
]


@pytest.mark.parametrize(("version", "packet", "wanted"), _CASES)
def test_a_packet_is_written_and_read_as_the_standard_says(
    version: ProtocolVersion, packet: Packet, wanted: str
) -> None:
    data = wire_bytes(wanted)
    assert encode(packet, version) == data
    assert Decoder(version).feed(data) == [packet]


def test_every_packet_type_is_among_the_cases_of_its_versions() -> None:
    of_5 = {packet.type for version, packet, _ in _CASES if version is V5}
    of_3 = {packet.type for version, packet, _ in _CASES if version is V311}
    assert of_5 | {PacketType.PINGREQ} >= set(PacketType) - {PacketType.PINGREQ}, (
        "a packet of MQTT 5 has no case"
    )
    assert of_3 | {PacketType.PINGRESP} >= set(PacketType) - {PacketType.AUTH}


def test_a_connect_tells_the_decoder_the_version() -> None:
    decoder = Decoder()
    decoder.feed(encode(Connect("a", V5), V5))
    assert decoder.version is V5
    assert decoder.feed(wire_bytes("30 06 0001 't' 00 'hi'")) == [Publish("t", b"hi")]


@pytest.mark.parametrize(
    ("size", "length"),
    [(127, "7f"), (128, "8001"), (16383, "ff7f"), (16384, "808001"), (2097152, "80808001")],
)
def test_lengths_take_as_few_bytes_as_they_need(size: int, length: str) -> None:
    data = encode(Publish("t", b"x" * (size - 3)), V311)
    assert data[1 : 1 + len(length) // 2].hex() == length
    assert len(data) == 1 + len(length) // 2 + size
    (read,) = Decoder(V311).feed(data)
    assert isinstance(read, Publish)
    assert len(read.payload) == size - 3


def test_a_frame_is_shared_by_receivers_with_their_own_packet_ids() -> None:
    frame = publish_frame(Publish("t", b"hi", qos=1), V5)
    for packet_id in (1, 0xFFFF):
        wanted = Publish("t", b"hi", qos=1, packet_id=packet_id)
        assert frame.with_packet_id(packet_id) == encode(wanted, V5)


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        (R.UNSUPPORTED_PROTOCOL_VERSION, 1),
        (R.CLIENT_IDENTIFIER_NOT_VALID, 2),
        (R.SERVER_BUSY, 3),
        (R.QUOTA_EXCEEDED, 3),
        (R.BAD_USER_NAME_OR_PASSWORD, 4),
        (R.NOT_AUTHORIZED, 5),
        (R.BANNED, 5),
    ],
)
def test_3_1_1_gets_the_nearest_return_code(reason: ReasonCode, code: int) -> None:
    assert encode(Connack(reason), V311) == bytes((0x20, 2, 0, code))


@pytest.mark.parametrize(
    "packet",
    [
        Publish("a\0b", b""),
        Publish("\ud800", b""),
        Publish("t" * 65536, b""),
        Connack(properties=Properties(topic_alias=1)),
    ],
    ids=["nul", "surrogate", "long", "misplaced-property"],
)
def test_what_mqtt_cannot_carry_is_refused_before_it_is_written(packet: Packet) -> None:
    with pytest.raises(CallerError):
        encode(packet, V5)


def test_a_length_beyond_four_bytes_is_refused_before_it_is_written() -> None:
    assert write_variable_integer(268_435_455).hex() == "ffffff7f"
    with pytest.raises(CallerError):
        write_variable_integer(268_435_456)


def test_payloads_and_secrets_do_not_show() -> None:
    secret = "hunter2"
    raw = secret.encode()
    shown = repr(
        [
            Publish("t", raw, properties=Properties(correlation_data=raw)),
            Will("t", raw, properties=Properties(user_property=((secret, secret),))),
            Connect("a", password=Secret(raw), will=Will("t", raw)),
            Auth(properties=Properties(authentication_method="m", authentication_data=Secret(raw))),
        ]
    )
    assert secret not in shown
