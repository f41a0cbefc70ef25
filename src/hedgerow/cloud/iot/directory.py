"""The device directory: who is admitted now, in memory, always as the store says.

Doors ask it for every connection and request, so its answers are dictionary look-ups; the store's
change feed keeps it current, so that a revocation is known to every door within milliseconds.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import structlog

from hedgerow.cloud.home import Home
from hedgerow.cloud.iot.admission import AdmittedDevice
from hedgerow.cloud.iot.documents import CERTIFICATE, IOT_POLICY, THING, THING_GROUP, IotPolicy
from hedgerow.cloud.iot.tables import DirectoryTables
from hedgerow.kernel import HedgerowError
from hedgerow.pki import Trust
from hedgerow.policy import Decision, Explanation, NamedPolicy, parse_policy
from hedgerow.store import Change, Kind, Store

RETRY_SECONDS: Final = 0.5
"""How long to wait before a record that could not be read is tried again."""

_KINDS: Final[dict[str, Kind[Any]]] = {
    kind.name: kind for kind in (THING, THING_GROUP, CERTIFICATE, IOT_POLICY)
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

    INVARIANT: a record that cannot be read admits nobody; it is tried again until it can.
    """

    def __init__(self, store: Store, home: Home, *, device_authorities: Sequence[str]) -> None:
        """`device_authorities` are the PEM certificates that sign this cloud's own devices."""
        self._store = store
        self._account = home.account
        self._tables = DirectoryTables(home, device_authorities)
        self._listeners: dict[object, Listener] = {}
        self._pending: asyncio.Queue[_Key] = asyncio.Queue()
        self._unread: set[_Key] = set()
        self._unsubscribe: Callable[[], None] | None = None
        self._follower: asyncio.Task[None] | None = None
        self.epoch = 0
        """Grows with every change; an answer is good as long as the epoch stays."""

    async def start(self) -> None:
        """Load everything, and follow the store from now on."""
        self._unsubscribe = self._store.on_change(self._heard)
        for kind in _KINDS.values():
            for record in await self._store.all(kind, self._account):
                self._put((kind.name, record.id), record.document)
        self.epoch += 1
        loop = asyncio.get_running_loop()
        self._follower = loop.create_task(self._follow(), name="device directory")

    async def stop(self) -> None:
        """Stop following. What is known stays; nothing new is heard."""
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None
        if self._follower is not None:
            self._follower.cancel()
            await asyncio.gather(self._follower, return_exceptions=True)
            self._follower = None

    async def settled(self) -> None:
        """Return once every change committed before this call is known here and to listeners."""
        if self._follower is not None:
            await self._pending.join()

    def on_change(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` after every change; return what ends that. It must not wait."""
        ticket = object()
        self._listeners[ticket] = listener

        def stop() -> None:
            self._listeners.pop(ticket, None)

        return stop

    def admit(self, certificate_id: str) -> AdmittedDevice:
        """Return the proof that this certificate's holder may come in, or raise `DeniedError`."""
        return self._tables.admit(certificate_id)

    def authorize(
        self, device: AdmittedDevice, action: str, resource: str, *, client_id: str | None = None
    ) -> Decision:
        """Decide whether the device may do this now; the decision carries its reason.

        `client_id` is that of the MQTT session, if there is one: policy variables of the
        connection have a value only then. A device that is no longer admitted is denied.
        """
        return self._tables.authorize(device.certificate_id, action, resource, client_id)

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

    def things_of(self, certificate_id: str) -> tuple[str, ...]:
        """Return the things that a certificate is attached to, whatever its status."""
        return self._tables.things_of(certificate_id)

    def certificates_of(self, thing_name: str) -> tuple[str, ...]:
        """Return the ids of the certificates attached to a thing, whatever their status."""
        return self._tables.certificates_of(thing_name)

    def _heard(self, change: Change) -> None:
        if change.account == self._account and change.kind in _KINDS:
            self._pending.put_nowait((change.kind, change.id))

    async def _follow(self) -> None:
        while True:
            batch = await self._next_batch()
            keys = dict.fromkeys((*batch, *self._unread))
            self._unread.clear()
            try:
                # Read first, then change all in one step: nobody is judged by a half of it.
                self._apply({key: await self._read(key) for key in keys})
            except Exception:  # noqa: BLE001 - following must go on, or revocations go unheard
                _log.exception("the device directory could not take a change; trying again")
                self._unread.update(keys)
            finally:
                for _ in batch:
                    self._pending.task_done()

    async def _next_batch(self) -> list[_Key]:
        batch: list[_Key] = []
        try:
            async with asyncio.timeout(RETRY_SECONDS if self._unread else None):
                batch.append(await self._pending.get())
        except TimeoutError:
            return batch
        while not self._pending.empty():
            batch.append(self._pending.get_nowait())
        return batch

    async def _read(self, key: _Key) -> Any:
        kind, identifier = key
        try:
            record = await self._store.get(_KINDS[kind], self._account, identifier)
        except Exception as error:  # noqa: BLE001 - whatever it is, the record admits nobody
            reason = error.message if isinstance(error, HedgerowError) else type(error).__name__
            _log.error("a record of the registry cannot be read", kind=kind, reason=reason)
            self._unread.add(key)
            return None
        return None if record is None else record.document

    def _apply(self, documents: dict[_Key, Any]) -> None:
        certificates: set[str] = set()
        things: set[str] = set()
        anchors_changed = False
        for key, document in documents.items():
            before = self._touched(key)
            things |= self._things_of_all(before)
            anchors_changed |= self._put(key, document)
            certificates |= before | self._touched(key)
        self.epoch += 1
        things |= self._things_of_all(certificates)
        things |= {identifier for kind, identifier in documents if kind == THING.name}
        self._tell(DirectoryChange(frozenset(certificates), frozenset(things), anchors_changed))

    def _touched(self, key: _Key) -> set[str]:
        kind, identifier = key
        if kind == CERTIFICATE.name:
            return {identifier}
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
    except HedgerowError as error:
        _log.error("a stored policy is malformed", policy=name, reason=error.message)
        return None
