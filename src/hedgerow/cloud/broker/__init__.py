"""The cloud's MQTT broker: who may connect, say and hear what, by AWS IoT and IAM policies.

In come connections whose TLS handshake has proven a certificate (`CloudBroker.protocol_factory`)
or whose signature has proven an IAM identity (`Programs`), changes of the device directory and of
identities, and messages of other sub-rooms (`publish`); out go messages to clients, events of
their lives, requests to shadows and about jobs, the answers to them, telemetry of cores, and a
record of every refusal. It imports every room below `cloud`, and of `cloud` what judges and
answers: `home`, `iot`, `iot_data`, `jobs`, `access`, `iam`, `sts`. What must never happen here: a
message passes that no policy allows, a refusal leaves no record, or a session outlives the
permission to connect.

Tests: `tests/unit/cloud/broker`, `tests/security/test_cloud_broker_*`.
"""

from hedgerow.cloud.broker.authority import CloudAuthority, CloudIdentity
from hedgerow.cloud.broker.cloud_broker import CLOUD, CloudBroker
from hedgerow.cloud.broker.limits import cloud_limits
from hedgerow.cloud.broker.programs import Program, Programs
from hedgerow.cloud.broker.shadow_requests import ShadowRequests

__all__ = [
    "CLOUD",
    "CloudAuthority",
    "CloudBroker",
    "CloudIdentity",
    "Program",
    "Programs",
    "ShadowRequests",
    "cloud_limits",
]
