"""The cloud's MQTT broker: who may connect, say and hear what, by AWS IoT policies.

In come connections whose TLS handshake has proven a certificate (`CloudBroker.protocol_factory`),
changes of the device directory, and messages of other sub-rooms (`publish`); out go messages to
devices, requests to the shadow service and its answers, and a record of every refusal. It imports
`kernel`, `policy`, `pki`, `mqtt`, `contract` and the cloud's `home`, `iot` and `iot_data`. What
must never happen here: a message passes that no policy allows, a refusal leaves no record, or a
session outlives the permission to connect.

Tests: `tests/unit/cloud/broker`, `tests/security/test_cloud_broker_*`.
"""

from hedgerow.cloud.broker.authority import CloudAuthority, CloudIdentity
from hedgerow.cloud.broker.cloud_broker import CLOUD, CloudBroker
from hedgerow.cloud.broker.shadow_requests import ShadowRequests

__all__ = ["CLOUD", "CloudAuthority", "CloudBroker", "CloudIdentity", "ShadowRequests"]
