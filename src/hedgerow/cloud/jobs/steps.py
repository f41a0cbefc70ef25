"""What the cloud does with a job by itself, a batch a transaction: roll out, cancel, delete.

What is to be done stands in the job's phase, which is committed first; so whatever was cut off is
gone on with, and doing a step twice does no more than doing it once.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from hedgerow.cloud.home import Home
from hedgerow.cloud.jobs import executions
from hedgerow.cloud.jobs.documents import (
    JOB_EXECUTION,
    JOB_ROLLOUT,
    Job,
    JobExecution,
    JobRollout,
    Phase,
)
from hedgerow.cloud.jobs.progress import allowance, rolled_out
from hedgerow.cloud.jobs.targets import still_meant
from hedgerow.cloud.jobs.work import JobWork
from hedgerow.store import Record, Transaction

BATCH: Final = 25
"""So many executions are changed in one transaction; nothing else is done meanwhile."""


async def roll_out(work: JobWork, home: Home, job_id: str) -> bool:
    """Have the next things execute a job; return whether there is more to do now."""
    job = await work.job(job_id)
    record = await work.tx.get(JOB_ROLLOUT, home.account, job_id)
    if job.phase != "rolling-out":
        return False
    if record is None:
        work.put_job(job_id, _in_phase(job, "settled"))
        return False
    rollout = record.document
    allowed = min(allowance(job, rollout, work.now), BATCH)
    for thing in rollout.left[:allowed]:
        if await still_meant(work.tx, home, job, thing):
            await work.enqueue(job_id, thing)
    after = rolled_out(rollout, min(allowed, len(rollout.left)), work.now)
    await _keep_rollout(work, record, after)
    job = await work.job(job_id)
    if not after.left:
        work.put_job(job_id, _in_phase(job, "settled"))
        return False
    return allowance(job, after, work.now) > 0


async def cancel(work: JobWork, home: Home, job_id: str) -> bool:
    """Cancel the next executions of a job; return whether there is more to do now."""
    job = await work.job(job_id)
    if job.phase != "canceling":
        return False
    await _forget_rollout(work, home, job_id)
    wanted = {"QUEUED", "IN_PROGRESS"} if job.force else {"QUEUED"}
    found = await _some(work.tx, home, job_id, frozenset(wanted))
    for record in found:
        attempt = executions.canceled(record.document.latest, work.now, force=job.force)
        await work.change(record, attempt)
    if len(found) == BATCH:
        return True
    work.put_job(job_id, _in_phase(await work.job(job_id), "settled"))
    return False


async def delete(work: JobWork, home: Home, job_id: str) -> bool:
    """Delete the next executions of a job, at last the job; return whether there is more."""
    record = await work.job_record(job_id)
    if record.document.phase != "deleting":
        return False
    await _forget_rollout(work, home, job_id)
    page = await work.tx.list(JOB_EXECUTION, home.account, parent=job_id, limit=BATCH)
    for execution in page.records:
        await work.drop(execution)
    if page.next_token is not None:
        return True
    await work.delete_job(record)
    return False


STEPS: Final = {"rolling-out": roll_out, "canceling": cancel, "deleting": delete}
"""What is done for a job in each phase in which there is something to do."""


async def _some(
    tx: Transaction, home: Home, job_id: str, statuses: frozenset[str]
) -> Sequence[Record[JobExecution]]:
    """Return a batch of a job's executions that are in one of these statuses."""
    found: list[Record[JobExecution]] = []
    token: str | None = None
    while len(found) < BATCH:
        page = await tx.list(JOB_EXECUTION, home.account, parent=job_id, limit=BATCH, after=token)
        found += [one for one in page.records if one.document.latest.status in statuses]
        token = page.next_token
        if token is None:
            break
    return found[:BATCH]


async def _keep_rollout(work: JobWork, record: Record[JobRollout], after: JobRollout) -> None:
    if after.left:
        await work.tx.update(record, after)
    else:
        await work.tx.delete(record)


async def _forget_rollout(work: JobWork, home: Home, job_id: str) -> None:
    record = await work.tx.get(JOB_ROLLOUT, home.account, job_id)
    if record is not None:
        await work.tx.delete(record)


def _in_phase(job: Job, phase: Phase) -> Job:
    return msgspec.structs.replace(job, phase=phase)
