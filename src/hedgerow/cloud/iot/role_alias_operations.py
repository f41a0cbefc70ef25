"""Operations on role aliases."""

from hedgerow.aws import Answer, Call, operation
from hedgerow.cloud.iot import role_aliases
from hedgerow.cloud.iot.documents import ROLE_ALIAS
from hedgerow.cloud.iot.service_base import IotOperations, with_token


class RoleAliasOperations(IotOperations):
    """CreateRoleAlias to DeleteRoleAlias."""

    @operation("CreateRoleAlias")
    async def create_role_alias(self, call: Call) -> Answer:
        """Make an alias of a role."""
        async with self._writing() as tx:
            return await role_aliases.create(tx, self._home, self._roles, call.input)

    @operation("DescribeRoleAlias")
    async def describe_role_alias(self, call: Call) -> Answer:
        """Return an alias with its role."""
        record = await role_aliases.existing(self._store, self._home, call.input["roleAlias"])
        return {"roleAliasDescription": role_aliases.described(self._home, record)}

    @operation("ListRoleAliases")
    async def list_role_aliases(self, call: Call) -> Answer:
        """Return a page of names of aliases, oldest first."""
        page = await self._page(ROLE_ALIAS, call.input.get("pageSize"), call.input.get("marker"))
        names = [record.id for record in page.records]
        return with_token({"roleAliases": names}, "nextMarker", page.next_token)

    @operation("UpdateRoleAlias")
    async def update_role_alias(self, call: Call) -> Answer:
        """Let an alias stand for another role, or its credentials last for another time."""
        async with self._writing() as tx:
            return await role_aliases.update(tx, self._home, self._roles, call.input)

    @operation("DeleteRoleAlias")
    async def delete_role_alias(self, call: Call) -> Answer:
        """Delete an alias."""
        async with self._writing() as tx:
            await role_aliases.delete(tx, self._home, call.input["roleAlias"])
        return {}
