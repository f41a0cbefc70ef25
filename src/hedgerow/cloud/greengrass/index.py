"""The groups as the data plane needs them: in memory, and never older than the last commit.

A change heard from the store marks a group as stale; the next question reloads it first. So a
question after a write sees the write, and questions without writes cost no database access.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from hedgerow.cloud.greengrass import connectivity
from hedgerow.cloud.greengrass.documents import (
    AUTHORITY,
    CONNECTIVITY,
    DEPLOYMENT,
    DEPLOYMENT_FILES,
    ROLLOUT,
    Authority,
    Rollout,
)
from hedgerow.cloud.greengrass.group_members import GroupMembers
from hedgerow.cloud.home import Home
from hedgerow.contract import ConnectivityInfo, CoreMember
from hedgerow.store import Change, Record, Store


@dataclass(frozen=True, slots=True)
class GroupView:
    """A deployed group, as of its last change.

    `core` and `devices` are of the deployment that serves (the last that succeeded, or the first
    one while it is on its way); `claimed` also counts the devices of the one on its way, and
    `deployed` says whether there is either: not after a reset.
    """

    group_id: str
    rollout: Rollout
    core: CoreMember | None
    devices: frozenset[str]
    claimed: frozenset[str]
    deployed: bool = True
    authorities: tuple[Record[Authority], ...] = ()
    connectivity: ConnectivityInfo = field(default_factory=ConnectivityInfo)


class GroupIndex:
    """Answers which groups a thing is in, from memory. `epoch` grows with every reload."""

    def __init__(self, store: Store, home: Home) -> None:
        self._store = store
        self._home = home
        self._views: dict[str, GroupView] = {}
        self._by_device: dict[str, set[str]] = defaultdict(set)
        self._by_core: dict[str, set[str]] = defaultdict(set)
        self._deployments: dict[str, GroupMembers] = {}
        self._stale: set[str] = set()
        self._reloading = asyncio.Lock()
        self._unsubscribe: Callable[[], None] | None = None
        self.epoch = 0

    async def start(self) -> None:
        """Listen for changes and load every group that was ever deployed."""
        self._unsubscribe = self._store.on_change(self._hear)
        rollouts = await self._store.all(ROLLOUT, self._home.account)
        self._stale.update(record.id for record in rollouts)
        await self._reload()

    def stop(self) -> None:
        """Listen no more."""
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None

    async def view(self, group_id: str) -> GroupView | None:
        """Return a group, or None if it was never deployed."""
        await self._reload()
        return self._views.get(group_id)

    async def groups_serving(self, device_name: str) -> tuple[GroupView, ...]:
        """Return the groups whose serving deployment has this device, in a fixed order."""
        await self._reload()
        views = (self._views[group_id] for group_id in sorted(self._by_device.get(device_name, ())))
        return tuple(view for view in views if device_name in view.devices)

    async def groups_claiming(self, device_name: str) -> frozenset[str]:
        """Return the ids of the groups that have, or are about to have, this device."""
        await self._reload()
        return frozenset(self._by_device.get(device_name, ()))

    async def groups_of_cores(self, names: Collection[str]) -> frozenset[str]:
        """Return the ids of the groups that one of these things serves as the core now."""
        return frozenset(await self.cores_among(names))

    async def cores_among(self, names: Collection[str]) -> dict[str, str]:
        """Map the groups that one of these things serves as the core now to its name."""
        await self._reload()
        ids = {group_id for name in names for group_id in self._by_core.get(name, ())}
        cores = {group_id: self._views[group_id].core for group_id in ids}
        return {
            group_id: core.thing_name
            for group_id, core in cores.items()
            if core is not None and core.thing_name in names
        }

    async def all(self) -> tuple[GroupView, ...]:
        """Return every group that was ever deployed."""
        await self._reload()
        return tuple(self._views.values())

    def _hear(self, change: Change) -> None:
        if change.account != self._home.account:
            return
        if change.kind == ROLLOUT.name:
            self._stale.add(change.id)
        elif change.kind in {DEPLOYMENT.name, AUTHORITY.name} and change.parent is not None:
            self._stale.add(change.parent)
        elif change.kind == DEPLOYMENT_FILES.name:
            self._deployments.pop(change.id, None)
        elif change.kind == CONNECTIVITY.name:
            self._stale.update(self._by_core.get(change.id, ()))

    async def _reload(self) -> None:
        if not self._stale and not self._reloading.locked():
            return
        async with self._reloading:
            while self._stale:
                group_id = self._stale.pop()
                try:
                    view = await self._load(group_id)
                except BaseException:
                    self._stale.add(group_id)
                    raise
                self._replace(group_id, view)

    def _replace(self, group_id: str, view: GroupView | None) -> None:
        old = self._views.pop(group_id, None)
        if old is not None:
            for name in old.claimed:
                self._by_device[name].discard(group_id)
                if not self._by_device[name]:
                    del self._by_device[name]
            for name in _core_names(old):
                self._by_core[name].discard(group_id)
                if not self._by_core[name]:
                    del self._by_core[name]
        if view is not None:
            self._views[group_id] = view
            for name in view.claimed:
                self._by_device[name].add(group_id)
            for name in _core_names(view):
                self._by_core[name].add(group_id)
        for deployment_id in _deployment_ids(old) - _deployment_ids(view):
            self._deployments.pop(deployment_id or "", None)
        self.epoch += 1

    async def _load(self, group_id: str) -> GroupView | None:
        account = self._home.account
        record = await self._store.get(ROLLOUT, account, group_id)
        if record is None:
            return None
        rollout = record.document
        target = await self._deployment(rollout.target)
        serving = await self._deployment(rollout.serving)
        served = serving or (target if await self._on_its_way(rollout.target) else None)
        return GroupView(
            group_id=group_id,
            rollout=rollout,
            core=served.core if served else None,
            devices=served.devices if served else frozenset(),
            claimed=_devices(serving) | _devices(target),
            deployed=serving is not None or target is not None,
            authorities=await self._store.all(AUTHORITY, account, parent=group_id),
            connectivity=await connectivity.read(self._store, account, rollout.core_thing_name),
        )

    async def _on_its_way(self, deployment_id: str | None) -> bool:
        if deployment_id is None:
            return False
        record = await self._store.get(DEPLOYMENT, self._home.account, deployment_id)
        return record is not None and record.document.state == "InProgress"

    async def _deployment(self, deployment_id: str | None) -> GroupMembers | None:
        """Return what a deployment brings; its files never change, and a large group's are large.

        It is remembered for as long as a group has it as its newest or the one that serves.
        """
        if deployment_id is None:
            return None
        known = self._deployments.get(deployment_id)
        if known is not None:
            return known
        files = await self._store.get(DEPLOYMENT_FILES, self._home.account, deployment_id)
        if files is None or not files.document.group:
            return None
        found = GroupMembers.read(files.document.group)
        self._deployments[deployment_id] = found
        return found


def _core_names(view: GroupView) -> frozenset[str]:
    """Return the cores of the newest deployment and of the one that serves: mostly one."""
    serving = () if view.core is None else (view.core.thing_name,)
    return frozenset({view.rollout.core_thing_name, *serving})


def _deployment_ids(view: GroupView | None) -> frozenset[str | None]:
    if view is None:
        return frozenset()
    return frozenset({view.rollout.target, view.rollout.serving})


def _devices(deployment: GroupMembers | None) -> frozenset[str]:
    return frozenset() if deployment is None else deployment.devices
