"""Trails: made, changed, started, stopped and described."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import msgspec

from hedgerow.aws import AwsError
from hedgerow.cloud.cloudtrail.chain import Head
from hedgerow.cloud.cloudtrail.digest import STOPPED
from hedgerow.cloud.cloudtrail.documents import (
    TRAIL_PROGRESS,
    TRAIL_SETTINGS,
    TrailProgress,
    TrailSettings,
)
from hedgerow.cloud.cloudtrail.faults import not_supported, trail_not_found
from hedgerow.cloud.cloudtrail.identity import iso_seconds
from hedgerow.cloud.cloudtrail.naming import (
    checked_bucket,
    checked_name,
    checked_prefix,
    checked_tags,
    trail_arn,
)
from hedgerow.cloud.home import Home
from hedgerow.kernel import new_uuid
from hedgerow.store import Record, Store, Transaction

Members = Mapping[str, Any]

MAX_TRAILS: Final = 5
_UNSUPPORTED: Final[Mapping[str, str]] = {
    "SnsTopicName": "there is no notification service",
    "CloudWatchLogsLogGroupArn": "there is no log service",
    "CloudWatchLogsRoleArn": "there is no log service",
    "KmsKeyId": "files are delivered as they are; encrypt the folder's disk",
    "IsOrganizationTrail": "make a trail in each account",
}


async def create(
    tx: Transaction, home: Home, request: Members, now: datetime, head: Head
) -> Members:
    """Make a trail that does not log yet."""
    _refuse_unsupported(request)
    name = checked_name(request["Name"])
    if await tx.get(TRAIL_SETTINGS, home.account, name) is not None:
        raise AwsError(
            "TrailAlreadyExistsException", f"Trail {name} already exists for the account."
        )
    if len(await tx.all(TRAIL_SETTINGS, home.account)) >= MAX_TRAILS:
        raise AwsError(
            "MaximumNumberOfTrailsExceededException",
            f"An account has at most {MAX_TRAILS} trails; delete one with DeleteTrail first.",
        )
    settings = TrailSettings(
        bucket=checked_bucket(request["S3BucketName"]),
        prefix=checked_prefix(request.get("S3KeyPrefix") or ""),
        global_events=request.get("IncludeGlobalServiceEvents", True),
        multi_region=request.get("IsMultiRegionTrail", False),
        validation=request.get("EnableLogFileValidation", False),
        tags=checked_tags(request.get("TagsList") or (), {}),
    )
    _require_global_if_multi_region(settings)
    await tx.insert(TRAIL_SETTINGS, home.account, name, settings)
    progress = TrailProgress(
        chain=new_uuid(),
        logging=False,
        position=head.sequence,
        head=head.hash.hex(),
        digest_start=now,
    )
    await tx.insert(TRAIL_PROGRESS, home.account, name, progress)
    return _answered(home, name, settings)


def changed(settings: TrailSettings, request: Members) -> TrailSettings:
    """Return a trail's settings with what an update asks for."""
    _refuse_unsupported(request)
    bucket, prefix = request.get("S3BucketName"), request.get("S3KeyPrefix")
    updated = TrailSettings(
        bucket=settings.bucket if bucket is None else checked_bucket(bucket),
        prefix=settings.prefix if prefix is None else checked_prefix(prefix),
        global_events=request.get("IncludeGlobalServiceEvents", settings.global_events),
        multi_region=request.get("IsMultiRegionTrail", settings.multi_region),
        validation=request.get("EnableLogFileValidation", settings.validation),
        tags=settings.tags,
    )
    _require_global_if_multi_region(updated)
    return updated


def moves(before: TrailSettings, after: TrailSettings) -> bool:
    """Say whether digests begin anew: files go elsewhere, or digests are turned on or off."""
    return (before.bucket, before.prefix, before.validation) != (
        after.bucket,
        after.prefix,
        after.validation,
    )


async def update(
    tx: Transaction, home: Home, name: str, settings: TrailSettings, now: datetime
) -> Members:
    """Put new settings in force; a trail that moves begins a new chain of digests."""
    record = await existing(tx, home, name)
    if moves(record.document, settings):
        progress = await _progress(tx, home, name)
        anew = msgspec.structs.replace(
            progress.document,
            chain=new_uuid(),
            serial=0,
            files=(),
            last_digest=None,
            digest_start=now,
        )
        await tx.update(progress, anew)
    await tx.update(record, settings)
    return _answered(home, name, settings)


async def delete(tx: Transaction, home: Home, name: str) -> None:
    """Forget a trail; what it delivered stays."""
    record = await existing(tx, home, name)
    await tx.delete(await _progress(tx, home, name))
    await tx.delete(record)


async def start_logging(tx: Transaction, home: Home, name: str, now: datetime, head: Head) -> None:
    """Deliver from now on; what was recorded while logging was stopped is passed over."""
    await existing(tx, home, name)
    record = await _progress(tx, home, name)
    progress = record.document
    if progress.logging:
        return
    passed_over = head.sequence > progress.position and progress.last_digest is not None
    await tx.update(
        record,
        msgspec.structs.replace(
            progress,
            logging=True,
            position=head.sequence,
            head=head.hash.hex(),
            skipped=STOPPED if passed_over else progress.skipped,
            digest_start=now,
            delivered_at=progress.delivered_at,
            started_at=now,
        ),
    )


async def stop_logging(tx: Transaction, home: Home, name: str, now: datetime) -> None:
    """Deliver no more, after what was recorded until now and the call itself."""
    await existing(tx, home, name)
    record = await _progress(tx, home, name)
    if record.document.logging:
        await tx.update(
            record,
            msgspec.structs.replace(
                record.document, logging=False, concluding=True, stopped_at=now
            ),
        )


async def status(store: Store, home: Home, name: str) -> Members:
    """Return what a trail has done so far."""
    await existing(store, home, name)
    progress = (await _progress(store, home, name)).document
    delivered = progress.delivered_at
    answer = {
        "IsLogging": progress.logging,
        "LatestDeliveryError": progress.problem or None,
        "LatestDeliveryTime": delivered,
        "StartLoggingTime": progress.started_at,
        "StopLoggingTime": None if progress.logging else progress.stopped_at,
        "LatestDigestDeliveryTime": progress.digest_delivered_at,
        "LatestDigestDeliveryError": progress.problem or None,
        "LatestDeliveryAttemptTime": iso_seconds(delivered) if delivered else "",
        "LatestDeliveryAttemptSucceeded": iso_seconds(delivered) if delivered else "",
        "LatestNotificationAttemptTime": "",
        "LatestNotificationAttemptSucceeded": "",
        "TimeLoggingStarted": iso_seconds(progress.started_at) if progress.started_at else "",
        "TimeLoggingStopped": iso_seconds(progress.stopped_at) if progress.stopped_at else "",
    }
    return {name: value for name, value in answer.items() if value is not None}


def described(home: Home, name: str, settings: TrailSettings) -> Members:
    """Return a trail as `DescribeTrails` has it."""
    return {
        **_answered(home, name, settings),
        "HomeRegion": home.region,
        "HasCustomEventSelectors": False,
        "HasInsightSelectors": False,
    }


async def existing(reader: Store | Transaction, home: Home, name: str) -> Record[TrailSettings]:
    """Return a trail's settings, or raise `TrailNotFoundException`."""
    record = await reader.get(TRAIL_SETTINGS, home.account, name)
    if record is None:
        raise trail_not_found(name, home.account)
    return record


async def _progress(reader: Store | Transaction, home: Home, name: str) -> Record[TrailProgress]:
    record = await reader.get(TRAIL_PROGRESS, home.account, name)
    if record is None:
        raise trail_not_found(name, home.account)
    return record


def _answered(home: Home, name: str, settings: TrailSettings) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "Name": name,
        "S3BucketName": settings.bucket,
        "IncludeGlobalServiceEvents": settings.global_events,
        "IsMultiRegionTrail": settings.multi_region,
        "TrailARN": trail_arn(home, name),
        "LogFileValidationEnabled": settings.validation,
        "IsOrganizationTrail": False,
    }
    if settings.prefix:
        answer["S3KeyPrefix"] = settings.prefix
    return answer


def _refuse_unsupported(request: Members) -> None:
    for member, why in _UNSUPPORTED.items():
        if request.get(member):
            raise not_supported(member, why)


def _require_global_if_multi_region(settings: TrailSettings) -> None:
    if settings.multi_region and not settings.global_events:
        raise AwsError(
            "InvalidParameterCombinationException",
            "Multi-Region trail must include global service events.",
        )
