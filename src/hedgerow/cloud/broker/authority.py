"""What the cloud's broker lets devices do: AWS IoT policies, put to every connect and message.

| MQTT | action | resource |
| --- | --- | --- |
| CONNECT | `iot:Connect` | `client/<client id>` |
| PUBLISH, will | `iot:Publish` | `topic/<topic>` |
| either of them with the retain flag | `iot:RetainPublish` as well | `topic/<topic>` |
| SUBSCRIBE | `iot:Subscribe` | `topicfilter/<filter>` |
| delivery | `iot:Receive` | `topic/<topic>` |

A publish that is refused ends the connection, as AWS does it; MQTT 5 clients are told the action
and the resource.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from hedgerow.cloud.home import Home
from hedgerow.cloud.iot import (
    AdmittedDevice,
    DeviceDirectory,
    client_arn,
    topic_arn,
    topic_filter_arn,
)
from hedgerow.contract import parse_shadow_topic
from hedgerow.kernel import DeniedError, quoted
from hedgerow.mqtt import (
    Admission,
    Admitted,
    ConnectRequest,
    Peer,
    ReasonCode,
    RefusalEvent,
    Refused,
    SessionEvent,
    SessionRef,
    Source,
    Tap,
    Verdict,
)
from hedgerow.policy import Decision

CONNECT: Final = "iot:Connect"
PUBLISH: Final = "iot:Publish"
RETAIN: Final = "iot:RetainPublish"
SUBSCRIBE: Final = "iot:Subscribe"
RECEIVE: Final = "iot:Receive"

_RESOURCES: Final[Mapping[str, Callable[[Home, str], str]]] = MappingProxyType(
    {
        CONNECT: client_arn,
        PUBLISH: topic_arn,
        RETAIN: topic_arn,
        SUBSCRIBE: topic_filter_arn,
        RECEIVE: topic_arn,
    }
)

_NO_TAPS: Final[tuple[Tap, ...]] = ()
_RESERVED: Final = "$"


@dataclass(frozen=True, slots=True)
class CloudIdentity:
    """What the broker keeps of an admitted session: the proof it came in with, and its id."""

    device: AdmittedDevice
    client_id: str


class CloudAuthority:
    """Answers the broker's questions by what the device directory knows at this moment."""

    def __init__(
        self,
        directory: DeviceDirectory,
        home: Home,
        *,
        shadow_tap: Tap,
        record: Callable[[RefusalEvent], None],
    ) -> None:
        self._directory = directory
        self._home = home
        self._shadow_taps = (shadow_tap,)
        self._record = record

    def admit(self, peer: Peer, client_id: str, _connect: ConnectRequest) -> Admission:
        """Let a device in whose certificate is admitted and whose policy allows this client id."""
        if not isinstance(peer.identity, str):
            return Refused(ReasonCode.NOT_AUTHORIZED, "the connection has no client certificate")
        try:
            device = self._directory.admit(peer.identity)
        except DeniedError as error:
            return Refused(ReasonCode.NOT_AUTHORIZED, error.message)
        identity = CloudIdentity(device, client_id)
        decision = self._decide(identity, CONNECT, client_id)
        if not decision.allowed:
            return Refused(ReasonCode.NOT_AUTHORIZED, decision.reason)
        return Admitted(identity)

    def may_publish(self, session: SessionRef, topic: str) -> Verdict:
        """Allow what the policy allows; of reserved topics only requests to shadows."""
        if topic.startswith(_RESERVED) and not _is_shadow_request(topic):
            return Verdict(
                allowed=False,
                reason=f"{PUBLISH} on the reserved topic {quoted(topic)} is not open to devices",
                disconnect=True,
            )
        decision = self._decide(_identity(session), PUBLISH, topic)
        return Verdict(decision.allowed, decision.reason, disconnect=not decision.allowed)

    def may_retain(self, session: SessionRef, topic: str) -> Verdict:
        """Allow what the policy allows; a refusal ends the connection like that of a publish."""
        decision = self._decide(_identity(session), RETAIN, topic)
        return Verdict(decision.allowed, decision.reason, disconnect=not decision.allowed)

    def may_subscribe(self, session: SessionRef, topic_filter: str) -> Verdict:
        """Allow the filter if the policy allows it as it is written."""
        decision = self._decide(_identity(session), SUBSCRIBE, topic_filter)
        return Verdict(decision.allowed, decision.reason)

    def may_receive(self, _source: Source, session: SessionRef, topic: str) -> bool:
        """Allow a delivery if the receiver's policy allows it, whoever sent the message."""
        return self._decide(_identity(session), RECEIVE, topic).allowed

    def taps(self, _source: Source, topic: str) -> Sequence[Tap]:
        """Hand requests to shadows to the shadow service."""
        return self._shadow_taps if _is_shadow_request(topic) else _NO_TAPS

    def refused(self, event: RefusalEvent) -> None:
        """Keep a record of every refusal."""
        self._record(event)

    def happened(self, event: SessionEvent) -> None:
        """Take note of nothing yet."""

    def source_name(self, source: Source) -> str:
        """Return the client id, or the label."""
        return source if isinstance(source, str) else source.client_id

    def remembered(self, session: SessionRef) -> str:
        """Return the id of the certificate that the session came in with."""
        return certificate_of(session)

    def recalled(self, client_id: str, remembered: str) -> CloudIdentity | None:
        """Return the identity if its device would still be admitted under this client id."""
        try:
            identity = CloudIdentity(self._directory.admit(remembered), client_id)
        except DeniedError:
            return None
        return identity if self._decide(identity, CONNECT, client_id).allowed else None

    def expulsion(self, session: SessionRef) -> str | None:
        """Return why a live session may not stay, or None if it would be admitted again now."""
        identity = _identity(session)
        decision = self._decide(identity, CONNECT, identity.client_id)
        return None if decision.allowed else decision.reason

    def _decide(self, identity: CloudIdentity, action: str, name: str) -> Decision:
        resource = _RESOURCES[action](self._home, name)
        return self._directory.authorize(
            identity.device, action, resource, client_id=identity.client_id
        )


def certificate_of(session: SessionRef) -> str:
    """Return the id of the certificate that a session came in with."""
    return _identity(session).device.certificate_id


def _identity(session: SessionRef) -> CloudIdentity:
    if not isinstance(session.identity, CloudIdentity):
        raise TypeError("a session of the cloud's broker has a CloudIdentity")
    return session.identity


def _is_shadow_request(topic: str) -> bool:
    reserved = parse_shadow_topic(topic)
    return reserved is not None and not reserved.event
