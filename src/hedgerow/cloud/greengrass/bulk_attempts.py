"""One attempt to deploy one record of a bulk deployment, and what is kept and recorded of it.

A deployment that begins, the counts and the record of the call are committed together: after a
crash none of them stands without the others.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from hedgerow.aws import AwsError
from hedgerow.cloud.greengrass import bulk_deployments, deployments
from hedgerow.cloud.greengrass.arns import bulk_arn
from hedgerow.cloud.greengrass.bulk_documents import BULK_RECORD, BulkDeployment, BulkRecord
from hedgerow.cloud.greengrass.bulk_input import InputRecord, record_at
from hedgerow.cloud.greengrass.bulk_progress import Attempt, Outcome, after_attempt
from hedgerow.cloud.greengrass.bulk_role import ExecutionRole
from hedgerow.cloud.greengrass.documents import ErrorDetail
from hedgerow.cloud.greengrass.lookup import existing_bulk_deployment
from hedgerow.cloud.home import Home
from hedgerow.kernel import CallerError, Clock, DeniedError, HedgerowError, UnavailableError
from hedgerow.store import Record, Store, Transaction, VersionConflictError

_RETRYABLE: Final = frozenset({"ConcurrentDeployment"})
"""Errors of `CreateDeployment` that pass: the group's other deployment ends."""


@dataclass(frozen=True, slots=True)
class BulkCall:
    """One `CreateDeployment` under an execution role, as it is recorded."""

    bulk_arn: str
    group_id: str
    group_version_id: str
    outcome: Outcome


RecordBulkCall = Callable[[BulkCall], None]
"""Where such calls are recorded. It raises if the record cannot be kept: nothing is done then."""


class BulkAttempts:
    """Makes the attempts of one account's bulk deployments."""

    def __init__(
        self,
        store: Store,
        home: Home,
        *,
        record: RecordBulkCall,
        clock: Clock,
        delays: Sequence[timedelta],
    ) -> None:
        self._store = store
        self._home = home
        self._record = record
        self._clock = clock
        self._delays = delays

    async def make(
        self, bulk: Record[BulkDeployment], attempt: Attempt, content: bytes, role: ExecutionRole
    ) -> Outcome:
        """Deploy the group version of a line as far as the execution role may."""
        wanted = await self._wanted(bulk, attempt, content)
        try:
            await role.require_deployment(wanted.group_id, wanted.group_version_id)
            return await self._deploy(bulk, attempt, wanted)
        except DeniedError as error:
            outcome = _failed("AccessDeniedException", error)
        except (VersionConflictError, UnavailableError) as error:
            outcome = _failed(error.reason_code, error, retryable=True)
        except AwsError as error:
            outcome = _failed(error.code, error, retryable=error.code in _RETRYABLE)
        except CallerError as error:
            outcome = _failed("BadRequestException", error)
        async with self._store.transaction() as tx:
            current = await existing_bulk_deployment(tx, self._home, bulk.id)
            await self._keep(tx, current, attempt, wanted, outcome)
        return outcome

    async def _wanted(
        self, bulk: Record[BulkDeployment], attempt: Attempt, content: bytes
    ) -> InputRecord:
        if attempt.retry is None:
            return record_at(content, bulk.document.offset, attempt.number)
        kept = await self._store.find(
            BULK_RECORD, self._home.account, parent=bulk.id, name=str(attempt.number)
        )
        if kept is None:
            raise RuntimeError(f"line {attempt.number} waits for another attempt and is not kept")
        said = kept.document
        return InputRecord(said.group_id, said.group_version_id, bulk.document.offset)

    async def _deploy(
        self, bulk: Record[BulkDeployment], attempt: Attempt, wanted: InputRecord
    ) -> Outcome:
        request = {
            "GroupId": wanted.group_id,
            "GroupVersionId": wanted.group_version_id,
            "DeploymentType": "NewDeployment",
        }
        async with self._store.transaction() as tx:
            current = await existing_bulk_deployment(tx, self._home, bulk.id)
            if current.document.state != "Running":
                return Outcome()  # it was stopped meanwhile
            answer = await deployments.begin(tx, self._home, request)
            outcome = Outcome(deployment_id=answer["DeploymentId"])
            await self._keep(tx, current, attempt, wanted, outcome)
        return outcome

    async def _keep(
        self,
        tx: Transaction,
        bulk: Record[BulkDeployment],
        attempt: Attempt,
        wanted: InputRecord,
        outcome: Outcome,
    ) -> None:
        changed, state = after_attempt(
            bulk.document,
            attempt,
            outcome,
            next_offset=wanted.next_offset,
            now=self._clock.now(),
            delays=self._delays,
        )
        document = BulkRecord(
            group_id=wanted.group_id,
            group_version_id=wanted.group_version_id,
            state=state,
            deployment_id=outcome.deployment_id,
            error=outcome.error,
        )
        await bulk_deployments.keep_record(tx, self._home, bulk.id, attempt.number, document)
        await tx.update(bulk, changed)
        self._record(
            BulkCall(
                bulk_arn=bulk_arn(self._home, bulk.id),
                group_id=wanted.group_id,
                group_version_id=wanted.group_version_id,
                outcome=outcome,
            )
        )


def _failed(code: str, error: HedgerowError, *, retryable: bool = False) -> Outcome:
    return Outcome(error=ErrorDetail(code=code, message=error.message), retryable=retryable)
