"""What is stored of trails: their settings, and how far each has delivered; frozen documents.

Both are stored under the trail's name. The settings change by calls of the API, the progress by
delivering, so that neither waits for the other.
"""

from datetime import datetime

import msgspec

from hedgerow.store import Kind


class TrailSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A trail as the API describes it."""

    bucket: str
    prefix: str = ""
    global_events: bool = True
    multi_region: bool = False
    validation: bool = False
    """Whether digests are delivered, AWS's `EnableLogFileValidation`."""
    tags: dict[str, str] = {}


class DeliveredFile(msgspec.Struct, frozen=True, kw_only=True):
    """One log file that no digest names yet."""

    key: str
    """Its path inside the bucket."""
    sha256: str
    """Of its content before compression, in hex, as AWS's digests have it."""
    file_sha256: str
    """Of its bytes as they lie there."""
    first: int
    last: int
    before: str
    """The chain's head before its first record, in hex."""
    head: str
    """The chain's head after its last one."""
    oldest: str
    newest: str
    skipped: str = ""


class NextFile(msgspec.Struct, frozen=True, kw_only=True):
    """A log file that is being written: said before it is, so that it is written once only."""

    key: str
    after: int
    last: int


class LastDigest(msgspec.Struct, frozen=True, kw_only=True):
    """The newest digest of a trail."""

    bucket: str
    key: str
    sha256: str
    signature: str


class NextDigest(msgspec.Struct, frozen=True, kw_only=True):
    """A digest that is being written, likewise."""

    key: str
    bucket: str
    end: datetime
    stopped: bool


class TrailProgress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a trail has got. `chain` tells it from an earlier trail of the same name.

    `position` is the number of the last record delivered or passed over, `head` the chain's hash
    there. `skipped` says why the next file will not go on from the last one; empty if it will.
    `concluding` is set when logging was stopped and what came before is not delivered yet.
    """

    chain: str
    logging: bool
    concluding: bool = False
    position: int
    head: str
    digest_start: datetime
    serial: int = 0
    """How many digests there were."""
    skipped: str = ""
    files: tuple[DeliveredFile, ...] = ()
    next_file: NextFile | None = None
    last_digest: LastDigest | None = None
    next_digest: NextDigest | None = None
    delivered_at: datetime | None = None
    digest_delivered_at: datetime | None = None
    started_at: datetime | None = None
    stopped_at: datetime | None = None
    problem: str = ""
    """Why the last delivery failed; empty if it did not."""


TRAIL_SETTINGS = Kind("trail-settings", TrailSettings)
TRAIL_PROGRESS = Kind("trail-progress", TrailProgress)
