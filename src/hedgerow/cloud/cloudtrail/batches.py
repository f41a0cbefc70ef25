"""Which records go into the next log file: as many as fit, in the order of the journal.

What cannot be had any more (a damaged or shortened journal) is passed over, and the file that
comes after says so under the digest's signature.
"""

import gzip
import hashlib
from dataclasses import dataclass
from typing import Final

import msgspec

from hedgerow.cloud.cloudtrail.chain import Head, next_head, record_hash
from hedgerow.cloud.cloudtrail.documents import DeliveredFile
from hedgerow.cloud.cloudtrail.segments import DamagedSegmentError, Frame
from hedgerow.cloud.cloudtrail.trail import Trail

MAX_RECORDS: Final = 10_000
MAX_BYTES: Final = 16 * 1024 * 1024
"""Of one log file, before compression."""


class _Facts(msgspec.Struct, frozen=True):
    """What is read of a record that is delivered."""

    id: str = msgspec.field(name="eventID")
    time: str = msgspec.field(name="eventTime")


_facts = msgspec.json.Decoder(_Facts).decode


@dataclass(frozen=True, slots=True)
class Batch:
    """Records that follow one another in the journal."""

    before: Head
    frames: tuple[Frame, ...]

    @property
    def head(self) -> Head:
        """Where the chain stands after them."""
        return self.frames[-1].head

    def content(self) -> bytes:
        """Return the log file's content: the records' own bytes in AWS's frame."""
        return b'{"Records":[' + b",".join(frame.body for frame in self.frames) + b"]}"

    def listed(self) -> tuple[tuple[str, str], ...]:
        """Return (event id, hash) of each record."""
        return tuple(
            (_facts(frame.body).id, hashlib.sha256(frame.body).hexdigest()) for frame in self.frames
        )

    def delivered(self, key: str) -> DeliveredFile:
        """Return what a digest will say of the file."""
        times = [_facts(frame.body).time for frame in self.frames]
        content = self.content()
        return DeliveredFile(
            key=key,
            sha256=hashlib.sha256(content).hexdigest(),
            file_sha256=hashlib.sha256(compressed(content)).hexdigest(),
            first=self.before.sequence + 1,
            last=self.head.sequence,
            before=self.before.hash.hex(),
            head=self.head.hash.hex(),
            oldest=min(times),
            newest=max(times),
        )


@dataclass(frozen=True, slots=True)
class Lost:
    """Records that cannot be delivered: where to go on, and what to say."""

    resume: Head
    problem: str


def next_batch(trail: Trail, after: Head, last: int | None = None) -> Batch | Lost | None:
    """Return the records after a head, up to number `last` if given; None if there are none."""
    now = trail.head
    if now.sequence < after.sequence:
        problem = f"records {now.sequence + 1} to {after.sequence} are gone from the journal"
        return Lost(trail.last_start(), problem)
    if last is not None and after.sequence >= last:
        return None
    frames: list[Frame] = []
    size = 0
    try:
        for frame in trail.frames(after.sequence):
            if not frames and next_head(after, record_hash(frame.body)) != frame.head:
                problem = f"the journal is another than that of record {after.sequence}"
                return Lost(trail.last_start(), problem)
            frames.append(frame)
            size += len(frame.body)
            full = len(frames) >= MAX_RECORDS or size >= MAX_BYTES
            if full or frame.head.sequence == last:
                break
    except (DamagedSegmentError, OSError) as error:
        if not frames:
            return _lost(trail, after, str(error))
    if not frames and now.sequence > after.sequence:
        return _lost(trail, after, "files of the journal are missing")
    return Batch(after, tuple(frames)) if frames else None


def compressed(content: bytes) -> bytes:
    """Return the content as it is delivered; the same content always gives the same bytes."""
    return gzip.compress(content, mtime=0)


def _lost(trail: Trail, after: Head, problem: str) -> Lost:
    """Go on with the next file of the journal that begins later, or with what comes from now on."""
    resume = trail.next_start(after.sequence)
    return Lost(resume, f"records {after.sequence + 1} to {resume.sequence} are lost: {problem}")
