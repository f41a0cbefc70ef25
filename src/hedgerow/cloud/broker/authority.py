"""What the cloud's broker lets its clients do: policies, put to every connect and message.

| MQTT | action | resource |
| --- | --- | --- |
| CONNECT | `iot:Connect` | `client/<client id>` |
| PUBLISH, will | `iot:Publish` | `topic/<topic>` |
| either of them with the retain flag | `iot:RetainPublish` as well | `topic/<topic>` |
| SUBSCRIBE | `iot:Subscribe` | `topicfilter/<filter>`, with its `$share/<group>/` |
| delivery | `iot:Receive` | `topic/<topic>` |

Devices are judged by their AWS IoT policies, programs by their IAM policies. A publish that is
refused ends the connection, as AWS does it; MQTT 5 clients are told the action and the resource.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from hedgerow.cloud.broker.programs import Program, Programs
from hedgerow.cloud.home import Home
from hedgerow.cloud.iot import (
    AdmittedDevice,
    DeviceDirectory,
    client_arn,
    topic_arn,
    topic_filter_arn,
)
from hedgerow.contract import parse_shadow_topic, telemetry_core
from hedgerow.contract.job_topics import parse_job_topic
from hedgerow.kernel import DeniedError, quoted
from hedgerow.mqtt import (
    Admission,
    Admitted,
    ConnectRequest,
    Peer,
    ProtocolVersion,
    ReasonCode,
    RefusalEvent,
    Refused,
    SessionEvent,
    SessionRef,
    Source,
    Tap,
    Verdict,
)
from hedgerow.mqtt.topics import split_shared
from hedgerow.policy import Decision, Values, context
from hedgerow.policy.variables import CLIENT_ID, CONNECT_ATTRIBUTES

CONNECT: Final = "iot:Connect"
PUBLISH: Final = "iot:Publish"
RETAIN: Final = "iot:RetainPublish"
SUBSCRIBE: Final = "iot:Subscribe"
RECEIVE: Final = "iot:Receive"

ANSWER_TO: Final = "answer to "
"""The source of messages that are for one client; its id stands behind it."""

_RESOURCES: Final[Mapping[str, Callable[[Home, str], str]]] = MappingProxyType(
    {
        CONNECT: client_arn,
        PUBLISH: topic_arn,
        RETAIN: topic_arn,
        SUBSCRIBE: topic_filter_arn,
        RECEIVE: topic_arn,
    }
)

_IN_CONFLICT: Final = (
    "several clients use this client id and throw each other off; give every client an id of its "
    "own, and connect once a second at most"
)
_NO_TAPS: Final[tuple[Tap, ...]] = ()
_RESERVED: Final = "$"
_PROGRAM: Final = "program"


@dataclass(frozen=True, slots=True)
class CloudIdentity:
    """What the broker keeps of an admitted client: the proof it came in with, and its id.

    `attributes` are what it asked for in its CONNECT, as `iot:ConnectAttributes` names it.
    """

    holder: AdmittedDevice | Program
    client_id: str
    attributes: tuple[str, ...] = ()

    @property
    def certificate_id(self) -> str:
        """Return the id of the certificate it came in with, empty for a program."""
        return "" if isinstance(self.holder, Program) else self.holder.certificate_id

    @property
    def principal_id(self) -> str:
        """Return who it is in lifecycle events: the certificate's id, or the IAM identity's."""
        holder = self.holder
        return holder.principal_id if isinstance(holder, Program) else holder.certificate_id


class CloudAuthority:
    """Answers the broker's questions by what the device directory knows at this moment."""

    def __init__(
        self,
        directory: DeviceDirectory,
        home: Home,
        *,
        programs: Programs | None,
        shadow_tap: Tap,
        job_tap: Tap | None = None,
        telemetry_tap: Tap | None = None,
        record: Callable[[RefusalEvent], None],
        follow: Callable[[SessionEvent], None],
        may_connect: Callable[[str], bool],
    ) -> None:
        """`follow` hears of clients' lives, `may_connect` says whether it is not too soon again.

        Without `programs` only devices may come in; without `job_tap` nobody asks about jobs, and
        without `telemetry_tap` no core tells its telemetry.
        """
        self._may_connect = may_connect
        self._directory = directory
        self._home = home
        self._programs = programs
        self._shadow_taps = (shadow_tap,)
        self._job_taps = () if job_tap is None else (job_tap,)
        self._telemetry_taps = () if telemetry_tap is None else (telemetry_tap,)
        self._record = record
        self._follow = follow

    def admit(self, peer: Peer, client_id: str, connect: ConnectRequest) -> Admission:
        """Let a client in that has proven itself and whose policies allow this client id."""
        if client_id.startswith(_RESERVED):
            return Refused(
                ReasonCode.CLIENT_IDENTIFIER_NOT_VALID, "client ids that begin with $ are reserved"
            )
        holder = peer.identity
        if isinstance(holder, str):
            try:
                holder = self._directory.admit(holder)
            except DeniedError as error:
                return Refused(ReasonCode.NOT_AUTHORIZED, error.message)
        if not isinstance(holder, AdmittedDevice | Program):
            return Refused(ReasonCode.NOT_AUTHORIZED, "the connection has no client certificate")
        identity = CloudIdentity(holder, client_id, connect_attributes(connect))
        decision = self._decide(identity, CONNECT, client_id)
        if not decision.allowed:
            return Refused(ReasonCode.NOT_AUTHORIZED, decision.reason)
        if not self._may_connect(client_id):
            return Refused(ReasonCode.CONNECTION_RATE_EXCEEDED, _IN_CONFLICT)
        return Admitted(identity)

    def may_publish(self, session: SessionRef, topic: str) -> Verdict:
        """Allow what the policy allows; of reserved topics only those that somebody listens on."""
        if topic.startswith(_RESERVED) and not self.taps(session, topic):
            return Verdict(
                allowed=False,
                reason=f"{PUBLISH} on the reserved topic {quoted(topic)} is not open to devices",
                disconnect=True,
            )
        core = telemetry_core(topic)
        if core is not None and not self._is_core(identity_of(session), core):
            return Verdict(
                allowed=False,
                reason=f"telemetry of {quoted(core)} comes from a certificate of that thing",
                disconnect=True,
            )
        decision = self._decide(identity_of(session), PUBLISH, topic)
        return Verdict(decision.allowed, decision.reason, disconnect=not decision.allowed)

    def may_retain(self, session: SessionRef, topic: str) -> Verdict:
        """Allow what the policy allows; a refusal ends the connection like that of a publish."""
        if topic.startswith(_RESERVED):
            return Verdict(
                allowed=False,
                reason=f"nothing is retained on the reserved topic {quoted(topic)}",
                disconnect=True,
            )
        decision = self._decide(identity_of(session), RETAIN, topic)
        return Verdict(decision.allowed, decision.reason, disconnect=not decision.allowed)

    def may_subscribe(self, session: SessionRef, topic_filter: str) -> Verdict:
        """Allow the filter if the policy allows it as it is written.

        A shared one is also refused if the policy denies what is behind its group: a deny must not
        be passed by asking for a share.
        """
        identity = identity_of(session)
        decision = self._decide(identity, SUBSCRIBE, topic_filter)
        group, shared_filter = split_shared(topic_filter)
        if group and decision.allowed:
            behind = self._decide(identity, SUBSCRIBE, shared_filter)
            if behind.effect == "explicit-deny":
                decision = behind
        return Verdict(decision.allowed, decision.reason)

    def may_receive(self, source: Source, session: SessionRef, topic: str) -> bool:
        """Allow a delivery if the receiver's policy allows it, whoever sent the message.

        An answer is for the client that asked alone.
        """
        is_answer = isinstance(source, str) and source.startswith(ANSWER_TO)
        if is_answer and source != answer_to(session.client_id):
            return False
        return self._decide(identity_of(session), RECEIVE, topic).allowed

    def taps(self, _source: Source, topic: str) -> Sequence[Tap]:
        """Hand requests to shadows and about jobs to those who answer them, telemetry likewise."""
        if not topic.startswith(_RESERVED):
            return _NO_TAPS
        if _is_shadow_request(topic):
            return self._shadow_taps
        if self._job_taps and _is_job_request(topic):
            return self._job_taps
        return _NO_TAPS if telemetry_core(topic) is None else self._telemetry_taps

    def refused(self, event: RefusalEvent) -> None:
        """Keep a record of every refusal."""
        self._record(event)

    def happened(self, event: SessionEvent) -> None:
        """Have clients' lives followed."""
        self._follow(event)

    def source_name(self, source: Source) -> str:
        """Return the client id, or the label."""
        return source if isinstance(source, str) else source.client_id

    def owner(self, session: SessionRef) -> str:
        """Return the certificate or the program that the session belongs to."""
        identity = identity_of(session)
        return identity.certificate_id or f"{_PROGRAM} {identity.principal_id}"

    def remembered(self, session: SessionRef) -> str:
        """Return what the session's identity is recalled by after the broker's end."""
        return " ".join((self.owner(session), *identity_of(session).attributes))

    def recalled(self, client_id: str, remembered: str) -> CloudIdentity | None:
        """Return the identity if its device would still be admitted under this client id.

        A program has to prove itself anew, so its session does not outlive the broker's process.
        """
        certificate_id, *attributes = remembered.split(" ")
        if certificate_id == _PROGRAM:
            return None
        try:
            device = self._directory.admit(certificate_id)
        except DeniedError:
            return None
        identity = CloudIdentity(device, client_id, tuple(attributes))
        return identity if self._decide(identity, CONNECT, client_id).allowed else None

    def expulsion(self, session: SessionRef) -> str | None:
        """Return why a live session may not stay, or None if it would be admitted again now."""
        identity = identity_of(session)
        decision = self._decide(identity, CONNECT, identity.client_id)
        return None if decision.allowed else decision.reason

    def _is_core(self, identity: CloudIdentity, core: str) -> bool:
        """Tell whether a client's certificate is attached to a thing at this moment."""
        try:
            return core in self._directory.admit(identity.certificate_id).things
        except DeniedError:
            return False

    def _decide(self, identity: CloudIdentity, action: str, name: str) -> Decision:
        resource = _RESOURCES[action](self._home, name)
        more: dict[str, Values] = {}
        if action == CONNECT and identity.attributes:
            more[CONNECT_ATTRIBUTES] = identity.attributes
        if isinstance(identity.holder, AdmittedDevice):
            return self._directory.authorize(
                identity.holder,
                action,
                resource,
                client_id=identity.client_id,
                more=context(more),
            )
        if self._programs is None:
            raise TypeError("a broker without programs has let one in")
        more[CLIENT_ID] = identity.client_id
        return self._programs.judge(identity.holder, action, resource, more)


def answer_to(client_id: str) -> str:
    """Return the source of messages that are for the client with this id alone."""
    return f"{ANSWER_TO}{client_id}"


def connect_attributes(connect: ConnectRequest) -> tuple[str, ...]:
    """Return what a CONNECT asks for beyond a clean connection, as policies name it.

    Source: AWS IoT Core Developer Guide, MQTT, "Using connectAttributes".
    """
    expiry_s = connect.properties.session_expiry_interval
    persistent = bool(expiry_s) if connect.version is ProtocolVersion.V5 else False
    attributes = []
    if persistent or not connect.clean_start:
        attributes.append("PersistentConnect")
    if connect.will is not None:
        attributes.append("LastWill")
    return tuple(attributes)


def identity_of(session: SessionRef) -> CloudIdentity:
    """Return who a session is."""
    if not isinstance(session.identity, CloudIdentity):
        raise TypeError("a session of the cloud's broker has a CloudIdentity")
    return session.identity


def _is_job_request(topic: str) -> bool:
    reserved = parse_job_topic(topic)
    return reserved is not None and not reserved.event


def _is_shadow_request(topic: str) -> bool:
    reserved = parse_shadow_topic(topic)
    return reserved is not None and not reserved.event
