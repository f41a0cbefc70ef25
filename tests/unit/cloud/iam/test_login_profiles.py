"""Passwords, and what an account asks of them; the account's summary and alias."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from tests.support.people import ACCOUNT, OTHER, Key, People, allow, people

from hedgerow.cloud.iam.login_profiles import LOGIN_PROFILE
from hedgerow.cloud.iam.passwords import PasswordPolicy, hashed, is_password, objection
from hedgerow.kernel import Secret

GOOD = "correct-Horse-1"


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


async def changes(cloud: People, by: Key, old: str, new: str) -> None:
    """Change the caller's password."""
    await cloud.iam(by, "ChangePassword", OldPassword=old, NewPassword=new)


async def test_a_user_has_one_password_that_nobody_can_read(cloud: People, admin: Key) -> None:
    await cloud.user(admin, "ada")
    assert await failure(cloud, admin, "GetLoginProfile", UserName="ada") == "NoSuchEntity"
    made = await cloud.iam(
        admin, "CreateLoginProfile", UserName="ada", Password=GOOD, PasswordResetRequired=True
    )
    assert made["LoginProfile"] == {
        "UserName": "ada",
        "CreateDate": cloud.clock.now(),
        "PasswordResetRequired": True,
    }
    again = {"UserName": "ada", "Password": GOOD}
    assert await failure(cloud, admin, "CreateLoginProfile", **again) == "EntityAlreadyExists"
    assert await failure(cloud, admin, "DeleteUser", UserName="ada") == "DeleteConflict"
    (stored,) = await cloud.store.all(LOGIN_PROFILE, ACCOUNT)
    assert is_password(Secret(GOOD), stored.document.password)
    assert GOOD not in repr(stored)
    assert not any(GOOD in repr(record) for record in cloud.records)
    await cloud.iam(admin, "DeleteLoginProfile", UserName="ada")
    assert await failure(cloud, admin, "GetLoginProfile", UserName="ada") == "NoSuchEntity"


async def test_a_user_changes_its_password_who_knows_the_old_one(cloud: People, admin: Key) -> None:
    ada = await cloud.user(admin, "ada", allow("iam:ChangePassword"))
    await cloud.iam(admin, "CreateLoginProfile", UserName="ada", Password=GOOD)
    new = {"OldPassword": "wrong-Horse-1", "NewPassword": "another-Horse-2"}
    assert await failure(cloud, ada, "ChangePassword", **new) == "AccessDenied"
    await changes(cloud, ada, GOOD, "another-Horse-2")
    (stored,) = await cloud.store.all(LOGIN_PROFILE, ACCOUNT)
    assert is_password(Secret("another-Horse-2"), stored.document.password)
    root = await cloud.root()
    asked = {"OldPassword": GOOD, "NewPassword": GOOD}
    assert await failure(cloud, root, "ChangePassword", **asked) == "InvalidUserType"


async def test_an_accounts_password_policy_is_asked_for_every_new_password(
    cloud: People, admin: Key
) -> None:
    ada = await cloud.user(admin, "ada", allow("iam:ChangePassword"))
    assert await failure(cloud, admin, "GetAccountPasswordPolicy") == "NoSuchEntity"
    weak = {"UserName": "ada", "Password": "lowercase"}
    assert await failure(cloud, admin, "CreateLoginProfile", **weak) == "PasswordPolicyViolation"
    await cloud.iam(
        admin,
        "UpdateAccountPasswordPolicy",
        MinimumPasswordLength=9,
        RequireNumbers=True,
        PasswordReusePrevention=2,
        MaxPasswordAge=90,
    )
    said = (await cloud.iam(admin, "GetAccountPasswordPolicy"))["PasswordPolicy"]
    assert said == {
        "MinimumPasswordLength": 9,
        "RequireSymbols": False,
        "RequireNumbers": True,
        "RequireUppercaseCharacters": False,
        "RequireLowercaseCharacters": False,
        "AllowUsersToChangePassword": False,
        "ExpirePasswords": True,
        "MaxPasswordAge": 90,
        "PasswordReusePrevention": 2,
        "HardExpiry": False,
    }
    assert await failure(cloud, admin, "CreateLoginProfile", **weak) == "PasswordPolicyViolation"
    await cloud.iam(admin, "CreateLoginProfile", UserName="ada", Password="lowercase1")
    await changes(cloud, ada, "lowercase1", "lowercase2")
    for former in ("lowercase1", "lowercase2"):
        asked = {"OldPassword": "lowercase2", "NewPassword": former}
        assert await failure(cloud, ada, "ChangePassword", **asked) == "PasswordPolicyViolation"
    await changes(cloud, ada, "lowercase2", "lowercase3")
    await changes(cloud, ada, "lowercase3", "lowercase1")
    await cloud.iam(admin, "DeleteAccountPasswordPolicy")
    assert await failure(cloud, admin, "DeleteAccountPasswordPolicy") == "NoSuchEntity"


async def test_an_administrator_puts_a_password_in_place_of_another(
    cloud: People, admin: Key
) -> None:
    await cloud.user(admin, "ada")
    assert await failure(cloud, admin, "UpdateLoginProfile", UserName="ada") == "NoSuchEntity"
    assert await failure(cloud, admin, "CreateLoginProfile", UserName="ada") == "ValidationError"
    await cloud.iam(admin, "CreateLoginProfile", UserName="ada", Password=GOOD)
    await cloud.iam(admin, "UpdateLoginProfile", UserName="ada", PasswordResetRequired=True)
    profile = (await cloud.iam(admin, "GetLoginProfile", UserName="ada"))["LoginProfile"]
    assert profile["PasswordResetRequired"]
    await cloud.iam(admin, "UpdateLoginProfile", UserName="ada", Password="another-Horse-2")
    (stored,) = await cloud.store.all(LOGIN_PROFILE, ACCOUNT)
    assert is_password(Secret("another-Horse-2"), stored.document.password)
    assert not is_password(Secret(GOOD), stored.document.password)


@pytest.mark.parametrize(
    ("password", "policy", "good"),
    [
        ("Abcdefg1", None, True),
        ("abcdefg1", None, False),
        ("Abcdef1", None, False),
        ("abcdef", PasswordPolicy(), True),
        ("abcde", PasswordPolicy(), False),
        ("x" * 129, PasswordPolicy(), False),
        ("abcdef", PasswordPolicy(symbols=True), False),
        ("abcde'", PasswordPolicy(symbols=True), True),
        ("abcdef", PasswordPolicy(uppercase=True), False),
        ("ABCDEF", PasswordPolicy(lowercase=True), False),
        ("abcdeÄ", PasswordPolicy(uppercase=True), False),
    ],
)
def test_what_a_password_lacks(password: str, policy: PasswordPolicy | None, *, good: bool) -> None:
    assert (objection(password, policy) is None) is good


def test_the_same_password_is_kept_differently_each_time() -> None:
    one, two = hashed(Secret(GOOD)), hashed(Secret(GOOD))
    assert one.digest != two.digest
    assert GOOD not in repr(one)
    assert repr(one.digest) not in repr(one)


async def test_an_account_has_one_alias_that_no_other_has(cloud: People, admin: Key) -> None:
    other = await cloud.administrator(OTHER)
    assert (await cloud.iam(admin, "ListAccountAliases"))["AccountAliases"] == []
    await cloud.iam(admin, "CreateAccountAlias", AccountAlias="works")
    taken = await failure(cloud, other, "CreateAccountAlias", AccountAlias="works")
    assert taken == "EntityAlreadyExists"
    await cloud.iam(admin, "CreateAccountAlias", AccountAlias="plant")
    assert (await cloud.iam(admin, "ListAccountAliases"))["AccountAliases"] == ["plant"]
    await cloud.iam(other, "CreateAccountAlias", AccountAlias="works")
    gone = await failure(cloud, admin, "DeleteAccountAlias", AccountAlias="works")
    assert gone == "NoSuchEntity"
    await cloud.iam(admin, "DeleteAccountAlias", AccountAlias="plant")
    assert (await cloud.iam(admin, "ListAccountAliases"))["AccountAliases"] == []


async def test_the_summary_counts_what_there_is(cloud: People, admin: Key) -> None:
    await cloud.user(admin, "ada")
    await cloud.iam(admin, "CreateGroup", GroupName="g")
    await cloud.iam(admin, "CreateVirtualMFADevice", VirtualMFADeviceName="spare")
    await cloud.device(admin, "ada")
    before = (await cloud.iam(admin, "GetAccountSummary"))["SummaryMap"]
    await cloud.root()
    after = (await cloud.iam(admin, "GetAccountSummary"))["SummaryMap"]
    assert (before["Users"], before["Groups"], before["Roles"], before["Policies"]) == (2, 1, 0, 0)
    assert (before["MFADevices"], before["MFADevicesInUse"]) == (2, 1)
    assert before["AccessKeysPerUserQuota"] == 2
    assert (before["AccountAccessKeysPresent"], after["AccountAccessKeysPresent"]) == (0, 1)
