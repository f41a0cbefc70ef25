"""Looking events up: first in memory, then on disk, file by file, newest first.

A call reads a bounded number of files. If it has then not found enough, its answer says where to
go on, as AWS's does with a page that is short or empty and has a token all the same.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec
import structlog

from hedgerow.cloud.cloudtrail.index import Entry, Index, Wanted, entry_of
from hedgerow.cloud.cloudtrail.journal import Journal
from hedgerow.cloud.cloudtrail.recovery import Finding, SegmentInfo
from hedgerow.cloud.cloudtrail.segments import DamagedSegmentError

FILES_PER_CALL: Final = 16
"""About 100,000 events, and a second or two."""
_SLACK_US: Final = 3_600_000_000
"""A file can have events that began this long before it: calls are recorded when they end."""

_log = structlog.get_logger("hedgerow.cloud.cloudtrail")
_decode = msgspec.json.Decoder(dict[str, Any]).decode


@dataclass(frozen=True, slots=True)
class Found:
    """A page of events, newest first. `go_on_before` is None if there are no more."""

    events: tuple[tuple[Entry, bytes], ...]
    go_on_before: int | None


def look_up(
    journal: Journal, index: Index, wanted: Wanted, before: int | None, limit: int
) -> Found:
    """Return the newest events that are wanted and were recorded before a number."""
    found: list[tuple[Entry, bytes]] = []
    for entries, reached in _portions(journal, index, wanted, before):
        for entry in entries:
            body = _body(journal, entry) if wanted.matches(entry) else None
            if body is None:
                continue
            if len(found) == limit:
                return Found(tuple(found), found[-1][0].sequence)
            found.append((entry, body))
        if reached is not None:
            return Found(tuple(found), reached)
    return Found(tuple(found), None)


def entries_of(journal: Journal, info: SegmentInfo) -> tuple[list[Entry], Finding | None]:
    """Return a file's events as they are looked up, and what is damaged in it."""
    entries: list[Entry] = []
    try:
        # What came before the damage is in the list when it is met.
        entries.extend(
            entry_of(frame.head.sequence, frame.place, _decode(frame.body))
            for frame in journal.frames_of(info)
        )
    except (DamagedSegmentError, OSError) as error:
        details = {"file": str(info.first), "problem": str(error), "readable": len(entries)}
        return entries, Finding("JournalFileDamaged", details)
    return entries, None


def _portions(
    journal: Journal, index: Index, wanted: Wanted, before: int | None
) -> Iterator[tuple[Iterator[Entry], int | None]]:
    """Give what memory has, then each file; with the last one allowed, the number it begins at."""
    oldest = index.oldest
    yield index.newest_first(before), None
    if oldest is None:
        return
    limit = oldest if before is None else min(oldest, before)
    infos = _in_range(journal, wanted, limit)
    for count, info in enumerate(infos, start=1):
        entries, damage = entries_of(journal, info)
        if damage is not None:
            _log.error("trail", event_name=damage.event_name, **damage.details)
        newest_first = (entry for entry in reversed(entries) if entry.sequence < limit)
        last_allowed = count == FILES_PER_CALL and count < len(infos)
        yield newest_first, info.first if last_allowed else None
        if last_allowed:
            return


def _in_range(journal: Journal, wanted: Wanted, limit: int) -> list[SegmentInfo]:
    """Return the files that can have events in the time range, newest first."""
    start, end = _microseconds(wanted.start), _microseconds(wanted.end)
    found: list[SegmentInfo] = []
    ended_us: int | None = None
    for info in reversed(journal.segments):
        began_us = info.header.begun_us
        if ended_us is not None and ended_us + _SLACK_US < start:
            break
        ended_us = began_us
        if info.first < limit and began_us - _SLACK_US <= end:
            found.append(info)
    return found


def _body(journal: Journal, entry: Entry) -> bytes | None:
    try:
        return journal.read(entry.place, entry.sequence)
    except (DamagedSegmentError, OSError) as error:
        _log.error("an event cannot be read", sequence=entry.sequence, reason=str(error))
        return None


def _microseconds(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1_000_000)
