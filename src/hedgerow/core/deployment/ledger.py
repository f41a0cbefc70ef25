"""What a core remembers of its deployments besides the documents: one record in two slots.

It survives a power cut at any moment, and a full disk takes its changes. Losing it strands
nobody: a core whose record is gone starts from what the signed documents themselves say.
"""

from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec

from hedgerow.contract import DeploymentStatusReport
from hedgerow.pki import TwinFile

_FAILED_LIMIT: Final = 16
"""Deployments that are remembered as failed; the cloud wishes for its newest one only."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How a deployment ended, until the cloud has been told."""

    group_id: str
    deployment_id: str
    report: DeploymentStatusReport


class Wiping(msgspec.Struct, frozen=True, kw_only=True):
    """A reset that was begun: what is to be wiped is wiped, however often the core is stopped."""

    group_id: str
    deployment_id: str


class Ledger(msgspec.Struct, frozen=True, kw_only=True):
    """The record. A change makes another one."""

    serials: dict[str, int] = {}
    """The highest serial of a list of certificates that was seen, by group."""
    newest: datetime | None = None
    """When the newest deployment seen was made, by the cloud's clock."""
    reported: str = ""
    """The last deployment whose outcome the cloud was told."""
    trial: str | None = None
    """The deployment that runs and has not passed its health check yet."""
    starts: dict[str, int] = {}
    """How often the core has begun with a deployment since it was last found healthy with it."""
    failed: dict[str, str] = {}
    """Deployments that are not run again, and why."""
    leaving: str | None = None
    """The group that the one on trial takes the place of, if it is another one."""
    outcome: Outcome | None = None
    wiping: Wiping | None = None

    def with_failed(self, deployment_id: str, reason: str) -> "Ledger":
        """Remember that a deployment is not to be run again."""
        kept = {name: why for name, why in self.failed.items() if name != deployment_id}
        newest = list(kept.items())[-(_FAILED_LIMIT - 1) :]
        return msgspec.structs.replace(self, failed=dict([*newest, (deployment_id, reason)]))

    def with_serial(self, group_id: str, serial: int) -> "Ledger":
        """Raise the floor for lists of certificates of a group; it never sinks."""
        if self.serials.get(group_id, -1) >= serial:
            return self
        return msgspec.structs.replace(self, serials=self.serials | {group_id: serial})

    def with_newest(self, made: datetime) -> "Ledger":
        """Note when a deployment was made, if none seen was made later."""
        if self.newest is not None and self.newest >= made:
            return self
        return msgspec.structs.replace(self, newest=made)


class LedgerFile:
    """The record on disk, and what was found wrong with it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._twin = TwinFile(folder / "ledger")
        self._known: Ledger | None = None
        self.lost: str | None = None
        """That both slots were unreadable: what the core has seen has to be learned anew."""

    def read(self) -> Ledger:
        """Return the record; an empty one if there is none that can be read."""
        if self._known is None:
            self._known = self._read()
        return self._known

    def write(self, ledger: Ledger) -> None:
        """Keep the record; `OSError` if the disk does not take it, and then the old one counts."""
        if ledger == self._known:
            return
        self._twin.write(msgspec.json.encode(ledger))
        self._known = ledger

    def change(self, **values: object) -> Ledger:
        """Keep the record with some of its fields changed, and return it."""
        changed = msgspec.structs.replace(self.read(), **values)
        self.write(changed)
        return changed

    def _read(self) -> Ledger:
        found = self._twin.read()
        if found.payload is not None:
            try:
                return msgspec.json.decode(found.payload, type=Ledger)
            except msgspec.DecodeError as error:
                self.lost = f"the record of deployments in {self._folder} cannot be read: {error}"
        elif found.is_lost:
            names = " and ".join(str(slot) for slot in found.damaged)
            self.lost = (
                f"both copies of the record of deployments are damaged ({names}); what this core "
                "has seen is learned anew from the signed documents"
            )
        return Ledger()
