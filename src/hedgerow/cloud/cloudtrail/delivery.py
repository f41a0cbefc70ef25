"""Delivering one trail: log files and digests, each written once, whatever happens in between.

What will be written is said in the trail's progress first, then written, then noted as done. A
restart in between writes the very same file again: contents come from the journal, compression and
signature always give the same bytes.
"""

from datetime import datetime, timedelta
from math import ceil
from pathlib import Path
from typing import Final

import msgspec
import structlog

from hedgerow.cloud.cloudtrail.batches import Batch, Lost, compressed, next_batch
from hedgerow.cloud.cloudtrail.chain import Head
from hedgerow.cloud.cloudtrail.digest import (
    HASH_ALGORITHM,
    Digest,
    Extension,
    LogFileEntry,
    RecordList,
    encode_digest,
    sign_digest,
    signature_file,
)
from hedgerow.cloud.cloudtrail.documents import (
    DeliveredFile,
    NextDigest,
    NextFile,
    TrailProgress,
    TrailSettings,
)
from hedgerow.cloud.cloudtrail.identity import iso_seconds
from hedgerow.cloud.cloudtrail.keys import fingerprint
from hedgerow.cloud.cloudtrail.layout import SIGNATURE_SUFFIX, Origin
from hedgerow.cloud.cloudtrail.trail import Trail
from hedgerow.pki import PrivateKey, write_private

_ONE_SECOND: Final = timedelta(seconds=1)
_log = structlog.get_logger("hedgerow.cloud.cloudtrail")


def position_of(progress: TrailProgress) -> Head:
    """Return how far a trail has got."""
    return Head(progress.position, bytes.fromhex(progress.head))


def plan_file(
    trail: Trail, origin: Origin, progress: TrailProgress, *, last: int, now: datetime
) -> TrailProgress | None:
    """Return the progress that says which file comes next, of records up to number `last`.

    None if nothing is to be delivered. Records that are lost are passed over here, with the reason.
    """
    trail.flush()
    found = next_batch(trail, position_of(progress), last)
    if found is None:
        return None
    if isinstance(found, Lost):
        return msgspec.structs.replace(
            progress,
            position=found.resume.sequence,
            head=found.resume.hash.hex(),
            skipped=found.problem,
        )
    following = NextFile(key=origin.log_key(now), after=progress.position, last=found.head.sequence)
    return msgspec.structs.replace(progress, next_file=following)


def write_file(
    trail: Trail, bucket: Path, settings: TrailSettings, progress: TrailProgress, now: datetime
) -> TrailProgress:
    """Write the file that was planned, and return the progress with it done."""
    planned = progress.next_file
    if planned is None:
        return progress
    batch = next_batch(trail, position_of(progress), planned.last)
    if not isinstance(batch, Batch) or batch.head.sequence != planned.last:
        # What was planned cannot be read any more: plan again, which finds out what is lost.
        return msgspec.structs.replace(progress, next_file=None)
    write_private(bucket / planned.key, compressed(batch.content()))
    file = msgspec.structs.replace(batch.delivered(planned.key), skipped=progress.skipped)
    return msgspec.structs.replace(
        progress,
        position=batch.head.sequence,
        head=batch.head.hash.hex(),
        skipped="",
        next_file=None,
        files=(*progress.files, file) if settings.validation else (),
        delivered_at=now,
        problem="",
    )


def plan_digest(
    bucket: Path,
    origin: Origin,
    settings: TrailSettings,
    progress: TrailProgress,
    now: datetime,
    *,
    stopped: bool,
) -> TrailProgress:
    """Return the progress that says which digest comes next.

    It takes a name that nothing has: a trail that was deleted and made again within a second must
    not write over the digest that proves what the first one delivered.
    """
    end = max(now, progress.digest_start + _ONE_SECOND)
    while (bucket / origin.digest_key(end)).exists():
        end += _ONE_SECOND
    following = NextDigest(
        key=origin.digest_key(end), bucket=settings.bucket, end=end, stopped=stopped
    )
    return msgspec.structs.replace(progress, next_digest=following)


def write_digest(
    trail: Trail,
    bucket: Path,
    origin: Origin,
    progress: TrailProgress,
    *,
    key: PrivateKey,
    interval: timedelta,
    now: datetime,
) -> TrailProgress:
    """Write the digest that was planned, sign it, and return the progress with it done."""
    planned = progress.next_digest
    if planned is None:
        return progress
    digest = _digest(trail, origin, progress, planned, key, interval)
    content = encode_digest(digest)
    signed = sign_digest(digest, content, key)
    path, packed = bucket / planned.key, compressed(content)
    signatures = signature_file(signed.signature, packed, key)
    write_private(path.with_name(path.name + SIGNATURE_SUFFIX), signatures)
    write_private(path, packed)
    return msgspec.structs.replace(
        progress,
        serial=progress.serial + 1,
        files=(),
        last_digest=signed,
        next_digest=None,
        digest_start=planned.end,
        digest_delivered_at=now,
        problem="",
    )


def _digest(
    trail: Trail,
    origin: Origin,
    progress: TrailProgress,
    planned: NextDigest,
    key: PrivateKey,
    interval: timedelta,
) -> Digest:
    files, last = progress.files, progress.last_digest
    extension = Extension(
        trail=origin.trail,
        region=origin.region,
        chain=progress.chain,
        serial=progress.serial + 1,
        interval_seconds=ceil(interval.total_seconds()),
        stopped=planned.stopped,
        position=progress.position,
        head=progress.head,
        log_files={file.key: _records(trail, file) for file in files},
    )
    return Digest(
        aws_account_id=origin.account,
        digest_start_time=iso_seconds(progress.digest_start),
        digest_end_time=iso_seconds(planned.end),
        digest_s3_bucket=planned.bucket,
        digest_s3_object=planned.key,
        digest_public_key_fingerprint=fingerprint(key.public_key),
        newest_event_time=max((file.newest for file in files), default=None),
        oldest_event_time=min((file.oldest for file in files), default=None),
        previous_digest_s3_bucket=last.bucket if last else None,
        previous_digest_s3_object=last.key if last else None,
        previous_digest_hash_value=last.sha256 if last else None,
        previous_digest_hash_algorithm=HASH_ALGORITHM if last else None,
        previous_digest_signature=last.signature if last else None,
        log_files=tuple(_entry(planned.bucket, file) for file in files),
        hedgerow=extension,
    )


def _entry(bucket: str, file: DeliveredFile) -> LogFileEntry:
    return LogFileEntry(
        s3_bucket=bucket,
        s3_object=file.key,
        hash_value=file.sha256,
        newest_event_time=file.newest,
        oldest_event_time=file.oldest,
    )


def _records(trail: Trail, file: DeliveredFile) -> RecordList:
    """List a file's records from the journal, not from the file: that may have been changed."""
    before = Head(file.first - 1, bytes.fromhex(file.before))
    batch = next_batch(trail, before, file.last)
    whole = isinstance(batch, Batch) and batch.delivered(file.key).sha256 == file.sha256
    if not whole:
        _log.error("delivered records are gone from the journal", first=file.first, last=file.last)
    return RecordList(
        first=file.first,
        last=file.last,
        file_hash=file.file_sha256,
        before=file.before,
        head=file.head,
        records=batch.listed() if whole and isinstance(batch, Batch) else (),
        skipped=file.skipped,
    )
