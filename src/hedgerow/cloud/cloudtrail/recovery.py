"""What opening a journal finds: where its chain stands, and what is not as it should be.

A torn tail, which a power loss leaves, is cut off and said so in the record. Damage elsewhere is
said as well; a damaged file stays as evidence under another name, and the chain goes on.
"""

import hashlib
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from hedgerow.cloud.cloudtrail.anchor import read_anchor
from hedgerow.cloud.cloudtrail.chain import Head, origin
from hedgerow.cloud.cloudtrail.segments import (
    DamagedSegmentError,
    Header,
    read_frames,
    read_header,
    segment_path,
    segments_of,
)
from hedgerow.kernel import Secret

DAMAGED_SUFFIX: Final = ".damaged"


@dataclass(frozen=True, slots=True)
class SegmentInfo:
    """One whole segment of an opened journal."""

    first: int
    header: Header
    size: int


@dataclass(frozen=True, slots=True)
class Finding:
    """Something to put into the record: the event's name and its details."""

    event_name: str
    details: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Opened:
    """What a journal's folder holds, after repair."""

    segments: tuple[SegmentInfo, ...]
    head: Head
    findings: tuple[Finding, ...]


def recover(folder: Path, account: str, journal_key: Secret[bytes]) -> Opened:
    """Read a journal's segments, cut a torn tail off, and say what is wrong.

    Only the last segment is read through: older ones were closed whole, and whoever reads them
    finds damage then.
    """
    head = origin(account)
    segments: list[SegmentInfo] = []
    findings: list[Finding] = []
    numbers = segments_of(folder)
    for number in numbers:
        path = segment_path(folder, number)
        try:
            header = read_header(path, journal_key)
            if number == numbers[-1]:
                head, finding = _last_segment(path, header, journal_key)
                findings.extend([] if finding is None else [finding])
        except DamagedSegmentError as error:
            findings.append(_set_aside(path, error))
            continue
        segments.append(SegmentInfo(number, header, path.stat().st_size))
    if numbers and not (segments and segments[-1].first == numbers[-1]):
        head = _head_before_lost_segment(folder, segments, journal_key, head)
    findings.extend(_gaps(segments))
    findings.extend(_cut_by_somebody(folder, journal_key, head))
    return Opened(tuple(segments), head, tuple(findings))


def _last_segment(
    path: Path, header: Header, journal_key: Secret[bytes]
) -> tuple[Head, Finding | None]:
    head = header.before
    try:
        for frame in read_frames(path, journal_key):
            head = frame.head
    except DamagedSegmentError as error:
        return head, _cut_tail(path, error, head)
    return head, None


def _cut_tail(path: Path, error: DamagedSegmentError, head: Head) -> Finding:
    """Cut what follows the last good record, and keep it beside as evidence."""
    content = path.read_bytes()
    tail = content[error.offset :]
    evidence = path.with_name(f"{path.name}.{error.offset}{DAMAGED_SUFFIX}")
    evidence.write_bytes(tail)
    evidence.chmod(0o600)
    os.truncate(path, error.offset)
    return Finding(
        "JournalTailRepaired",
        {
            "file": path.name,
            "lastGoodSequence": head.sequence,
            "problem": error.problem,
            "bytesCut": len(tail),
            "sha256OfCut": hashlib.sha256(tail).hexdigest(),
        },
    )


def _set_aside(path: Path, error: DamagedSegmentError) -> Finding:
    aside = path.with_name(path.name + DAMAGED_SUFFIX)
    path.replace(aside)
    return Finding(
        "JournalFileDamaged", {"file": path.name, "keptAs": aside.name, "problem": error.problem}
    )


def _head_before_lost_segment(
    folder: Path, segments: list[SegmentInfo], journal_key: Secret[bytes], start: Head
) -> Head:
    """Return where the chain stands when the last segment had to be set aside."""
    if not segments:
        return start
    head = segments[-1].header.before
    # Damage is told of by whoever reads it; the good part is what counts here.
    with suppress(DamagedSegmentError):
        for frame in read_frames(segment_path(folder, segments[-1].first), journal_key):
            head = frame.head
    return head


def _gaps(segments: list[SegmentInfo]) -> list[Finding]:
    """Say where whole segments are missing: a segment's number is one more than the head before."""
    return [
        Finding(
            "JournalFileDamaged",
            {"file": f"{segment.first}", "problem": "it goes on from another record than its name"},
        )
        for segment in segments
        if segment.header.before.sequence + 1 != segment.first
    ]


def _cut_by_somebody(folder: Path, journal_key: Secret[bytes], head: Head) -> list[Finding]:
    anchor = read_anchor(folder, journal_key)
    if anchor is None or anchor.sequence < head.sequence:
        return []
    if anchor == head:
        return []
    return [
        Finding(
            "JournalTruncated",
            {
                "lastSequence": head.sequence,
                "flushedSequence": anchor.sequence,
                "problem": "records that were on disk are gone",
            },
        )
    ]
