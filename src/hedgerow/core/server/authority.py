"""The rules of the local server, as the MQTT engine asks for them."""

from collections.abc import Sequence
from datetime import datetime

from hedgerow.contract import CLOUD, SHADOW_SERVICE
from hedgerow.core.server.refusals import RefusalLog
from hedgerow.core.server.serving import NOBODY, LocalMember, Serving
from hedgerow.core.server.validity import ends_at
from hedgerow.kernel import quoted
from hedgerow.mqtt import (
    ALLOWED,
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
from hedgerow.mqtt.topics import split_shared


class CoreAuthority:
    """Admits devices of the group and routes along rows. Keeps the promises of `mqtt.Authority`.

    Every answer is about `serving` as it is now; whoever replaces it tells the broker to ask anew.
    """

    def __init__(self, to_cloud: Tap, to_shadows: Tap, refusals: RefusalLog) -> None:
        self._taps = {CLOUD: to_cloud, SHADOW_SERVICE: to_shadows}
        self._refusals = refusals
        self._last_question: tuple[Serving, str, str] | None = None
        self._last_targets: frozenset[str] = frozenset()
        self.serving: Serving = NOBODY
        self.closed_because: str | None = "no group is deployed to this core yet"

    def admit(self, peer: Peer, client_id: str, connect: ConnectRequest) -> Admission:
        """Admit a client whose id is the thing name that exactly its certificate stands for."""
        del connect
        if self.closed_because is not None:
            return Refused(ReasonCode.SERVER_UNAVAILABLE, self.closed_because)
        things = self.serving.members.get(peer.identity) if isinstance(peer.identity, str) else None
        if not things:
            return Refused(
                ReasonCode.NOT_AUTHORIZED,
                "this certificate is not one of a device in the deployed group",
            )
        member = things.get(client_id)
        if member is None:
            names = ", ".join(quoted(name) for name in sorted(things))
            return Refused(
                ReasonCode.CLIENT_IDENTIFIER_NOT_VALID,
                f"the client id is {quoted(client_id)}; with this certificate it must be the thing "
                f"name {names}",
            )
        return Admitted(member)

    def may_publish(self, session: SessionRef, topic: str) -> Verdict:
        """Allow what some row lets pass."""
        member = self._member(session)
        if member is None:
            return _NO_MEMBER
        decision = self.serving.switchboard.may_publish(member.thing_arn, topic)
        return ALLOWED if decision.allowed else Verdict(allowed=False, reason=decision.reason)

    def may_retain(self, _session: SessionRef, _topic: str) -> Verdict:
        """Allow it to ask: rows say who gets a message, and whoever gets it later needs one too."""
        return ALLOWED

    def may_subscribe(self, session: SessionRef, topic_filter: str) -> Verdict:
        """Allow what some row could ever serve; what none serves yet comes to life with one.

        A device that is away is judged by its name: its certificate may be another when it comes
        back, and what waits for it is judged again then.
        """
        thing_arn = self._thing_arn(session)
        if thing_arn is None:
            return _NO_MEMBER
        wanted = split_shared(topic_filter)[1]
        decision = self.serving.switchboard.may_subscribe(thing_arn, wanted)
        if decision.allowed:
            return ALLOWED
        return Verdict(allowed=False, reason=decision.reason, dormant=True)

    def may_receive(self, source: Source, session: SessionRef, topic: str) -> bool:
        """Allow what a row lets pass from exactly this source to exactly this target."""
        target = self._thing_arn(session)
        name = self._source_name(source)
        if target is None or name is None:
            return False
        return target in self._targets(name, topic)

    def taps(self, source: Source, topic: str) -> Sequence[Tap]:
        """Return the queue for the cloud and the shadow service, where rows lead there."""
        name = self._source_name(source)
        if name is None:
            return ()
        targets = self._targets(name, topic)
        return tuple(tap for target, tap in self._taps.items() if target in targets)

    def refused(self, event: RefusalEvent) -> None:
        """Take note of a refusal."""
        self._refusals.refused(event)

    def happened(self, event: SessionEvent) -> None:
        """Take note of nothing: who is connected shows in the status."""

    def source_name(self, source: Source) -> str:
        """Return the thing ARN of a device, or the label."""
        return self._source_name(source) or ""

    def owner(self, session: SessionRef) -> str:
        """Return the thing that the session belongs to."""
        return session.client_id

    def remembered(self, session: SessionRef) -> str:
        """Return the id of the certificate that the session came in with."""
        admitted = session.identity
        return admitted.certificate_id if isinstance(admitted, LocalMember) else ""

    def recalled(self, client_id: str, remembered: str) -> LocalMember | None:
        """Return the device, if it is still in the group and has a certificate.

        It need not be the one it came in with: a session is the thing's, and whoever takes it up
        has to prove to be it with a certificate of now.
        """
        return self.serving.recalled(remembered, client_id)

    def is_current(self, session: SessionRef) -> bool:
        """Tell whether the session's certificate still stands for its device."""
        return self._member(session) is not None

    def ends_at(self, session: SessionRef) -> datetime | None:
        """Return when the certificate ends that the session was admitted with."""
        admitted = session.identity
        return ends_at(admitted.certificate_pem) if isinstance(admitted, LocalMember) else None

    def is_member(self, session: SessionRef) -> bool:
        """Tell whether the session's device is in the group and has any certificate."""
        return self._thing_arn(session) is not None

    def _targets(self, source: str, topic: str) -> frozenset[str]:
        """Return the targets of a message; the engine asks for each of its receivers in turn."""
        question = (self.serving, source, topic)
        if self._last_question != question:
            self._last_targets = self.serving.switchboard.targets(source, topic)
            self._last_question = question
        return self._last_targets

    def _member(self, session: SessionRef) -> LocalMember | None:
        """Return the device of a session if its certificate is still on the list, for it."""
        admitted = session.identity
        if not isinstance(admitted, LocalMember):
            return None
        current = self.serving.member(admitted.certificate_id, admitted.thing_name)
        return current if current == admitted else None

    def _thing_arn(self, session: SessionRef) -> str | None:
        """Return the ARN of a session's device while it is in the group with any certificate.

        INVARIANT: a live session whose own certificate is gone is cut in the step that takes the
        certificate away (`LocalServer.serve`), before any message.
        """
        admitted = session.identity
        if not isinstance(admitted, LocalMember):
            return None
        device = self.serving.devices.get(admitted.thing_name)
        return device.thing_arn if device is not None else None

    def _source_name(self, source: Source) -> str | None:
        if isinstance(source, str):
            return source
        member = self._member(source)
        return member.thing_arn if member is not None else None


_NO_MEMBER = Verdict(
    allowed=False,
    reason="the certificate of this connection is no longer one of a device in the group",
    disconnect=True,
)
