"""Calls to be recorded, and a trail to record them in."""

import gzip
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric import rsa
from tests.support.clock import ManualClock

from hedgerow.aws import Asked, Call, CallRecord, Principal, Session, VerifiedCaller
from hedgerow.aws.caller import SIGNATURE_PROOF
from hedgerow.cloud.cloudtrail import CloudTrailService, Deliverer, Deliveries, Trail, TrailKeys
from hedgerow.cloud.cloudtrail.index import Index
from hedgerow.cloud.cloudtrail.keys import PUBLIC_KEY_FILE
from hedgerow.cloud.cloudtrail.verification import Question, Report, verify_folder
from hedgerow.cloud.home import Home
from hedgerow.kernel import Secret
from hedgerow.pki import FileKey, write_public
from hedgerow.store import MasterKey, Store

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
    made = TrailKeys(folder, key or signing_key(), master_key())
    write_public(folder / PUBLIC_KEY_FILE, made.signing.public_pem().encode())
    return made


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


@dataclass
class Delivering:
    """An account's trail with the service in front of it and the deliverer behind it."""

    store: Store
    trail: Trail
    deliverer: Deliverer
    clock: ManualClock
    folder: Path
    """Where buckets are."""
    service: CloudTrailService

    async def api(self, operation: str, **members: Any) -> Any:
        """Call an operation, and record the call as the gateway does."""
        asked = Asked(
            caller=caller(),
            service="cloudtrail",
            iam_prefix="cloudtrail",
            operation=operation,
            input=members,
            region=REGION,
            at=self.clock.now(),
            source_ip="203.0.113.12",
            user_agent="test",
            peer=None,
        )
        made = Call(asked, request_id="r")
        answer = await self.service.operations()[operation](made)
        self.trail.record_call(
            call(
                operation,
                service="cloudtrail",
                event_source="cloudtrail.amazonaws.com",
                input=members,
                at=self.clock.now(),
            )
        )
        return answer

    def calls(self, count: int, **changes: Any) -> None:
        """Record some calls at this moment."""
        for number in range(count):
            self.trail.record_call(
                call(input={"GroupId": f"group-{number}"}, at=self.clock.now(), **changes)
            )

    async def later(self, **step: float) -> None:
        """Let time pass, and do what is due then."""
        self.clock.advance(timedelta(**step))
        await self.deliverer.run_due()


@asynccontextmanager
async def delivering(folder: Path, clock: ManualClock | None = None) -> AsyncIterator[Delivering]:
    """Give a trail with service and deliverer; nothing is delivered but by `run_due`."""
    clock = clock or ManualClock()
    store = await Store.open(folder / "state.db", master_key(), clock)
    try:
        async with running_trail(folder / "trail", clock) as trail:
            keys = trail_keys(folder / "trail")
            deliveries = Deliveries(folder / "deliveries")
            deliverer = Deliverer(store, HOME, trail, keys, clock, deliveries=deliveries)
            service = CloudTrailService(
                store, HOME, clock, trail=trail, deliverer=deliverer, keys=keys
            )
            yield Delivering(store, trail, deliverer, clock, deliveries.of(ACCOUNT), service)
    finally:
        await store.close()


async def deliver_a_morning(folder: Path) -> Path:
    """Deliver four hours of calls with digests, and return the bucket's folder.

    The hours have 5, 3, no and 4 calls; the first one is in two files.
    """
    async with delivering(folder) as estate:
        await estate.api(
            "CreateTrail", Name="main", S3BucketName="audit", EnableLogFileValidation=True
        )
        await estate.api("StartLogging", Name="main")
        estate.calls(3)
        await estate.later(minutes=6)
        estate.calls(2)
        await estate.later(minutes=54)
        estate.calls(3)
        await estate.later(hours=1)
        await estate.later(hours=1)
        estate.calls(4)
        await estate.later(hours=1)
        return estate.folder / "audit"


def log_files(bucket: Path) -> list[Path]:
    """Return a bucket's log files in the order of delivery."""
    return sorted(bucket.rglob("*_CloudTrail_*.json.gz"), key=_number)


def digest_files(bucket: Path) -> list[Path]:
    """Return a bucket's digests, oldest first."""
    return sorted(bucket.rglob("*_CloudTrail-Digest_*.json.gz"))


def records_in(file: Path) -> list[dict[str, Any]]:
    """Return a log file's records."""
    records: list[dict[str, Any]] = json.loads(gzip.decompress(file.read_bytes()))["Records"]
    return records


def put_records(file: Path, records: list[bytes]) -> None:
    """Write a log file anew, as a careful attacker would."""
    file.write_bytes(gzip.compress(b'{"Records":[' + b",".join(records) + b"]}", mtime=0))


def raw_records(file: Path) -> list[bytes]:
    """Return the bytes of a log file's records."""
    content = gzip.decompress(file.read_bytes())
    return [bytes(raw) for raw in msgspec.json.decode(content, type=_LogFile).Records]


def verified(bucket: Path, **question: Any) -> Report:
    """Verify a bucket as of the end of the morning, or as `question` says."""
    asked = {"as_of": MOMENT + timedelta(hours=4, minutes=30), **question}
    public = signing_key().public_key
    assert isinstance(public, rsa.RSAPublicKey)
    return verify_folder(bucket, public, Question(**asked))


def found(report: Report) -> list[str]:
    """Return the kinds of what was found."""
    return [finding.kind for finding in report.findings]


class _LogFile(msgspec.Struct):
    Records: list[msgspec.Raw]


def _number(file: Path) -> tuple[str, str]:
    time = file.name.split("_")[3]
    return time, file.name
