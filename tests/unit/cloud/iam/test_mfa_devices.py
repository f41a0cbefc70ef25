"""Virtual MFA devices: whose they are, and which codes they prove."""

import base64
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from tests.support.people import (
    ACCOUNT,
    OTHER,
    STEP_SECONDS,
    Authenticator,
    Key,
    People,
    allow,
    people,
    trusting,
)

from hedgerow.cloud.iam.totp import matching_step, step_at

ROOT = f"arn:aws:iam::{ACCOUNT}:root"
STEP = timedelta(seconds=STEP_SECONDS)
WRONG_CODE = {
    "Type": "Sender",
    "Code": "AccessDenied",
    "Message": "MultiFactorAuthentication failed with invalid MFA one time pass code.",
}


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[People]:
    async with people(tmp_path) as made:
        yield made


@pytest.fixture
async def admin(cloud: People) -> Key:
    return await cloud.administrator()


async def failure(cloud: People, by: Key, operation: str, **members: object) -> str:
    """Return the code with which an operation of iam fails."""
    with pytest.raises(ClientError) as caught:
        await cloud.iam(by, operation, **members)
    return str(caught.value.response["Error"]["Code"])


async def made(cloud: People, by: Key, name: str = "phone") -> Authenticator:
    """Make a device that is nobody's."""
    answer = await cloud.iam(by, "CreateVirtualMFADevice", VirtualMFADeviceName=name)
    device = answer["VirtualMFADevice"]
    return Authenticator(device["SerialNumber"], device["Base32StringSeed"], cloud.clock)


def enabling(device: Authenticator, user: str, first: int = -1, second: int = 0) -> dict[str, str]:
    """Return the members that enable a device with the codes of two steps."""
    return {
        "UserName": user,
        "SerialNumber": device.serial,
        "AuthenticationCode1": device.code(first),
        "AuthenticationCode2": device.code(second),
    }


async def proves(cloud: People, by: Key, serial: str, code: str) -> bool:
    """Whether a code is accepted for a session."""
    try:
        await cloud.sts(by, "GetSessionToken", SerialNumber=serial, TokenCode=code)
    except ClientError as error:
        if error.response["Error"] != WRONG_CODE:
            raise
        return False
    return True


@pytest.mark.parametrize(
    ("seconds", "code"),
    [(59, "287082"), (1111111109, "081804"), (1234567890, "005924"), (20000000000, "353130")],
)
def test_codes_are_those_of_the_rfc(seconds: int, code: str) -> None:
    """RFC 6238, appendix B (its eight digits cut to the last six)."""
    step = step_at(datetime.fromtimestamp(seconds, UTC))
    seed = b"12345678901234567890"
    assert matching_step(seed, code, step, after=0, skew=0) == step
    assert matching_step(seed, code, step, after=step, skew=0) is None


async def test_the_seed_is_given_out_once_as_text_and_as_a_picture(
    cloud: People, admin: Key
) -> None:
    answer = await cloud.iam(admin, "CreateVirtualMFADevice", VirtualMFADeviceName="phone")
    device = answer["VirtualMFADevice"]
    assert device["SerialNumber"] == f"arn:aws:iam::{ACCOUNT}:mfa/phone"
    assert len(base64.b32decode(device["Base32StringSeed"])) == 40
    assert device["QRCodePNG"].startswith(b"\x89PNG\r\n")
    listed = await cloud.iam(admin, "ListVirtualMFADevices")
    assert listed["VirtualMFADevices"] == [{"SerialNumber": device["SerialNumber"]}]
    again = {"VirtualMFADeviceName": "phone"}
    assert await failure(cloud, admin, "CreateVirtualMFADevice", **again) == "EntityAlreadyExists"
    seed = device["Base32StringSeed"].decode()
    assert not any(seed in repr(record) for record in cloud.records)


async def test_two_codes_in_a_row_enable_a_device(cloud: People, admin: Key) -> None:
    await cloud.user(admin, "ada")
    device = await made(cloud, admin)
    twice = enabling(device, "ada", 0, 0)
    assert await failure(cloud, admin, "EnableMFADevice", **twice) == "InvalidAuthenticationCode"
    reversed_ = enabling(device, "ada", 0, -1)
    wrong = await failure(cloud, admin, "EnableMFADevice", **reversed_)
    assert wrong == "InvalidAuthenticationCode"
    await cloud.iam(admin, "EnableMFADevice", **enabling(device, "ada"))
    rows = (await cloud.iam(admin, "ListMFADevices", UserName="ada"))["MFADevices"]
    assert rows == [
        {"UserName": "ada", "SerialNumber": device.serial, "EnableDate": cloud.clock.now()}
    ]
    again = await failure(cloud, admin, "EnableMFADevice", **enabling(device, "ada"))
    assert again == "EntityAlreadyExists"


async def test_a_device_that_is_somebodys_is_not_deleted(cloud: People, admin: Key) -> None:
    await cloud.user(admin, "ada")
    device = await cloud.device(admin, "ada")
    serial = {"SerialNumber": device.serial}
    assert await failure(cloud, admin, "DeleteVirtualMFADevice", **serial) == "DeleteConflict"
    assigned = await cloud.iam(admin, "ListVirtualMFADevices", AssignmentStatus="Assigned")
    assert assigned["VirtualMFADevices"][0]["User"]["UserName"] == "ada"
    free = await cloud.iam(admin, "ListVirtualMFADevices", AssignmentStatus="Unassigned")
    assert free["VirtualMFADevices"] == []
    got = await cloud.iam(admin, "GetMFADevice", **serial)
    assert (got["UserName"], got["EnableDate"]) == ("ada", cloud.clock.now())
    await cloud.iam(admin, "DeactivateMFADevice", UserName="ada", **serial)
    gone = await failure(cloud, admin, "DeactivateMFADevice", UserName="ada", **serial)
    assert gone == "NoSuchEntity"
    await cloud.iam(admin, "DeleteVirtualMFADevice", **serial)
    assert await failure(cloud, admin, "GetMFADevice", **serial) == "NoSuchEntity"


async def test_a_user_has_eight_devices_at_most(cloud: People, admin: Key) -> None:
    await cloud.user(admin, "ada")
    for number in range(8):
        await cloud.device(admin, "ada", f"d{number}")
    ninth = await made(cloud, admin)
    asked = enabling(ninth, "ada")
    assert await failure(cloud, admin, "EnableMFADevice", **asked) == "LimitExceeded"


async def test_a_code_is_good_a_step_before_and_after_and_no_further(
    cloud: People, admin: Key
) -> None:
    ada = await cloud.user(admin, "ada")
    device = await cloud.device(admin, "ada")
    cloud.clock.advance(10 * STEP)
    assert not await proves(cloud, ada, device.serial, device.code(-2))
    assert not await proves(cloud, ada, device.serial, device.code(2))
    assert await proves(cloud, ada, device.serial, device.code(-1))
    assert await proves(cloud, ada, device.serial, device.code())
    assert await proves(cloud, ada, device.serial, device.code(1))


async def test_a_slow_device_is_put_right_by_two_codes(cloud: People, admin: Key) -> None:
    ada = await cloud.user(admin, "ada")
    device = (await cloud.device(admin, "ada")).slow(5)
    cloud.clock.advance(20 * STEP)
    assert not await proves(cloud, ada, device.serial, device.code())
    await cloud.iam(admin, "ResyncMFADevice", **enabling(device, "ada"))
    cloud.clock.advance(STEP)
    assert await proves(cloud, ada, device.serial, device.code())
    far = device.slow(30)
    wrong = await failure(cloud, admin, "ResyncMFADevice", **enabling(far, "ada"))
    assert wrong == "InvalidAuthenticationCode"


async def test_roles_ask_for_a_code_and_how_old_it_is(cloud: People, admin: Key) -> None:
    needs_code = {"Bool": {"aws:MultiFactorAuthPresent": "true"}}
    recent = allow("iam:ListUsers", Condition={"NumericLessThan": {"aws:MultiFactorAuthAge": 300}})
    role = await cloud.role(admin, "careful", trusting(ROOT, Condition=needs_code), recent)
    ada = await cloud.user(admin, "ada", allow("sts:AssumeRole"))
    device = await cloud.device(admin, "ada")
    with pytest.raises(ClientError, match="not authorized to perform: sts:AssumeRole"):
        await cloud.assume(ada, role)
    session = await cloud.assume(ada, role, SerialNumber=device.serial, TokenCode=device.code(1))
    assert await cloud.iam(session, "ListUsers")
    cloud.clock.advance(timedelta(minutes=5))
    with pytest.raises(ClientError, match="not authorized to perform: iam:ListUsers"):
        await cloud.iam(session, "ListUsers")


async def test_a_proven_session_assumes_what_asks_for_a_code_and_hands_no_proof_on(
    cloud: People, admin: Key
) -> None:
    needs_code = {"Bool": {"aws:MultiFactorAuthPresent": "true"}}
    role = await cloud.role(
        admin,
        "careful",
        trusting(ROOT, Condition=needs_code),
        allow("iam:ListUsers", Condition=needs_code),
        allow("iam:ListRoles"),
    )
    ada = await cloud.user(admin, "ada", allow("sts:AssumeRole"))
    device = await cloud.device(admin, "ada")
    bare = Key.of((await cloud.sts(ada, "GetSessionToken"))["Credentials"])
    asked = {"SerialNumber": device.serial, "TokenCode": device.code(1)}
    proven = Key.of((await cloud.sts(ada, "GetSessionToken", **asked))["Credentials"])
    with pytest.raises(ClientError, match="not authorized to perform: sts:AssumeRole"):
        await cloud.assume(bare, role)
    session = await cloud.assume(proven, role)
    assert await cloud.iam(session, "ListRoles")
    with pytest.raises(ClientError, match="not authorized to perform: iam:ListUsers"):
        await cloud.iam(session, "ListUsers")


async def test_devices_of_another_account_are_not_found(cloud: People, admin: Key) -> None:
    other = await cloud.administrator(OTHER)
    device = await made(cloud, other)
    asked = {"SerialNumber": device.serial}
    assert await failure(cloud, admin, "DeleteVirtualMFADevice", **asked) in (
        "NoSuchEntity",
        "AccessDenied",
    )
    listed = await cloud.iam(admin, "ListVirtualMFADevices")
    assert listed["VirtualMFADevices"] == []


async def test_devices_are_tagged(cloud: People, admin: Key) -> None:
    device = await made(cloud, admin)
    tags = [{"Key": "owner", "Value": "ada"}, {"Key": "kind", "Value": "phone"}]
    await cloud.iam(admin, "TagMFADevice", SerialNumber=device.serial, Tags=tags)
    await cloud.iam(admin, "UntagMFADevice", SerialNumber=device.serial, TagKeys=["Owner"])
    listed = await cloud.iam(admin, "ListMFADeviceTags", SerialNumber=device.serial)
    assert listed["Tags"] == [{"Key": "kind", "Value": "phone"}]


async def test_policies_go_by_the_tags_of_devices(cloud: People, admin: Key) -> None:
    mine = {"StringEquals": {"aws:ResourceTag/owner": "ada"}}
    ada = await cloud.user(admin, "ada", allow("iam:DeleteVirtualMFADevice", Condition=mine))
    hers, spare = await made(cloud, admin, "hers"), await made(cloud, admin, "spare")
    tags = [{"Key": "owner", "Value": "ada"}]
    await cloud.iam(admin, "TagMFADevice", SerialNumber=hers.serial, Tags=tags)
    denied = await failure(cloud, ada, "DeleteVirtualMFADevice", SerialNumber=spare.serial)
    assert denied == "AccessDenied"
    await cloud.iam(ada, "DeleteVirtualMFADevice", SerialNumber=hers.serial)


async def test_a_code_needs_its_device_and_the_device_its_code(cloud: People, admin: Key) -> None:
    device = await cloud.device(admin, "administrator")
    for members in ({"SerialNumber": device.serial}, {"TokenCode": "123456"}):
        with pytest.raises(ClientError, match="belong together"):
            await cloud.sts(admin, "GetSessionToken", **members)
