"""The device directory: who is admitted now, in memory, always as the store says.

Doors ask it for every connection and request, so its answers are dictionary look-ups. Every commit
changes it before the writer goes on, so that a revocation that was answered is in force.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import structlog

from hedgerow.cloud.home import Home
from hedgerow.cloud.iot.admission import AdmittedDevice
from hedgerow.cloud.iot.documents import (
    CA_CERTIFICATE,
    CERTIFICATE,
    IOT_POLICY,
    THING,
    THING_GROUP,
    IotPolicy,
)
from hedgerow.cloud.iot.tables import NOTHING, DirectoryTables
from hedgerow.kernel import HedgerowError
from hedgerow.pki import Trust
from hedgerow.policy import Context, Decision, Explanation, NamedPolicy, parse_policy
from hedgerow.store import Change, Kind, Store

_KINDS: Final[dict[str, Kind[Any]]] = {
    kind.name: kind for kind in (THING, THING_GROUP, CERTIFICATE, CA_CERTIFICATE, IOT_POLICY)
}
_Key = tuple[str, str]

_log = structlog.get_logger("hedgerow.cloud.iot.directory")


@dataclass(frozen=True, slots=True)
class DirectoryChange:
    """What an update of the directory touched; listeners judge anew whom it concerns."""

    certificates: frozenset[str]
    """Ids of certificates whose status, things, policies or policies' contents may differ now."""
    things: frozenset[str]
    """Things that changed, or that such a certificate is or was attached to."""
    anchors_changed: bool
    """Whether `trust_anchors()` gives something else than before."""


Listener = Callable[[DirectoryChange], None]


class DeviceDirectory:
    """Answers which devices are admitted and what their policies allow.

    INVARIANT: a record that cannot be understood admits nobody.
    """

    def __init__(self, store: Store, home: Home, *, device_authorities: Sequence[str]) -> None:
        """`device_authorities` are the PEM certificates that sign this cloud's own devices."""
        self._store = store
        self._account = home.account
        self._tables = DirectoryTables(home, device_authorities)
        self._listeners: dict[object, Listener] = {}
        self._unsubscribe: Callable[[], None] | None = None
        self._newer: set[_Key] | None = None
        self.epoch = 0
        """Grows with every change; an answer is good as long as the epoch stays."""

    async def start(self) -> None:
        """Load everything, and follow the store from now on."""
        self._unsubscribe = self._store.on_commit(self._hear)
        newer = self._newer = set()
        for kind in _KINDS.values():
            for record in await self._store.all(kind, self._account):
                if (kind.name, record.id) not in newer:
                    self._put((kind.name, record.id), record.document)
        self._newer = None
        self.epoch += 1

    async def stop(self) -> None:
        """Stop following. What is known stays; nothing new is heard."""
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None

    def on_change(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` after every change that concerns a certificate; return what ends that.

        It must not wait.
        """
        ticket = object()
        self._listeners[ticket] = listener

        def stop() -> None:
            self._listeners.pop(ticket, None)

        return stop

    def admit(self, certificate_id: str) -> AdmittedDevice:
        """Return the proof that this certificate's holder may come in, or raise `DeniedError`."""
        return self._tables.admit(certificate_id)

    def authorize(
        self,
        device: AdmittedDevice,
        action: str,
        resource: str,
        *,
        client_id: str | None = None,
        more: Context = NOTHING,
    ) -> Decision:
        """Decide whether the device may do this now; the decision carries its reason.

        `client_id` is that of the MQTT session, if there is one: policy variables of the
        connection have a value only then. `more` is what conditions can know beside them. A device
        that is no longer admitted is denied.
        """
        return self._tables.authorize(device.certificate_id, action, resource, client_id, more)

    def explain(
        self,
        certificate_id: str,
        action: str,
        resource: str,
        *,
        client_id: str | None = None,
        added: Sequence[NamedPolicy] = (),
        skipped: Collection[str] = (),
    ) -> Explanation:
        """Return the decision of `authorize` with all its reasons, also for changed policies.

        `added` policies count as attached to the certificate, those with a `skipped` name not at
        all. Raises `DeniedError` for a certificate that may not come in.
        """
        return self._tables.explain(
            certificate_id, action, resource, client_id, added=added, skipped=skipped
        )

    def group_policies_of(self, things: Iterable[str]) -> tuple[str, ...]:
        """Return the names of the policies that things have by their groups."""
        return self._tables.group_policies_of(things)

    def trust_anchors(self) -> Trust:
        """Return what TLS has to trust: our device authorities, and exact foreign certificates.

        Of certificates registered without their authority the ACTIVE ones are anchors
        themselves, so that everything else that authority signed ends at a TLS alert.
        """
        return self._tables.trust_anchors()

    def thing_type(self, thing_name: str) -> str:
        """Return the type of a thing, or nothing."""
        return self._tables.thing_type(thing_name)

    def is_registered(self, certificate_id: str) -> bool:
        """Tell whether a certificate is registered, whatever its status."""
        return self._tables.is_registered(certificate_id)

    @property
    def registering_authorities(self) -> Mapping[str, str]:
        """The CAs (id, PEM) whose certificates are registered at their first connection."""
        return self._tables.registering_authorities

    @property
    def pending(self) -> Collection[str]:
        """The certificates that were registered so, and that nobody has activated yet."""
        return self._tables.pending

    def things_of(self, certificate_id: str) -> tuple[str, ...]:
        """Return the things that a certificate is attached to, whatever its status."""
        return self._tables.things_of(certificate_id)

    def certificates_of(self, thing_name: str) -> tuple[str, ...]:
        """Return the ids of the certificates attached to a thing, whatever their status."""
        return self._tables.certificates_of(thing_name)

    def _hear(self, changes: Sequence[Change]) -> None:
        """Take a commit in, as a whole: nobody is judged by a half of it."""
        documents = {
            (change.kind, change.id): change.document
            for change in changes
            if change.account == self._account and change.kind in _KINDS
        }
        if not documents:
            return
        if self._newer is not None:
            self._newer.update(documents)
        certificates: set[str] = set()
        things: set[str] = set()
        anchors_changed = False
        for key, document in documents.items():
            before = self._touched(key)
            things |= self._things_of_all(before)
            anchors_changed |= self._put(key, document)
            certificates |= before | self._touched(key)
        if not certificates and not anchors_changed:
            return  # it concerns nobody who could be let in, as a thing that was just registered
        self.epoch += 1
        things |= self._things_of_all(certificates)
        things |= {identifier for kind, identifier in documents if kind == THING.name}
        self._tell(DirectoryChange(frozenset(certificates), frozenset(things), anchors_changed))

    def _touched(self, key: _Key) -> set[str]:
        kind, identifier = key
        if kind == CERTIFICATE.name:
            return {identifier}
        if kind == CA_CERTIFICATE.name:
            return set()
        if kind == IOT_POLICY.name:
            return set(self._tables.holders_of(identifier))
        if kind == THING_GROUP.name:
            return set(self._tables.in_group(identifier))
        return set(self._tables.certificates_of(identifier))

    def _things_of_all(self, certificates: Iterable[str]) -> set[str]:
        return {thing for one in certificates for thing in self._tables.things_of(one)}

    def _put(self, key: _Key, document: Any) -> bool:
        kind, identifier = key
        if kind == CERTIFICATE.name:
            return self._tables.put_certificate(identifier, document)
        if kind == CA_CERTIFICATE.name:
            return self._tables.put_authority(identifier, document)
        if kind == IOT_POLICY.name:
            self._tables.put_policy(identifier, _compiled(identifier, document))
        elif kind == THING_GROUP.name:
            self._tables.put_group(identifier, document)
        else:
            self._tables.put_thing(identifier, document)
        return False

    def _tell(self, change: DirectoryChange) -> None:
        for listener in tuple(self._listeners.values()):
            try:
                listener(change)
            except Exception:  # noqa: BLE001 - one listener's fault is not the others'
                _log.exception("a listener of the device directory failed")


def _compiled(name: str, policy: IotPolicy | None) -> NamedPolicy | None:
    if policy is None:
        return None
    try:
        return NamedPolicy(name=name, policy=parse_policy(policy.default_text))
    except Exception as error:  # noqa: BLE001 - whatever it is, the policy admits nobody
        reason = error.message if isinstance(error, HedgerowError) else type(error).__name__
        _log.error("a stored policy is malformed", policy=name, reason=reason)
        return None
