"""Operations on users."""

from hedgerow.aws import Answer, Call, operation
from hedgerow.cloud.iam import users
from hedgerow.cloud.iam.arns import root_arn
from hedgerow.cloud.iam.faults import validation_error
from hedgerow.cloud.iam.holders import existing_user
from hedgerow.cloud.iam.paging import page
from hedgerow.cloud.iam.rows import group_row, user_detail, user_row
from hedgerow.cloud.iam.service_base import IamOperations, name_of, under


class UserOperations(IamOperations):
    """CreateUser to ListGroupsForUser."""

    @operation("CreateUser")
    async def create_user(self, call: Call) -> Answer:
        """Make a user, who may do nothing yet."""
        async with self._store.transaction() as tx:
            record = await users.create(tx, await self._estate(), call.input)
        return {"User": user_detail(record)}

    @operation("GetUser")
    async def get_user(self, call: Call) -> Answer:
        """Return a user; without a name, the caller's own."""
        principal = call.caller.principal
        if "UserName" not in call.input and principal.kind == "Root":
            account = self._home.account
            founded = await self._founded()
            root = {"UserId": account, "Arn": root_arn(account), "CreateDate": founded}
            return {"User": root}
        name = self._user_name(call)
        return {"User": user_detail(await existing_user(self._store, self._home.account, name))}

    @operation("ListUsers")
    async def list_users(self, call: Call) -> Answer:
        """Return a page of users."""
        found = under(call.input, (await self._estate()).users.values())
        shown, paging = page(found, call.input, name_of)
        return {"Users": [user_row(record) for record in shown], **paging}

    @operation("UpdateUser")
    async def update_user(self, call: Call) -> Answer:
        """Give a user another name or path."""
        async with self._store.transaction() as tx:
            await users.update(tx, self._home.account, call.input)
        return None

    @operation("DeleteUser")
    async def delete_user(self, call: Call) -> Answer:
        """Delete a user that has nothing left."""
        async with self._store.transaction() as tx:
            await users.delete(tx, self._home.account, call.input["UserName"])
        return None

    @operation("AddUserToGroup")
    async def add_user_to_group(self, call: Call) -> Answer:
        """Put a user into a group."""
        names = call.input["UserName"], call.input["GroupName"]
        async with self._store.transaction() as tx:
            await users.join(tx, self._home.account, *names)
        return None

    @operation("RemoveUserFromGroup")
    async def remove_user_from_group(self, call: Call) -> Answer:
        """Take a user out of a group."""
        names = call.input["UserName"], call.input["GroupName"]
        async with self._store.transaction() as tx:
            await users.leave(tx, self._home.account, *names)
        return None

    @operation("ListGroupsForUser")
    async def list_groups_for_user(self, call: Call) -> Answer:
        """Return a page of the groups that a user is in."""
        user = await existing_user(self._store, self._home.account, call.input["UserName"])
        groups = (await self._estate()).groups
        found = [groups[group] for group in user.document.groups if group in groups]
        shown, paging = page(found, call.input, name_of)
        return {"Groups": [group_row(record) for record in shown], **paging}

    def _user_name(self, call: Call) -> str:
        """Return the user that is asked about, or that the caller is."""
        if "UserName" in call.input:
            return str(call.input["UserName"])
        principal = call.caller.principal
        if principal.kind != "IAMUser":
            raise validation_error("Must specify userName when calling with non-User credentials")
        return principal.name
