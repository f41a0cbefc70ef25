"""Bytes to packets and back, for MQTT 3.1.1 and 5: no sockets, no clock, no state but a buffer.

Bytes or packet values come in, packet values or bytes go out; a peer's mistake is always a
`MalformedPacketError` with the reason to tell it. It imports `kernel` only, and nothing here may
know of sessions or topics' meaning. Tests: `tests/unit/mqtt`, `tests/property`.
"""

from hedgerow.mqtt.codec.codes import PacketType, ProtocolVersion, ReasonCode
from hedgerow.mqtt.codec.decoding import decode_body
from hedgerow.mqtt.codec.encoding import PublishFrame, encode, publish_frame
from hedgerow.mqtt.codec.framing import Assembly, Decoder, packet_bounds
from hedgerow.mqtt.codec.packets import (
    Auth,
    Connack,
    Connect,
    Disconnect,
    Packet,
    Pingreq,
    Pingresp,
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
)
from hedgerow.mqtt.codec.properties import (
    NO_PROPERTIES,
    Properties,
    property_names,
    written_bytes,
)
from hedgerow.mqtt.codec.wire import MalformedPacketError

__all__ = [
    "NO_PROPERTIES",
    "Assembly",
    "Auth",
    "Connack",
    "Connect",
    "Decoder",
    "Disconnect",
    "MalformedPacketError",
    "Packet",
    "PacketType",
    "Pingreq",
    "Pingresp",
    "Properties",
    "ProtocolVersion",
    "Puback",
    "Pubcomp",
    "Publish",
    "PublishFrame",
    "Pubrec",
    "Pubrel",
    "ReasonCode",
    "Suback",
    "Subscribe",
    "SubscribeItem",
    "Unsuback",
    "Unsubscribe",
    "Will",
    "decode_body",
    "encode",
    "packet_bounds",
    "property_names",
    "publish_frame",
    "written_bytes",
]
