"""Refused attempts of devices, as values: what a record of one says.

They are no API calls, so CloudTrail has no words for them. Ours: `eventType` is `AwsServiceEvent`,
`eventCategory` is `Data`, `eventSource` is `iot.amazonaws.com` (the endpoints are AWS IoT's), and
`eventName` is the one of `EVENT_NAMES`. `userIdentity` has the type `Certificate` with the
certificate's id as `principalId`, or `Unknown` where none was shown. `errorCode` and
`errorMessage` say why; `serviceEventDetails` has what else was seen: method and path, client id
and topic. Never a payload.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

Attempt = Literal["Handshake", "Request", "Connect", "Publish", "Subscribe", "Receive", "Other"]

EVENT_NAMES: Mapping[Attempt, str] = MappingProxyType(
    {
        "Handshake": "TlsHandshakeRefused",
        "Request": "DeviceRequestRefused",
        "Connect": "MqttConnectRefused",
        "Publish": "MqttPublishRefused",
        "Subscribe": "MqttSubscribeRefused",
        "Receive": "MqttReceiveRefused",
        "Other": "MqttRefused",
    }
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """One attempt that was refused.

    `code` is stable, `reason` a sentence. `certificate_id` is empty where TLS proved none.
    `details` goes into the record as it is.
    """

    attempt: Attempt
    code: str
    reason: str
    address: str
    certificate_id: str = ""
    details: Mapping[str, str] = field(default_factory=dict)
