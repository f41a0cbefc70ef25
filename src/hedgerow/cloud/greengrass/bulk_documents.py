"""What is kept of bulk deployments: each one, each record of its input file, and which one runs."""

from datetime import datetime
from typing import Literal

import msgspec

from hedgerow.cloud.greengrass.documents import ErrorDetail
from hedgerow.store import Kind

BulkState = Literal["Initializing", "Running", "Completed", "Stopping", "Stopped", "Failed"]
RecordState = Literal["deployed", "waiting", "invalid", "given-up"]


class WaitingRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A record to be tried again: its number, how often it was retried, and when it is due."""

    number: int
    retries: int
    due: datetime


class BulkDeployment(msgspec.Struct, frozen=True, kw_only=True):
    """One bulk deployment and how far it has come. Its name: its number in the account.

    `input_sha256` is the file that was checked: no other is deployed from. `offset` is where in it
    the next record begins.
    """

    input_uri: str
    execution_role_arn: str
    state: BulkState = "Initializing"
    tags: dict[str, str] = {}
    input_sha256: str = ""
    offset: int = 0
    records_processed: int = 0
    invalid_input_records: int = 0
    retry_attempts: int = 0
    waiting: tuple[WaitingRecord, ...] = ()
    error_message: str = ""
    errors: tuple[ErrorDetail, ...] = ()


class BulkRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one line of the input. Parent: the bulk deployment; name: the line's number.

    `deployment_id` is the deployment that was made of it, if one was.
    """

    group_id: str
    group_version_id: str
    state: RecordState
    deployment_id: str = ""
    error: ErrorDetail | None = None


class BulkDesk(msgspec.Struct, frozen=True, kw_only=True):
    """An account's bulk deployments: how many there were, and the one that has not ended."""

    count: int = 0
    running: str | None = None


BULK_DEPLOYMENT = Kind("greengrass-bulk-deployment", BulkDeployment)
BULK_RECORD = Kind("greengrass-bulk-record", BulkRecord)
BULK_DESK = Kind("greengrass-bulk-desk", BulkDesk)
DESK_ID = "bulk"
