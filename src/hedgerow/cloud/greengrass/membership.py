"""Which certificates a group's devices may present now: computed, never typed in.

A certificate is in the list if it is ACTIVE, attached to a member thing, and has an IoT policy:
without any one of the three a device is not usable (statement A02). The list belongs to the
devices of a deployment; its serial belongs to the group and grows with every change, so that a
core never goes back to an older list.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from hedgerow.cloud.greengrass.documents import ROLLOUT, Rollout
from hedgerow.cloud.greengrass.group_members import GroupMembers
from hedgerow.cloud.greengrass.index import GroupIndex
from hedgerow.cloud.home import Home
from hedgerow.cloud.iot.directory import DeviceDirectory
from hedgerow.cloud.iot.registry import Registry
from hedgerow.contract import DeviceCertificate, Membership
from hedgerow.kernel import DeniedError
from hedgerow.store import Store

CERTIFICATES_KEPT = 20_000
"""How many certificates are kept ready for lists: about 25 MB of them."""


@dataclass(frozen=True, slots=True)
class MemberCertificate:
    """A certificate that is in the list, and for which thing."""

    thing_name: str
    certificate_id: str


class _Usable:
    """What `usable_certificates` says of things, remembered while the directory stays as it is."""

    def __init__(self, directory: DeviceDirectory) -> None:
        self._directory = directory
        self._epoch = -1
        self._known: dict[str, tuple[str, ...]] = {}

    def of(self, thing_name: str) -> tuple[str, ...]:
        """Return the ids of the thing's certificates that are in the list."""
        if self._epoch != self._directory.epoch:
            self._known.clear()
            self._epoch = self._directory.epoch
        found = self._known.get(thing_name)
        if found is None:
            found = tuple(sorted(usable_certificates(self._directory, thing_name)))
            self._known[thing_name] = found
        return found


def usable_certificates(directory: DeviceDirectory, thing_name: str) -> tuple[str, ...]:
    """Return the ids of the thing's certificates whose holders the directory admits now."""
    return tuple(
        certificate_id
        for certificate_id in directory.certificates_of(thing_name)
        if _is_admitted(directory, certificate_id)
    )


def members(
    things: Iterable[str], usable: Callable[[str], tuple[str, ...]]
) -> tuple[MemberCertificate, ...]:
    """Return the usable certificates of these things, in a fixed order."""
    return tuple(
        MemberCertificate(thing, certificate)
        for thing in sorted(set(things))
        for certificate in usable(thing)
    )


def digest(found: Sequence[MemberCertificate]) -> str:
    """Return a digest that changes whenever the list does."""
    lines = "".join(f"{entry.thing_name} {entry.certificate_id}\n" for entry in found)
    return hashlib.sha256(lines.encode()).hexdigest()


class MembershipLedger:
    """Keeps each group's serial in step with its list."""

    def __init__(
        self,
        store: Store,
        home: Home,
        *,
        index: GroupIndex,
        directory: DeviceDirectory,
        registry: Registry,
    ) -> None:
        self._store = store
        self._index = index
        self._usable = _Usable(directory)
        self._registry = registry
        self._home = home
        self._known_pems: dict[str, str] = {}

    async def refresh(self, group_id: str) -> Rollout | None:
        """Raise the group's serial if its list changed; return the rollout as it is now.

        The list is that of every device of the deployments that serve or are on their way.
        """
        view = await self._index.view(group_id)
        if view is None:
            return None
        now = digest(members(view.claimed, self._usable.of))
        if now == view.rollout.membership_digest:
            return view.rollout
        async with self._store.transaction() as tx:
            record = await tx.get(ROLLOUT, self._home.account, group_id)
            if record is None or record.document.membership_digest == now:
                return None if record is None else record.document
            changed = msgspec.structs.replace(
                record.document,
                membership_digest=now,
                membership_serial=record.document.membership_serial + 1,
            )
            await tx.update(record, changed)
            return changed

    async def current(self, deployment: GroupMembers) -> Membership:
        """Return the list for the devices of a deployment, with a serial that covers it."""
        rollout = await self.refresh(deployment.group_id)
        found = members(deployment.devices, self._usable.of)
        pems = await self._pems([entry.certificate_id for entry in found])
        certificates = (
            DeviceCertificate(
                certificate_id=entry.certificate_id,
                pem=pems[entry.certificate_id],
                thing_name=entry.thing_name,
            )
            for entry in found
            if entry.certificate_id in pems
        )
        return Membership(
            group_id=deployment.group_id,
            deployment_id=deployment.deployment_id,
            serial=0 if rollout is None else rollout.membership_serial,
            certificates=tuple(certificates),
        )

    async def _pems(self, ids: Sequence[str]) -> Mapping[str, str]:
        """Return certificates by id. They can be kept: an id is the digest of its certificate."""
        unknown = [identifier for identifier in ids if identifier not in self._known_pems]
        if len(self._known_pems) + len(unknown) > CERTIFICATES_KEPT:
            self._known_pems.clear()
            unknown = list(ids)
        for identifier, registered in (await self._registry.certificates(unknown)).items():
            self._known_pems[identifier] = registered.pem
        return {i: self._known_pems[i] for i in ids if i in self._known_pems}


def _is_admitted(directory: DeviceDirectory, certificate_id: str) -> bool:
    try:
        directory.admit(certificate_id)
    except DeniedError:
        return False
    return True
