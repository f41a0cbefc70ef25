"""Which update is under way, written down before each step, so that no power cut leaves it open."""

from pathlib import Path
from typing import Literal

import msgspec

from hedgerow.contract.updates import Software
from hedgerow.core.updates.jobs import JobStatus
from hedgerow.kernel import ConfigurationError
from hedgerow.pki import write_private

Step = Literal["begun", "switching", "judging", "decided"]
"""`begun`: nothing is changed yet. `switching`: the core may be stopped, and the link old or new.
`judging`: the link is new, and whether it stays is open. `decided`: it is, and only the report is
left."""


class CoreLook(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What a running core says of itself, as far as an update is judged by it."""

    version: str
    pid: int
    connected: bool
    deployment_id: str | None
    mqtt_open: bool


class Outcome(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How an update ended."""

    status: JobStatus
    reason: str = ""


class Entry(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One update; slots are those of `InstalledSoftware`."""

    job_id: str
    software: Software
    version: str
    from_slot: str
    step: Step = "begun"
    attempts: int = 1
    before: CoreLook | None = None
    outcome: Outcome | None = None


class Journal:
    """A file with at most one update; it is whole or absent at any moment."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> Entry | None:
        """Return the update under way, or None."""
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=Entry)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError) as error:
            raise ConfigurationError(
                f"{self._path} cannot be read ({error}); it says which update is under way: look "
                "which version runs, then remove it"
            ) from error

    def write(self, entry: Entry) -> Entry:
        """Write down where an update stands."""
        write_private(self._path, msgspec.json.encode(entry))
        return entry

    def clear(self) -> None:
        """Note that no update is under way."""
        self._path.unlink(missing_ok=True)
