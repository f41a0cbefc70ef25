"""Calls to be recorded, and a trail to record them in."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
from tests.support.clock import ManualClock

from hedgerow.aws import CallRecord, Principal, Session, VerifiedCaller
from hedgerow.aws.caller import SIGNATURE_PROOF
from hedgerow.cloud.cloudtrail import Trail, TrailKeys
from hedgerow.cloud.cloudtrail.index import Index
from hedgerow.cloud.home import Home
from hedgerow.kernel import Secret
from hedgerow.pki import FileKey
from hedgerow.store import MasterKey

ACCOUNT = "123456789012"
REGION = "eu-west-1"
HOME = Home(account=ACCOUNT, region=REGION)
ACCESS_KEY = "AKIAIOSFODNN7EXAMPLE"
MOMENT = datetime(2026, 10, 7, 12, 0, tzinfo=UTC)

USER = Principal(
    kind="IAMUser",
    account=ACCOUNT,
    arn=f"arn:aws:iam::{ACCOUNT}:user/Mary_Major",
    id="AIDACKCEVSQ6C2EXAMPLE",
    name="Mary_Major",
)
ROOT = Principal(kind="Root", account=ACCOUNT, arn=f"arn:aws:iam::{ACCOUNT}:root", id=ACCOUNT)
SESSION = Session(
    issued_at=MOMENT,
    expires_at=MOMENT,
    name="night-shift",
    issuer_arn=f"arn:aws:iam::{ACCOUNT}:role/ops/Operator",
    issuer_id="AROACKCEVSQ6C2EXAMPLE",
)
ROLE = Principal(
    kind="AssumedRole",
    account=ACCOUNT,
    arn=f"arn:aws:sts::{ACCOUNT}:assumed-role/Operator/night-shift",
    id="AROACKCEVSQ6C2EXAMPLE:night-shift",
    name="Operator",
    session=SESSION,
)


def caller(principal: Principal = USER) -> VerifiedCaller:
    """Return a caller as if its signature had been checked."""
    return VerifiedCaller(principal, ACCESS_KEY, SIGNATURE_PROOF)


def call(operation: str = "GetGroupVersion", **changes: Any) -> CallRecord:
    """Return the record of a greengrass call, with some of its fields changed."""
    record = CallRecord(
        at=MOMENT,
        request_id="95dcffce-d238-11e8-9240-a39930000000",
        service="greengrass",
        event_source="greengrass.amazonaws.com",
        api_version="2017-06-07",
        operation=operation,
        read_only=operation.startswith(("Get", "List")),
        caller=caller(),
        access_key_id=ACCESS_KEY,
        region=REGION,
        source_ip="203.0.113.12",
        user_agent="Boto3/1.43",
        input={"GroupId": "group-1"},
        output=None,
        decision=None,
        peer=None,
        http_status=200,
        error_code=None,
        error_message=None,
    )
    return replace(record, **changes)


@cache
def master_key() -> MasterKey:
    """Return one master key for all trails of a test run."""
    return MasterKey(Secret(b"m" * 32))


@cache
def signing_key() -> FileKey:
    """Return one signing key for all trails of a test run: RSA keys take long to make."""
    return FileKey.generate_rsa_in_memory()


def trail_keys(folder: Path, key: FileKey | None = None) -> TrailKeys:
    """Return the keys of a trail folder, without making a signing key."""
    return TrailKeys(folder, key or signing_key(), master_key())


@asynccontextmanager
async def running_trail(
    folder: Path,
    clock: ManualClock | None = None,
    *,
    indexed: int = 1000,
    segment_bytes: int = 1_000_000,
) -> AsyncIterator[Trail]:
    """Give a started trail in a folder."""
    trail = Trail(
        HOME,
        trail_keys(folder),
        clock or ManualClock(),
        index=Index(indexed),
        segment_bytes=segment_bytes,
    )
    await trail.start()
    try:
        yield trail
    finally:
        await trail.stop()


def events(trail: Trail) -> list[Mapping[str, Any]]:
    """Return everything recorded, oldest first."""
    return [msgspec.json.decode(frame.body) for frame in trail.frames()]
