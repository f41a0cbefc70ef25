"""Operations on passwords: an administrator's, and a user's own change."""

import asyncio
from http import HTTPStatus
from typing import Any

import msgspec

from hedgerow.aws import Answer, AwsError, Call, operation
from hedgerow.cloud.iam import login_profiles
from hedgerow.cloud.iam.account_settings import password_policy
from hedgerow.cloud.iam.faults import validation_error
from hedgerow.cloud.iam.login_profiles import LoginProfile
from hedgerow.cloud.iam.owners import Owner, owner_of, require_user
from hedgerow.cloud.iam.passwords import PasswordHash, hashed, is_password, objection
from hedgerow.cloud.iam.service_base import IamOperations
from hedgerow.kernel import Secret
from hedgerow.store import Record


class LoginProfileOperations(IamOperations):
    """CreateLoginProfile to ChangePassword."""

    @operation("CreateLoginProfile")
    async def create_login_profile(self, call: Call) -> Answer:
        """Give a user a password."""
        owner = await self._user(call)
        if "Password" not in call.input:
            raise validation_error("Password is required.")
        kept = await self._accepted(call, "Password")
        profile = LoginProfile(
            password=kept,
            reset_required=call.input.get("PasswordResetRequired", False),
            changed_at=self._clock.now(),
        )
        async with self._store.transaction() as tx:
            record = await login_profiles.create(tx, call.account, owner, profile)
        return {"LoginProfile": _row(owner, record)}

    @operation("GetLoginProfile")
    async def get_login_profile(self, call: Call) -> Answer:
        """Return since when a user has a password; never the password."""
        owner = await self._user(call)
        record = await login_profiles.existing(self._store, call.account, owner)
        return {"LoginProfile": _row(owner, record)}

    @operation("UpdateLoginProfile")
    async def update_login_profile(self, call: Call) -> Answer:
        """Change a user's password, or whether it must be changed at the next sign-in."""
        owner = await self._user(call)
        kept = await self._accepted(call, "Password") if "Password" in call.input else None
        async with self._store.transaction() as tx:
            record = await login_profiles.existing(tx, call.account, owner)
            required = call.input.get("PasswordResetRequired", record.document.reset_required)
            if kept is None:
                changed = msgspec.structs.replace(record.document, reset_required=required)
            else:
                changed = login_profiles.with_password(
                    record.document, kept, reset_required=required, now=self._clock.now()
                )
            await tx.update(record, changed)
        return None

    @operation("DeleteLoginProfile")
    async def delete_login_profile(self, call: Call) -> Answer:
        """Take a user's password away."""
        owner = await self._user(call)
        async with self._store.transaction() as tx:
            await tx.delete(await login_profiles.existing(tx, call.account, owner))
        return None

    @operation("ChangePassword")
    async def change_password(self, call: Call) -> Answer:
        """Change the caller's own password; it has to know the old one."""
        owner = require_user(await owner_of(self._directory, call, None), call.account)
        record = await login_profiles.existing(self._store, call.account, owner)
        await self._require_old(call, record.document)
        kept = await self._accepted(call, "NewPassword")
        await self._require_fresh(call, record.document)
        changed = login_profiles.with_password(
            record.document, kept, reset_required=False, now=self._clock.now()
        )
        async with self._store.transaction() as tx:
            await tx.update(record, changed)
        return None

    async def _user(self, call: Call) -> Owner:
        owner = await owner_of(self._directory, call, call.input.get("UserName"))
        return require_user(owner, call.account)

    async def _accepted(self, call: Call, member: str) -> PasswordHash:
        """Return a new password as it is kept, or raise what the account's policy says to it."""
        password: str = call.input[member]
        policy = await password_policy(self._store, call.account)
        wrong = objection(password, policy)
        if wrong is not None:
            raise AwsError("PasswordPolicyViolation", wrong)
        return await asyncio.to_thread(hashed, Secret(password))

    async def _require_old(self, call: Call, profile: LoginProfile) -> None:
        old: Secret[str] = Secret(call.input["OldPassword"])
        if not await asyncio.to_thread(is_password, old, profile.password):
            raise AwsError(
                "AccessDenied", "The old password is wrong.", http_status=HTTPStatus.FORBIDDEN
            )

    async def _require_fresh(self, call: Call, profile: LoginProfile) -> None:
        """Raise if the account forbids to use one of the last passwords again, and this is one."""
        policy = await password_policy(self._store, call.account)
        count = policy.reuse_prevention if policy is not None else None
        new: Secret[str] = Secret(call.input["NewPassword"])
        for former in (profile.password, *profile.previous)[: count or 0]:
            if await asyncio.to_thread(is_password, new, former):
                raise AwsError(
                    "PasswordPolicyViolation",
                    f"Password is one of the last {count}; the account forbids to use it again",
                )


def _row(owner: Owner, record: Record[LoginProfile]) -> dict[str, Any]:
    return {
        "UserName": owner.name,
        "CreateDate": record.created_at,
        "PasswordResetRequired": record.document.reset_required,
    }
