"""What lies in a core's folder of deployments, checked as the core checks it, and not changed."""

from dataclasses import dataclass
from typing import Any

from hedgerow.core.config import CoreConfig
from hedgerow.core.deployment import DeploymentFolder, Ledger, Slot
from hedgerow.core.link import LinkIdentity


@dataclass(frozen=True, slots=True)
class Stored:
    """The two places that a start looks at, and what is remembered besides."""

    slots: tuple[Slot, ...]
    ledger: Ledger
    lost: str | None

    @property
    def starts_with(self) -> str | None:
        """The deployment that a start would serve; None for none."""
        for slot in self.slots:
            if slot.emptied:
                return None
            if slot.group is not None:
                return slot.group.group.deployment_id
        return None

    @property
    def faults(self) -> tuple[str, ...]:
        """Why what lies here is not run, each as a sentence."""
        return tuple(slot.fault for slot in self.slots if slot.group is None)

    @property
    def is_stranded(self) -> bool:
        """Tell whether there is something, nobody has emptied it, and nothing of it can be run."""
        return bool(self.slots) and self.starts_with is None and not self.slots[0].emptied

    def facts(self) -> dict[str, Any]:
        """Return all this for programs."""
        ledger = self.ledger
        return {
            "startsWith": self.starts_with,
            "onTrial": ledger.trial,
            "faults": list(self.faults),
            "failed": dict(ledger.failed),
            "reported": ledger.reported or None,
            "unreported": None if ledger.outcome is None else ledger.outcome.deployment_id,
            "resetUnderWay": ledger.wiping is not None,
            "lost": self.lost,
        }


def stored_of(config: CoreConfig) -> Stored:
    """Return what lies in the folder; `ConfigurationError` if the core's own files are wrong."""
    roots = LinkIdentity.load(config).roots
    folder = DeploymentFolder(config.folders.deployment, str(config.thing_arn), roots)
    return Stored(tuple(folder.slots()), folder.ledger, folder.lost)
