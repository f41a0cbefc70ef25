"""Bulk deployments as records: begun, moved from state to state, stopped, listed.

Everything here happens inside one transaction or is a read. Reading the input and deploying the
groups are the runner's (`bulk_runner`).

INVARIANT: at most one bulk deployment of an account has not ended (`BulkDesk.running`).
"""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from hedgerow.aws import AwsError
from hedgerow.cloud.greengrass.arns import bulk_arn, group_version_arn
from hedgerow.cloud.greengrass.bulk_buckets import InputObject
from hedgerow.cloud.greengrass.bulk_documents import (
    BULK_DEPLOYMENT,
    BULK_DESK,
    BULK_RECORD,
    DESK_ID,
    BulkDeployment,
    BulkDesk,
    BulkRecord,
)
from hedgerow.cloud.greengrass.bulk_states import UNFINISHED, BulkEvent, bulk_after
from hedgerow.cloud.greengrass.documents import DEPLOYMENT, ErrorDetail
from hedgerow.cloud.greengrass.faults import bad_request
from hedgerow.cloud.greengrass.lookup import existing_bulk_deployment
from hedgerow.cloud.greengrass.paging import Paging
from hedgerow.cloud.greengrass.role_desk import AssociableRole
from hedgerow.cloud.greengrass.tagging import checked_tags
from hedgerow.cloud.home import Home
from hedgerow.contract import deployment_arn
from hedgerow.kernel import iso_milliseconds, new_uuid
from hedgerow.store import Record, Store, Transaction

Members = Mapping[str, Any]
MAX_ERROR_MESSAGE = 8192
_NO_MORE = ErrorDetail(
    code="404",
    message="The deployment is not known any more: its group was reset or deleted.",
)
_TOKEN = re.compile(r"([0-9a-z-]{1,64})\.([1-9][0-9]{0,17})")
_ALL = "all"


async def begin(tx: Transaction, home: Home, request: Members, *, role: AssociableRole) -> Members:
    """Begin a bulk deployment, unless another one of the account has not ended."""
    wanted = InputObject.of(request["InputFileUri"])
    desk = await _desk(tx, home)
    if desk.document.running is not None:
        other = await existing_bulk_deployment(tx, home, desk.document.running)
        raise AwsError(
            "ConcurrentDeployment",
            f"Concurrent Deployment Error: bulk deployment {other.id} of this account is "
            f"{other.document.state}. Wait until it has ended, or stop it, then start another.",
            http_status=400,
        )
    document = BulkDeployment(
        input_uri=str(wanted),
        execution_role_arn=role.arn,
        tags=checked_tags(request.get("tags")),
    )
    number = desk.document.count + 1
    record = await tx.insert(BULK_DEPLOYMENT, home.account, new_uuid(), document, name=str(number))
    await tx.update(desk, BulkDesk(count=number, running=record.id))
    return {"BulkDeploymentArn": bulk_arn(home, record.id), "BulkDeploymentId": record.id}


async def stop(tx: Transaction, home: Home, request: Members) -> Members:
    """Tell a bulk deployment to stop; one that has ended cannot be."""
    record = await existing_bulk_deployment(tx, home, request["BulkDeploymentId"])
    if record.document.state not in UNFINISHED:
        raise bad_request(
            f"Bulk deployment {record.id} is {record.document.state}; there is nothing to stop."
        )
    await move(tx, home, record, "stop")
    return {}


async def move(
    tx: Transaction,
    home: Home,
    record: Record[BulkDeployment],
    event: BulkEvent,
    error: ErrorDetail | None = None,
    **more: Any,
) -> Record[BulkDeployment]:
    """Record that an event came; an error is kept with the states that have one."""
    state = bulk_after(record.document.state, event)
    if error is not None and state == "Failed":
        more["error_message"] = error.message[:MAX_ERROR_MESSAGE]
        more["errors"] = (error,)
    document = msgspec.structs.replace(record.document, state=state, **more)
    if state not in UNFINISHED:
        desk = await _desk(tx, home)
        if desk.document.running == record.id:
            await tx.update(desk, msgspec.structs.replace(desk.document, running=None))
    return await tx.update(record, document)


async def keep_record(
    tx: Transaction, home: Home, bulk_id: str, number: int, document: BulkRecord
) -> None:
    """Keep what became of a line of the input."""
    record = await tx.find(BULK_RECORD, home.account, parent=bulk_id, name=str(number))
    if record is not None:
        await tx.update(record, document)
        return
    await tx.insert(
        BULK_RECORD, home.account, new_uuid(), document, parent=bulk_id, name=str(number)
    )


async def status(store: Store, home: Home, request: Members) -> Members:
    """Return where a bulk deployment stands, with its counts and the reasons of a failure."""
    record = await existing_bulk_deployment(store, home, request["BulkDeploymentId"])
    bulk = record.document
    answer: dict[str, Any] = {
        "BulkDeploymentMetrics": {
            "InvalidInputRecords": bulk.invalid_input_records,
            "RecordsProcessed": bulk.records_processed,
            "RetryAttempts": bulk.retry_attempts,
        },
        "BulkDeploymentStatus": bulk.state,
        "CreatedAt": iso_milliseconds(record.created_at),
        "tags": bulk.tags,
    }
    if bulk.error_message:
        answer["ErrorMessage"] = bulk.error_message
        answer["ErrorDetails"] = _details(*bulk.errors)
    return answer


async def list_all(store: Store, home: Home, request: Members) -> Members:
    """Return one page of the account's bulk deployments, newest first."""
    desk = await store.get(BULK_DESK, home.account, DESK_ID)
    numbers, answer = _numbers(request, _ALL, 0 if desk is None else desk.document.count)
    rows = []
    for number in numbers:
        record = await store.find(BULK_DEPLOYMENT, home.account, name=str(number))
        if record is not None:
            rows.append(
                {
                    "BulkDeploymentArn": bulk_arn(home, record.id),
                    "BulkDeploymentId": record.id,
                    "CreatedAt": iso_milliseconds(record.created_at),
                }
            )
    return {"BulkDeployments": rows, **answer}


async def reports(store: Store, home: Home, request: Members) -> Members:
    """Return one page of what became of the input's records so far, newest first."""
    bulk = await existing_bulk_deployment(store, home, request["BulkDeploymentId"])
    numbers, answer = _numbers(request, bulk.id, bulk.document.records_processed)
    rows = []
    for number in numbers:
        record = await store.find(BULK_RECORD, home.account, parent=bulk.id, name=str(number))
        if record is not None:
            rows.append(await _report(store, home, record))
    return {"Deployments": rows, **answer}


async def _report(store: Store, home: Home, record: Record[BulkRecord]) -> Members:
    said = record.document
    row: dict[str, Any] = {
        "CreatedAt": iso_milliseconds(record.created_at),
        "DeploymentType": "NewDeployment",
        "GroupArn": group_version_arn(home, said.group_id, said.group_version_id),
    }
    errors: tuple[ErrorDetail, ...] = () if said.error is None else (said.error,)
    message = said.error.message if said.error is not None else ""
    if said.state in {"invalid", "given-up"}:
        row["DeploymentStatus"] = "Failure"
    if said.deployment_id:
        row["DeploymentId"] = said.deployment_id
        row["DeploymentArn"] = deployment_arn(
            home.region, home.account, said.group_id, said.deployment_id
        )
        deployment = await store.get(DEPLOYMENT, home.account, said.deployment_id)
        if deployment is None:
            errors, message = (_NO_MORE,), _NO_MORE.message
        else:
            row["DeploymentStatus"] = deployment.document.state
            errors = deployment.document.errors
            failed = deployment.document.state == "Failure"
            message = deployment.document.error_message if failed else ""
    if message:
        row["ErrorMessage"] = message
    if errors:
        row["ErrorDetails"] = _details(*errors)
    return row


def _numbers(request: Members, scope: str, newest: int) -> tuple[range, Members]:
    """Return the numbers of the rows on a page, counted down, and the token of the next page."""
    paging = Paging.of(request)
    if paging.after is not None:
        match = _TOKEN.fullmatch(paging.after)
        if match is None or match[1] != scope or int(match[2]) > newest:
            raise bad_request(
                "The NextToken is not valid: use the one that the previous page gave, unchanged."
            )
        newest = int(match[2])
    rest = max(newest - paging.limit, 0)
    return range(newest, rest, -1), {"NextToken": f"{scope}.{rest}"} if rest else {}


def _details(*errors: ErrorDetail) -> list[Members]:
    return [
        {"DetailedErrorCode": error.code, "DetailedErrorMessage": error.message} for error in errors
    ]


async def _desk(tx: Transaction, home: Home) -> Record[BulkDesk]:
    record = await tx.get(BULK_DESK, home.account, DESK_ID)
    return record or await tx.insert(BULK_DESK, home.account, DESK_ID, BulkDesk())
