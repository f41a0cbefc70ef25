"""What makes a fault strike inside a core or a cloud, without a word of theirs being changed.

Every file that is opened for writing, renamed, linked or removed, and every fsync, is a step of the
core; before and after each commit of its store is a step of the cloud. At the armed step the
process kills itself, or the disk is full (from then on) or broken (this once).
"""

import errno
import os
import signal
import sqlite3
import sys
from collections.abc import Callable
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Final

import msgspec

from bench.deployment_faults.faults import Fault
from hedgerow.cloud.greengrass.core_desk import CoreDesk, NoSuchDeploymentError
from hedgerow.cloud.greengrass.documents import DEPLOYMENT_FILES
from hedgerow.store.database import Database, database_errors
from hedgerow.store.store import Store

_CREATING: Final = os.O_CREAT | os.O_WRONLY | os.O_RDWR
_MAKING: Final = frozenset({"open", "os.mkdir", "os.symlink", "fsync"})
_CHANGING: Final = _MAKING | {"os.rename", "os.remove", "os.rmdir"}
_AS_IT_IS: Final = ContextVar("as it is", default=False)
"""Whether the cloud reads a group document for itself."""
_LOGS: Final = "/ggc/var/log/"


class Striker:
    """Counts steps, and strikes at the armed one."""

    def __init__(self, told: Path, struck: Callable[[], None]) -> None:
        self._told = told
        self._struck = struck
        self._count = 0
        self._has_struck = False
        self.fault = Fault()
        self.is_full = False
        """Whether the cloud's disk takes no more."""

    def arm(self) -> None:
        """Take the fault that was written down; the count begins anew."""
        self.fault = Fault()
        fault = msgspec.json.decode(self._told.read_bytes(), type=Fault)
        self._count, self._has_struck, self.is_full, self.fault = 0, False, False, fault

    def step(self, what: str) -> None:
        """Take one step of the core."""
        fault = self.fault
        if not fault.step or fault.kind.side != "core":
            return
        self._count += 1
        if fault.name == "core-disk-full" and self._count >= fault.step and what in _MAKING:
            self.say_it_strikes()
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if self._count != fault.step:
            return
        self.say_it_strikes()
        if fault.name == "core-disk-error":
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        if fault.name.startswith("core-killed"):
            os.kill(os.getpid(), signal.SIGKILL)

    def commit_step(self) -> None:
        """Take one step of the cloud."""
        fault = self.fault
        if not fault.step or fault.kind.side != "cloud":
            return
        self._count += 1
        if self._count < fault.step:
            return
        if fault.name == "cloud-killed":
            self.say_it_strikes()
            os.kill(os.getpid(), signal.SIGKILL)
        self.is_full = fault.name == "cloud-disk-full"

    def strikes(self, name: str) -> bool:
        """Tell whether a fault that changes an answer is armed; it strikes then."""
        if self.fault.name != name:
            return False
        self.say_it_strikes()
        return True

    def say_it_strikes(self) -> None:
        """Tell the world, the first time."""
        if not self._has_struck:
            self._has_struck = True
            self._struck()


def watch_files(striker: Striker, root: Path) -> None:
    """Make every change of files below the root a step."""
    below, fsync = f"{root}/", os.fsync

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event not in _CHANGING or not striker.fault.step:
            return
        if event == "open" and not _is_for_writing(arguments):
            return
        names = [os.fsdecode(name) for name in arguments[:2] if isinstance(name, str | bytes)]
        if any(name.startswith(below) and _LOGS not in name for name in names):
            striker.step(event)

    def counted_fsync(descriptor: Any) -> None:
        striker.step("fsync")
        fsync(descriptor)

    sys.addaudithook(hook)
    os.fsync = counted_fsync  # type: ignore[assignment]


def watch_commits(striker: Striker) -> None:
    """Make the moments before and after each commit a step, and let the disk be full."""
    commit_all = Store._commit  # noqa: SLF001 - where a kill falls is this module's matter
    commit = Database.commit

    async def counted(self: Store, changes: Any) -> None:
        striker.commit_step()
        await commit_all(self, changes)
        striker.commit_step()

    def may_fail(self: Database) -> Any:
        if not striker.is_full:
            return commit(self)
        striker.say_it_strikes()

        def fail() -> None:
            with database_errors():
                raise sqlite3.OperationalError("database or disk is full")

        return self._committer.start(fail)

    Store._commit = counted  # type: ignore[method-assign]  # noqa: SLF001 - as above
    Database.commit = may_fail  # type: ignore[method-assign]


def watch_answers(striker: Striker) -> None:
    """Let the cloud give out what is not what it signed."""
    manifest, group_file = CoreDesk.manifest, CoreDesk.group_file
    membership_file = CoreDesk.membership_file

    async def some_manifest(self: CoreDesk, own: Any, deployment_id: str) -> bytes:
        right = await manifest(self, own, deployment_id)
        older = await self._store.get(DEPLOYMENT_FILES, self._home.account, striker.fault.older)
        if older is not None and striker.strikes("older-manifest"):
            return older.document.manifest
        return _spoiled(right) if striker.strikes("bad-signature") else right

    async def some_group(self: CoreDesk, own: Any, deployment_id: str) -> bytes:
        right = await group_file(self, own, deployment_id)
        if _AS_IT_IS.get():
            return right
        if striker.strikes("missing-group"):
            raise NoSuchDeploymentError("it is not there")
        if striker.strikes("short-group"):
            return right[: len(right) // 2]
        return right.replace(b"only/", b"0nly/") if striker.strikes("changed-group") else right

    async def some_membership(self: CoreDesk, own: Any, deployment_id: str) -> bytes:
        reading = _AS_IT_IS.set(True)
        try:
            right = await membership_file(self, own, deployment_id)
        finally:
            _AS_IT_IS.reset(reading)
        return _spoiled(right) if striker.strikes("changed-membership") else right

    CoreDesk.manifest = some_manifest  # type: ignore[method-assign]
    CoreDesk.group_file = some_group  # type: ignore[method-assign]
    CoreDesk.membership_file = some_membership  # type: ignore[method-assign]


def _spoiled(signed: bytes) -> bytes:
    """Return a signed document with another payload under the same signature."""
    document = msgspec.json.decode(signed)
    payload = document["Payload"]
    document["Payload"] = payload[:-8] + ("A" if payload[-8] != "A" else "B") + payload[-7:]
    return msgspec.json.encode(document)


def _is_for_writing(arguments: tuple[Any, ...]) -> bool:
    _, mode, flags = arguments
    if isinstance(mode, str):
        return any(letter in mode for letter in "wax+")
    return bool(isinstance(flags, int) and flags & _CREATING)
