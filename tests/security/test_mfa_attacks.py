"""Attacks on one-time codes: guessing, using one again, using somebody else's."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from tests.support.people import (
    ACCOUNT,
    STEP_SECONDS,
    Authenticator,
    Key,
    People,
    allow,
    code_of,
    people,
    trusting,
)

from hedgerow.cloud.iam.mfa import LOCKED_FOR, MAX_WRONG_CODES, MFA_DEVICE

ROOT = f"arn:aws:iam::{ACCOUNT}:root"
STEP = timedelta(seconds=STEP_SECONDS)
NEEDS_CODE = {"Bool": {"aws:MultiFactorAuthPresent": "true"}}


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[People]:
    async with people(tmp_path) as made:
        yield made


@pytest.fixture
async def admin(cloud: People) -> Key:
    return await cloud.administrator()


async def proves(cloud: People, by: Key, serial: str, code: str) -> bool:
    """Whether a code is accepted for a session."""
    try:
        await cloud.sts(by, "GetSessionToken", SerialNumber=serial, TokenCode=code)
    except ClientError as error:
        if code_of(error) != "AccessDenied":
            raise
        return False
    return True


def another(code: str) -> str:
    """Return a code that is not this one."""
    return f"{(int(code) + 500_000) % 1_000_000:06}"


async def test_a_code_is_accepted_once(cloud: People, admin: Key) -> None:
    ada = await cloud.user(admin, "ada")
    device = await cloud.device(admin, "ada")
    enabled_with = device.code()
    assert not await proves(cloud, ada, device.serial, enabled_with)
    cloud.clock.advance(STEP)
    code = device.code()
    assert await proves(cloud, ada, device.serial, code)
    assert not await proves(cloud, ada, device.serial, code)
    cloud.clock.advance(STEP)
    assert not await proves(cloud, ada, device.serial, code)
    assert await proves(cloud, ada, device.serial, device.code())


async def test_codes_that_put_a_device_right_or_proved_a_session_do_so_no_second_time(
    cloud: People, admin: Key
) -> None:
    ada = await cloud.user(admin, "ada")
    device = await cloud.device(admin, "ada")
    cloud.clock.advance(4 * STEP)
    codes = {"AuthenticationCode1": device.code(-1), "AuthenticationCode2": device.code()}
    asked = {"UserName": "ada", "SerialNumber": device.serial, **codes}
    await cloud.iam(admin, "ResyncMFADevice", **asked)
    assert not await proves(cloud, ada, device.serial, device.code())
    for shift in (0, 1):
        cloud.clock.advance(shift * STEP)
        with pytest.raises(ClientError) as caught:
            await cloud.iam(admin, "ResyncMFADevice", **asked)
        assert code_of(caught.value) == "InvalidAuthenticationCode"


async def test_a_code_given_for_something_that_is_refused_is_used_up(
    cloud: People, admin: Key
) -> None:
    role = await cloud.role(admin, "r", trusting(ROOT))
    ada = await cloud.user(admin, "ada")
    device = await cloud.device(admin, "ada")
    cloud.clock.advance(STEP)
    with pytest.raises(ClientError, match="not authorized to perform: sts:AssumeRole"):
        await cloud.assume(ada, role, SerialNumber=device.serial, TokenCode=device.code())
    assert not await proves(cloud, ada, device.serial, device.code())


async def test_of_many_who_give_one_code_at_once_one_is_let_in(cloud: People, admin: Key) -> None:
    ada = await cloud.user(admin, "ada")
    device = await cloud.device(admin, "ada")
    cloud.clock.advance(STEP)
    code = device.code()
    answers = await asyncio.gather(
        *(proves(cloud, ada, device.serial, code) for _ in range(MAX_WRONG_CODES))
    )
    assert sum(answers) == 1


async def test_guessing_locks_the_device_for_a_while(cloud: People, admin: Key) -> None:
    ada = await cloud.user(admin, "ada")
    device = await cloud.device(admin, "ada")
    cloud.clock.advance(STEP)
    for _ in range(MAX_WRONG_CODES):
        assert not await proves(cloud, ada, device.serial, another(device.code()))
    assert not await proves(cloud, ada, device.serial, device.code())
    cloud.clock.advance(LOCKED_FOR - STEP)
    assert not await proves(cloud, ada, device.serial, device.code())
    cloud.clock.advance(STEP)
    assert await proves(cloud, ada, device.serial, device.code())


async def test_a_right_code_forgets_the_wrong_ones_before_it(cloud: People, admin: Key) -> None:
    ada = await cloud.user(admin, "ada")
    device = await cloud.device(admin, "ada")
    for _ in range(3):
        cloud.clock.advance(STEP)
        for _ in range(MAX_WRONG_CODES - 1):
            assert not await proves(cloud, ada, device.serial, another(device.code()))
        assert await proves(cloud, ada, device.serial, device.code())


async def test_somebody_elses_device_proves_nothing_and_is_not_locked_by_it(
    cloud: People, admin: Key
) -> None:
    ada, bob = await cloud.user(admin, "ada"), await cloud.user(admin, "bob")
    device = await cloud.device(admin, "ada")
    cloud.clock.advance(STEP)
    for _ in range(MAX_WRONG_CODES + 1):
        assert not await proves(cloud, bob, device.serial, device.code())
    assert await proves(cloud, ada, device.serial, device.code())


async def test_a_device_that_is_nobodys_any_more_proves_nothing(cloud: People, admin: Key) -> None:
    ada = await cloud.user(admin, "ada")
    device = await cloud.device(admin, "ada")
    cloud.clock.advance(STEP)
    await cloud.iam(admin, "DeactivateMFADevice", UserName="ada", SerialNumber=device.serial)
    assert not await proves(cloud, ada, device.serial, device.code())


async def test_a_role_takes_no_code_of_the_session_that_assumes_it(
    cloud: People, admin: Key
) -> None:
    """A role's session is no person: it has no device, whatever number it gives."""
    device = await cloud.device(admin, "administrator")
    first = await cloud.role(admin, "first", trusting(ROOT), allow("sts:*"))
    last = await cloud.role(admin, "last", trusting(first, Condition=NEEDS_CODE))
    session = await cloud.assume(admin, first)
    cloud.clock.advance(STEP)
    with pytest.raises(ClientError, match="invalid MFA one time pass code"):
        await cloud.assume(session, last, SerialNumber=device.serial, TokenCode=device.code())
    with pytest.raises(ClientError, match="not authorized to perform: sts:AssumeRole"):
        await cloud.assume(session, last)


async def test_codes_of_other_lengths_and_signs_are_refused(cloud: People, admin: Key) -> None:
    device: Authenticator = await cloud.device(admin, "administrator")
    cloud.clock.advance(STEP)
    for code in ("", "12345", "1234567", "٠١٢٣٤٥", "12345x", device.code() + "\n"):
        with pytest.raises(ClientError):
            await cloud.sts(admin, "GetSessionToken", SerialNumber=device.serial, TokenCode=code)
    assert await proves(cloud, admin, device.serial, device.code())


@pytest.mark.promise(9)
async def test_the_seed_is_never_shown_again(cloud: People, admin: Key) -> None:
    device = await cloud.device(admin, "administrator")
    answers = [
        await cloud.iam(admin, "ListVirtualMFADevices"),
        await cloud.iam(admin, "ListMFADevices"),
        await cloud.iam(admin, "GetMFADevice", SerialNumber=device.serial),
        await cloud.store.all(MFA_DEVICE, ACCOUNT),
        cloud.records,
    ]
    for answer in answers:
        assert device.seed.decode() not in repr(answer)
        assert "seed" not in repr(answer).lower().replace("base32stringseed': '***'", "")
