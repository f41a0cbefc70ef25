"""A recorded attempt of a device that was refused: what it was, and what stands in its way now."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from hedgerow.cli.provision.api import CloudApi
from hedgerow.cli.why.device import REGISTER_CERTIFICATE, certificate_steps
from hedgerow.cli.why.names import resource_arn
from hedgerow.cli.why.own import Question
from hedgerow.cli.why.path import Step
from hedgerow.cli.why.registry import registered
from hedgerow.cli.why.trail import Event, what, who
from hedgerow.cloud.dataplane.routes import match
from hedgerow.cloud.home import Home
from hedgerow.cloud.iot.admission import bound_thing
from hedgerow.kernel import CallerError, Clock

_HANDSHAKE: Final = "TlsHandshakeRefused"
_REQUEST: Final = "DeviceRequestRefused"
_MQTT: Final[Mapping[str, tuple[str, str, str]]] = {
    "MqttConnectRefused": ("iot:Connect", "client", "clientId"),
    "MqttPublishRefused": ("iot:Publish", "topic", "topic"),
    "MqttSubscribeRefused": ("iot:Subscribe", "topicfilter", "topic"),
    "MqttReceiveRefused": ("iot:Receive", "topic", "topic"),
}
"""What an attempt needs: the action, the kind of resource, and where its name stands."""
_TLS: Final[Mapping[str, tuple[str, str, str]]] = {
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": (
        "no-certificate",
        "the device showed no certificate",
        "give it its certificate and private key",
    ),
    "CERTIFICATE_VERIFY_FAILED": (
        "certificate-not-accepted",
        "the device's certificate is neither of this cloud nor registered as ACTIVE, or has ended",
        REGISTER_CERTIFICATE,
    ),
    "TLSV1_ALERT_UNKNOWN_CA": (
        "cloud-not-trusted",
        "the device does not trust the cloud's certificate",
        "give it the root certificate of this cloud, which 'hedgerow cloud init' names",
    ),
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": (
        "cloud-not-trusted",
        "the device does not accept the cloud's certificate",
        "give it the root certificate of this cloud, and a host name that the certificate has",
    ),
    "SSLV3_ALERT_BAD_CERTIFICATE": (
        "cloud-not-trusted",
        "the device does not accept the cloud's certificate",
        "give it the root certificate of this cloud, and a host name that the certificate has",
    ),
    "UNSUPPORTED_PROTOCOL": (
        "old-tls",
        "the device speaks a version of TLS that is older than 1.2",
        "let it speak TLS 1.2 or 1.3",
    ),
    "NO_SHARED_CIPHER": (
        "no-shared-cipher",
        "the device and the cloud have no cipher in common",
        "let it offer one that TLS 1.2 or 1.3 still has",
    ),
    "HTTP_REQUEST": (
        "not-tls",
        "the device spoke plain HTTP",
        "let it speak HTTPS",
    ),
    "WRONG_VERSION_NUMBER": (
        "not-tls",
        "what came was no TLS",
        "let it speak TLS to this port",
    ),
}


def attempt_steps(api: CloudApi, event: Event, clock: Clock) -> Iterator[Step]:
    """Yield what the record says of an attempt, and what would become of it now."""
    yield Step("attempt", passed=None, says=f"{what(event)} at {event['eventTime']}")
    yield Step("who", passed=None, says=who(event))
    yield Step("from", passed=None, says=event["sourceIPAddress"])
    if event["eventName"] == _HANDSHAKE:
        yield _handshake(event["errorMessage"])
        return
    recorded = f"{event['errorMessage']} ({event['errorCode']})"
    question = _question(api, event)
    if question is None:
        yield Step("refusal", passed=False, says=recorded, code="broke-a-rule")
        return
    yield Step("refusal", passed=None, says=recorded)
    yield from certificate_steps(api, question, event["userIdentity"]["principalId"], clock)
    yield Step(
        "now",
        passed=False,
        says=f"it was refused then ({recorded}), and would be allowed now",
        code="refused-then",
        change="let the device try again",
    )


def _handshake(reason: str) -> Step:
    code, says, change = _TLS.get(
        reason, ("handshake", f"the TLS handshake failed: {reason}", "look at the device's own log")
    )
    return Step("handshake", passed=False, says=says, code=code, change=change)


def _question(api: CloudApi, event: Event) -> Question | None:
    """Return the attempt as a question about its certificate; None if it asked for nothing."""
    certificate_id = event["userIdentity"].get("principalId")
    if not certificate_id:
        return None
    wanted = _wanted(api, event["eventName"], event.get("serviceEventDetails") or {})
    if wanted is None:
        return None
    action, resource, client_id = wanted
    known = registered(api, certificate_id)
    things = () if known is None else known.things
    thing = bound_thing(things, client_id) or next(iter(things), "")
    return Question(thing, action, resource, client_id or thing)


def _wanted(api: CloudApi, name: str, details: Mapping[str, Any]) -> tuple[str, str, str] | None:
    """Return action, resource and client id of an attempt."""
    if name in _MQTT:
        action, kind, member = _MQTT[name]
        if not details.get(member):
            return None
        resource = resource_arn(api, f"{kind}/{details[member]}")
        return action, resource, details.get("clientId", "")
    if name == _REQUEST and details.get("path"):
        path, _, query = details["path"].partition("?")
        try:
            route = match(details["method"], path, Home(api.account, api.region), query)
        except CallerError:
            return None
        return route.route.action, route.resource, ""
    return None
