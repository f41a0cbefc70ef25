"""What a bulk deployment does next, and what an attempt changes in it. Pure.

An input record is attempted once, and again up to five times if what stood in the way may pass
(guide page bulk-deploy-cli). Records that wait for another attempt let the next ones go first.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from hedgerow.cloud.greengrass.bulk_documents import BulkDeployment, RecordState, WaitingRecord
from hedgerow.cloud.greengrass.documents import ErrorDetail

RETRY_DELAYS: Sequence[timedelta] = tuple(timedelta(seconds=2**power) for power in range(5))
"""How long a record waits before each further attempt: there are as many as are in this list."""

MAX_WAITING = 64
"""While so many records wait for another attempt, no new one is begun."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """Deploy the record of a line; `retry` is what waited for it, None the first time."""

    number: int
    retry: WaitingRecord | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """Do nothing until then."""

    until: datetime


@dataclass(frozen=True, slots=True)
class Done:
    """Every record was attempted as often as it may be."""


Step = Attempt | Wait | Done


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one attempt came to: a deployment, or an error that may pass (`retryable`) or not."""

    deployment_id: str = ""
    error: ErrorDetail | None = None
    retryable: bool = False


def next_step(bulk: BulkDeployment, input_size: int, now: datetime) -> Step:
    """Return what a running bulk deployment does now."""
    first = min(bulk.waiting, key=lambda record: record.due, default=None)
    if first is not None and first.due <= now:
        return Attempt(first.number, first)
    if bulk.offset < input_size and len(bulk.waiting) < MAX_WAITING:
        return Attempt(bulk.records_processed + 1)
    return Done() if first is None else Wait(first.due)


def after_attempt(
    bulk: BulkDeployment,
    attempt: Attempt,
    outcome: Outcome,
    *,
    next_offset: int,
    now: datetime,
    delays: Sequence[timedelta] = RETRY_DELAYS,
) -> tuple[BulkDeployment, RecordState]:
    """Return the bulk deployment after an attempt, and how its record stands.

    `next_offset` is where the line after a record that was attempted for the first time begins.
    """
    changed = msgspec.structs.replace(
        bulk, waiting=tuple(each for each in bulk.waiting if each.number != attempt.number)
    )
    if attempt.retry is None:
        changed = msgspec.structs.replace(
            changed, records_processed=bulk.records_processed + 1, offset=next_offset
        )
    if outcome.error is None:
        return changed, "deployed"
    if not outcome.retryable:
        invalid = bulk.invalid_input_records + 1
        return msgspec.structs.replace(changed, invalid_input_records=invalid), "invalid"
    changed = msgspec.structs.replace(changed, retry_attempts=bulk.retry_attempts + 1)
    done = 0 if attempt.retry is None else attempt.retry.retries
    if done >= len(delays):
        return changed, "given-up"
    again = WaitingRecord(number=attempt.number, retries=done + 1, due=now + delays[done])
    return msgspec.structs.replace(changed, waiting=(*changed.waiting, again)), "waiting"
