"""Operations on access keys."""

from hedgerow.aws import Answer, Call, operation
from hedgerow.cloud.iam import access_keys
from hedgerow.cloud.iam.access_keys import ACCESS_KEY, KEY_USE, key_not_found
from hedgerow.cloud.iam.faults import validation_error
from hedgerow.cloud.iam.owners import ROOT_NAME, owner_of
from hedgerow.cloud.iam.paging import page
from hedgerow.cloud.iam.service_base import IamOperations

_NOT_AVAILABLE = "N/A"


class AccessKeyOperations(IamOperations):
    """CreateAccessKey to GetAccessKeyLastUsed."""

    @operation("CreateAccessKey")
    async def create_access_key(self, call: Call) -> Answer:
        """Make a key, and give its secret out for the only time."""
        owner = await owner_of(self._directory, call, call.input.get("UserName"))
        async with self._store.transaction() as tx:
            made = await access_keys.create_access_key(tx, call.account, owner.id)
        return {
            "AccessKey": {
                "UserName": owner.name,
                "AccessKeyId": made.access_key_id,
                "Status": "Active",
                "SecretAccessKey": made.secret_access_key.reveal(),
                "CreateDate": made.created_at,
            }
        }

    @operation("UpdateAccessKey")
    async def update_access_key(self, call: Call) -> Answer:
        """Switch a key on or off; it holds from the moment this is answered."""
        status = call.input["Status"]
        if status not in ("Active", "Inactive"):
            raise validation_error("Status is either Active or Inactive.")
        owner = await owner_of(self._directory, call, call.input.get("UserName"))
        async with self._store.transaction() as tx:
            await access_keys.set_key_status(
                tx, call.account, owner.id, call.input["AccessKeyId"], status
            )
        return None

    @operation("DeleteAccessKey")
    async def delete_access_key(self, call: Call) -> Answer:
        """Delete a key."""
        owner = await owner_of(self._directory, call, call.input.get("UserName"))
        async with self._store.transaction() as tx:
            await access_keys.delete_access_key(
                tx, call.account, owner.id, call.input["AccessKeyId"]
            )
        return None

    @operation("ListAccessKeys")
    async def list_access_keys(self, call: Call) -> Answer:
        """Return a user's keys, without their secrets."""
        owner = await owner_of(self._directory, call, call.input.get("UserName"))
        records = await access_keys.keys_of(self._store, call.account, owner.id)
        shown, more = page(
            records, call.input, lambda key: f"{key.created_at.isoformat()} {key.id}"
        )
        rows = [
            {
                "UserName": owner.name,
                "AccessKeyId": record.id,
                "Status": record.document.status,
                "CreateDate": record.created_at,
            }
            for record in shown
        ]
        return {"AccessKeyMetadata": rows, **more}

    @operation("GetAccessKeyLastUsed")
    async def get_access_key_last_used(self, call: Call) -> Answer:
        """Return when, and for which service and region, a key of this account last signed."""
        key_id = call.input["AccessKeyId"]
        record = await self._store.get(ACCESS_KEY, call.account, key_id)
        if record is None or record.parent is None:
            raise key_not_found(key_id)
        use = await self._store.get(KEY_USE, call.account, key_id)
        user = await self._directory.user_of_id(call.account, record.parent)
        last_used = {"ServiceName": _NOT_AVAILABLE, "Region": _NOT_AVAILABLE}
        if use is None:
            return {
                "UserName": user.name if user else ROOT_NAME,
                "AccessKeyLastUsed": last_used,
            }
        return {
            "UserName": user.name if user else ROOT_NAME,
            "AccessKeyLastUsed": {
                "LastUsedDate": use.document.at,
                "ServiceName": use.document.service,
                "Region": use.document.region,
            },
        }
