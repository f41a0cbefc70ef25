"""What a device's MQTT 5 publication carries, through the queue and on to the cloud. Pure."""

from dataclasses import replace

from hedgerow.mqtt.codec import NO_PROPERTIES, MalformedPacketError, PacketType, Properties
from hedgerow.mqtt.codec.properties import read_properties, write_properties
from hedgerow.mqtt.codec.wire import Reader

MESSAGE_ID = "hedgerow-message-id"
"""The user property that is the same in both copies of a message that comes twice."""

_NONE = b"\0"


def carried(properties: Properties, message_id: str | None = None) -> bytes:
    """Return the properties that belong to the message, as bytes for the queue.

    Those of one connection (topic alias, subscription identifiers) and the expiry, which the queue
    counts down itself, are left out. With a `message_id`, it takes the place of a device's own.
    """
    if message_id is not None:
        others = (pair for pair in properties.user_property if pair[0] != MESSAGE_ID)
        properties = replace(properties, user_property=(*others, (MESSAGE_ID, message_id)))
    if properties == NO_PROPERTIES:
        return b""
    data = write_properties(
        replace(
            properties, message_expiry_interval=None, topic_alias=None, subscription_identifier=()
        ),
        PacketType.PUBLISH,
    )
    return b"" if data == _NONE else data


def restored(data: bytes, expires_in_s: int | None) -> Properties:
    """Return the properties of a publication to the cloud; damaged ones are left out."""
    properties = NO_PROPERTIES
    if data:
        try:
            properties = read_properties(Reader(data), PacketType.PUBLISH)
        except MalformedPacketError:
            properties = NO_PROPERTIES
    if expires_in_s is None:
        return properties
    return replace(properties, message_expiry_interval=expires_in_s)
