"""Operations on the account as a whole: its summary, alias and password policy."""

from collections.abc import Mapping
from typing import Final

from hedgerow.aws import Answer, Call, operation
from hedgerow.cloud.iam import account_settings as settings
from hedgerow.cloud.iam import quotas
from hedgerow.cloud.iam.access_keys import MAX_ACCESS_KEYS, keys_of
from hedgerow.cloud.iam.mfa import MFA_ASSIGNMENT, MFA_DEVICE, devices_of
from hedgerow.cloud.iam.service_base import IamOperations

_QUOTAS: Final[Mapping[str, int]] = {
    "UsersQuota": quotas.QUOTAS[quotas.USERS],
    "GroupsQuota": quotas.QUOTAS[quotas.GROUPS],
    "RolesQuota": quotas.QUOTAS[quotas.ROLES],
    "PoliciesQuota": quotas.QUOTAS[quotas.POLICIES],
    "GroupsPerUserQuota": quotas.QUOTAS[quotas.GROUPS_OF_USER],
    "VersionsPerPolicyQuota": quotas.QUOTAS[quotas.VERSIONS],
    "PolicySizeQuota": quotas.QUOTAS[quotas.POLICY_SIZE],
    "AssumeRolePolicySizeQuota": quotas.QUOTAS[quotas.TRUST_SIZE],
    "AttachedPoliciesPerUserQuota": quotas.QUOTAS["PoliciesPerUser"],
    "AttachedPoliciesPerGroupQuota": quotas.QUOTAS["PoliciesPerGroup"],
    "AttachedPoliciesPerRoleQuota": quotas.QUOTAS["PoliciesPerRole"],
    "UserPolicySizeQuota": quotas.INLINE_SIZES["User"],
    "GroupPolicySizeQuota": quotas.INLINE_SIZES["Group"],
    "RolePolicySizeQuota": quotas.INLINE_SIZES["Role"],
    "AccessKeysPerUserQuota": MAX_ACCESS_KEYS,
}
"""The quotas that are enforced here; AWS's summary has more, of what is not built."""


class AccountOperations(IamOperations):
    """GetAccountSummary to DeleteAccountPasswordPolicy."""

    @operation("GetAccountSummary")
    async def get_account_summary(self, call: Call) -> Answer:
        """Return how much of everything the account has, and may have."""
        estate, account = await self._estate(), call.account
        root_devices = await devices_of(self._store, account, account)
        root_keys = await keys_of(self._store, account, account)
        versions = [len(record.document.versions) for record in estate.policies.values()]
        counts = {
            "Users": len(estate.users),
            "Groups": len(estate.groups),
            "Roles": len(estate.roles),
            "Policies": len(estate.policies),
            "PolicyVersionsInUse": sum(versions),
            "MFADevices": len(await self._store.all(MFA_DEVICE, account)),
            "MFADevicesInUse": len(await self._store.all(MFA_ASSIGNMENT, account)),
            "AccountMFAEnabled": int(bool(root_devices)),
            "AccountAccessKeysPresent": int(bool(root_keys)),
            "AccountPasswordPresent": 0,
            "AccountSigningCertificatesPresent": 0,
        }
        return {"SummaryMap": {**counts, **_QUOTAS}}

    @operation("CreateAccountAlias")
    async def create_account_alias(self, call: Call) -> Answer:
        """Give the account an alias, in place of the one it has."""
        async with self._store.transaction() as tx:
            await settings.put_alias(tx, call.account, call.input["AccountAlias"])
        return None

    @operation("DeleteAccountAlias")
    async def delete_account_alias(self, call: Call) -> Answer:
        """Take the account's alias away."""
        async with self._store.transaction() as tx:
            await settings.delete_alias(tx, call.account, call.input["AccountAlias"])
        return None

    @operation("ListAccountAliases")
    async def list_account_aliases(self, call: Call) -> Answer:
        """Return the account's alias, if it has one; there is never more than one."""
        record = await settings.alias_of(self._store, call.account)
        aliases = [] if record is None else [record.document.alias]
        return {"AccountAliases": aliases, "IsTruncated": False}

    @operation("UpdateAccountPasswordPolicy")
    async def update_account_password_policy(self, call: Call) -> Answer:
        """Replace the account's password policy."""
        async with self._store.transaction() as tx:
            await settings.put_password_policy(tx, call.account, call.input)
        return None

    @operation("GetAccountPasswordPolicy")
    async def get_account_password_policy(self, call: Call) -> Answer:
        """Return the account's password policy."""
        policy = await settings.password_policy(self._store, call.account)
        if policy is None:
            raise settings.no_password_policy(call.account)
        members = {name: getattr(policy, field) for name, field in settings.MEMBERS.items()}
        said = {name: value for name, value in members.items() if value is not None}
        return {"PasswordPolicy": {**said, "ExpirePasswords": policy.max_age_days is not None}}

    @operation("DeleteAccountPasswordPolicy")
    async def delete_account_password_policy(self, call: Call) -> Answer:
        """Go back to the password policy by default."""
        async with self._store.transaction() as tx:
            await settings.delete_password_policy(tx, call.account)
        return None
