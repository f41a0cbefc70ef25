"""Operations on groups."""

from hedgerow.aws import Answer, Call, operation
from hedgerow.cloud.iam import groups
from hedgerow.cloud.iam.holders import existing_group
from hedgerow.cloud.iam.paging import page
from hedgerow.cloud.iam.rows import group_row, user_row
from hedgerow.cloud.iam.service_base import IamOperations, name_of, under


class GroupOperations(IamOperations):
    """CreateGroup to DeleteGroup."""

    @operation("CreateGroup")
    async def create_group(self, call: Call) -> Answer:
        """Make a group."""
        async with self._store.transaction() as tx:
            record = await groups.create(tx, await self._estate(), call.input)
        return {"Group": group_row(record)}

    @operation("GetGroup")
    async def get_group(self, call: Call) -> Answer:
        """Return a group with a page of its users."""
        group = await existing_group(self._store, self._home.account, call.input["GroupName"])
        members = (await self._estate()).members(group.id)
        shown, paging = page(members, call.input, name_of)
        return {"Group": group_row(group), "Users": [user_row(user) for user in shown], **paging}

    @operation("ListGroups")
    async def list_groups(self, call: Call) -> Answer:
        """Return a page of groups."""
        found = under(call.input, (await self._estate()).groups.values())
        shown, paging = page(found, call.input, name_of)
        return {"Groups": [group_row(record) for record in shown], **paging}

    @operation("UpdateGroup")
    async def update_group(self, call: Call) -> Answer:
        """Give a group another name or path."""
        async with self._store.transaction() as tx:
            await groups.update(tx, self._home.account, call.input)
        return None

    @operation("DeleteGroup")
    async def delete_group(self, call: Call) -> Answer:
        """Delete a group that has nothing left."""
        async with self._store.transaction() as tx:
            await groups.delete(tx, await self._estate(), call.input["GroupName"])
        return None
