"""What a verification says: findings by kind, and where the record ends."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Kind = Literal[
    "NoDigests",
    "UnreadableDigest",
    "WrongSignature",
    "MissingSignature",
    "ReplayedDigest",
    "MissingDigest",
    "ForkedDigest",
    "BrokenChain",
    "OverdueDigest",
    "HeadNotReached",
    "MissingFile",
    "ChangedFile",
    "ExtraFile",
    "ChangedRecord",
    "MissingRecord",
    "ExtraRecord",
    "ReorderedRecords",
    "RecordsLost",
]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it was delivered: what it is, where, and in a sentence."""

    kind: Kind
    where: str
    """The file's path inside the folder; empty for the folder as a whole."""
    what: str

    def __str__(self) -> str:
        return (
            f"{self.kind} {self.where}: {self.what}" if self.where else f"{self.kind}: {self.what}"
        )


@dataclass(frozen=True, slots=True)
class ChainEnd:
    """Where one trail's record ends: note the head, and later verify that it is still reached."""

    account: str
    region: str
    trail: str
    ends_at: datetime
    position: int
    head: str
    stopped: bool


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome. `notes` are facts and no faults: files whose digest is not due yet."""

    findings: tuple[Finding, ...]
    notes: tuple[str, ...]
    ends: tuple[ChainEnd, ...]
    digests: int
    files: int
    records: int

    @property
    def intact(self) -> bool:
        """Whether everything is as it was delivered."""
        return not self.findings
