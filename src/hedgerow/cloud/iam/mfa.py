"""Virtual MFA devices: made, enabled for a user or the root, and asked for proof.

A device stands under its serial number (an ARN); that it is somebody's is a record of its own,
under the same number, with the owner's unique id (the account's number for the root) as parent.
INVARIANT: a code is accepted once; wrong ones lock the device for a while. Sources: RFC 6238
section 5.2; IAM API Reference, `EnableMFADevice`, `ResyncMFADevice`.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Final

import msgspec

from hedgerow.aws import AwsError
from hedgerow.cloud.iam.arns import read_entity_arn
from hedgerow.cloud.iam.faults import validation_error
from hedgerow.cloud.iam.owners import require_there
from hedgerow.cloud.iam.totp import SKEW_STEPS, consecutive_steps, matching_step, step_at
from hedgerow.kernel import Arn, Clock, quoted, random_bytes
from hedgerow.store import Kind, Record, Store, Transaction

MAX_DEVICES: Final = 8
"""Devices that one user or root can have enabled."""

MAX_WRONG_CODES: Final = 10
LOCKED_FOR: Final = timedelta(minutes=15)
"""After so many wrong codes in a row a device takes none for this long."""

MAX_SERIAL_CHARACTERS: Final = 256

_SEED_BYTES: Final = 40  # 64 characters of Base32, as AWS gives


class MfaDevice(msgspec.Struct, frozen=True, kw_only=True):
    """A virtual device and its seed.

    `last_step` is the newest step of which a code was accepted, and `drift` how many steps its
    clock is ahead of ours.
    """

    name: str
    path: str
    seed: bytes
    tags: dict[str, str] = {}
    last_step: int = 0
    drift: int = 0
    wrong_codes: int = 0
    locked_until: datetime | None = None

    def __repr__(self) -> str:
        """Show no seed."""
        return f"MfaDevice(name={self.name!r}, path={self.path!r})"


class MfaAssignment(msgspec.Struct, frozen=True, kw_only=True):
    """That a device is enabled for a user or the root (the record's parent)."""

    enabled_at: datetime


MFA_DEVICE: Final = Kind("iam-mfa-device", MfaDevice)
MFA_ASSIGNMENT: Final = Kind("iam-mfa-assignment", MfaAssignment)


def serial_number(account: str, path: str, name: str) -> str:
    """Return the serial number of a virtual device, which is its ARN."""
    return str(Arn(service="iam", region="", account=account, resource=f"mfa{path}{name}"))


async def create_device(
    tx: Transaction, account: str, name: str, *, path: str, tags: dict[str, str]
) -> Record[MfaDevice]:
    """Make a device that is nobody's yet; its seed is given out now only."""
    serial = serial_number(account, path, name)
    if len(serial) > MAX_SERIAL_CHARACTERS:
        raise validation_error(
            f"A serial number has up to {MAX_SERIAL_CHARACTERS} characters, and that of a device "
            f"with this path and name has {len(serial)}."
        )
    if await tx.get(MFA_DEVICE, account, serial) is not None:
        raise AwsError(
            "EntityAlreadyExists", "MFADevice entity at the same path and name already exists."
        )
    device = MfaDevice(name=name, path=path, seed=random_bytes(_SEED_BYTES), tags=tags)
    return await tx.insert(MFA_DEVICE, account, serial, device)


async def existing_device(
    reader: Store | Transaction, account: str, serial: str
) -> Record[MfaDevice]:
    """Return a device of the account, or raise NoSuchEntity."""
    record = await reader.get(MFA_DEVICE, account, serial)
    if record is None:
        raise _no_such_device(serial)
    return record


async def device_tags(reader: Store | Transaction, arn: str) -> Mapping[str, str] | None:
    """Return the tags of a device of any account by its ARN, None if there is no such device."""
    entity = read_entity_arn(arn)
    if entity is None or entity.kind != "mfa":
        return None
    record = await reader.get(MFA_DEVICE, entity.account, arn)
    return None if record is None else record.document.tags


async def delete_device(tx: Transaction, account: str, serial: str) -> None:
    """Delete a device that is nobody's."""
    record = await existing_device(tx, account, serial)
    if await tx.get(MFA_ASSIGNMENT, account, serial) is not None:
        raise AwsError(
            "DeleteConflict",
            "MFA VirtualDevice in use. Must deactivate first.",
        )
    await tx.delete(record)


async def enable(
    tx: Transaction,
    account: str,
    owner_id: str,
    *,
    serial: str,
    codes: tuple[str, str],
    now: datetime,
) -> None:
    """Make a device a user's or the root's, if two codes in a row prove that it is at hand."""
    await require_there(tx, account, owner_id)
    record = await existing_device(tx, account, serial)
    if await tx.get(MFA_ASSIGNMENT, account, serial) is not None:
        raise AwsError("EntityAlreadyExists", "MFA Device is already in use.")
    if len(await devices_of(tx, account, owner_id)) >= MAX_DEVICES:
        raise AwsError("LimitExceeded", f"Cannot exceed quota for MFADevicesPerUser: {MAX_DEVICES}")
    await _synchronize(tx, record, codes, now)
    await tx.insert(MFA_ASSIGNMENT, account, serial, MfaAssignment(enabled_at=now), parent=owner_id)


async def resync(
    tx: Transaction,
    account: str,
    owner_id: str,
    *,
    serial: str,
    codes: tuple[str, str],
    now: datetime,
) -> None:
    """Learn from two codes in a row how far a device's clock is off."""
    await existing_assignment(tx, account, owner_id, serial)
    await _synchronize(tx, await existing_device(tx, account, serial), codes, now)


async def deactivate(tx: Transaction, account: str, owner_id: str, serial: str) -> None:
    """Take a device from its owner; the device stays, and is nobody's."""
    await tx.delete(await existing_assignment(tx, account, owner_id, serial))


async def devices_of(
    reader: Store | Transaction, account: str, owner_id: str
) -> tuple[Record[MfaAssignment], ...]:
    """Return the devices enabled for a user or the root, oldest first."""
    return await reader.all(MFA_ASSIGNMENT, account, parent=owner_id)


async def existing_assignment(
    reader: Store | Transaction, account: str, owner_id: str, serial: str
) -> Record[MfaAssignment]:
    """Return that a device is enabled for an owner, or raise NoSuchEntity."""
    record = await reader.get(MFA_ASSIGNMENT, account, serial)
    if record is None or record.parent != owner_id:
        raise _no_such_device(serial)
    return record


async def prove(
    store: Store, clock: Clock, account: str, owner_id: str, *, serial: str, code: str
) -> datetime:
    """Return the moment at which a code of the owner's own device was proven; else raise.

    The code is used up by that, also if what it was given for is refused afterwards. A wrong
    code is counted, and the count is kept.
    """
    now = clock.now()
    async with store.transaction() as tx:
        assignment = await tx.get(MFA_ASSIGNMENT, account, serial)
        if assignment is None or assignment.parent != owner_id:
            raise wrong_code()
        record = await existing_device(tx, account, serial)
        judged = after_code(record.document, code, now)
        if judged != record.document:
            await tx.update(record, judged)
        accepted = judged.last_step > record.document.last_step
    if not accepted:
        raise wrong_code()
    return now.replace(microsecond=0)


def after_code(device: MfaDevice, code: str, now: datetime) -> MfaDevice:
    """Return what a device is after it was given a code; accepted if its `last_step` grew."""
    if device.locked_until is not None and now < device.locked_until:
        return device
    around = step_at(now) + device.drift
    step = matching_step(device.seed, code, around, device.last_step, SKEW_STEPS)
    if step is None:
        return after_wrong_code(device, now)
    return msgspec.structs.replace(device, last_step=step, wrong_codes=0, locked_until=None)


def after_wrong_code(device: MfaDevice, now: datetime) -> MfaDevice:
    """Return what a device is after one wrong code more."""
    count = device.wrong_codes + 1
    if count < MAX_WRONG_CODES:
        return msgspec.structs.replace(device, wrong_codes=count)
    return msgspec.structs.replace(device, wrong_codes=0, locked_until=now + LOCKED_FOR)


def wrong_code() -> AwsError:
    """Return the error for a code that proves nothing, whatever the reason."""
    return AwsError(
        "AccessDenied",
        "MultiFactorAuthentication failed with invalid MFA one time pass code.",
        http_status=HTTPStatus.FORBIDDEN,
    )


async def _synchronize(
    tx: Transaction, record: Record[MfaDevice], codes: tuple[str, str], now: datetime
) -> None:
    device, here = record.document, step_at(now)
    step = consecutive_steps(device.seed, *codes, here, device.last_step)
    if step is None:
        raise AwsError("InvalidAuthenticationCode", "Authentication code for device is not valid.")
    drift = step - here
    changed = msgspec.structs.replace(
        device,
        last_step=step,
        drift=drift if abs(drift) > SKEW_STEPS else 0,
        wrong_codes=0,
        locked_until=None,
    )
    await tx.update(record, changed)


def _no_such_device(serial: str) -> AwsError:
    return AwsError(
        "NoSuchEntity", f"MFA Device with serial number {quoted(serial)[1:-1]} does not exist."
    )
