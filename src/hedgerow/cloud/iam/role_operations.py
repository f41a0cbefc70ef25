"""Operations on roles."""

from collections.abc import Mapping
from typing import Any

from hedgerow.aws import Answer, Call, operation
from hedgerow.cloud.iam import roles
from hedgerow.cloud.iam.documents import Role
from hedgerow.cloud.iam.faults import invalid_input
from hedgerow.cloud.iam.holders import existing_role
from hedgerow.cloud.iam.paging import page
from hedgerow.cloud.iam.role_use import last_used, role_use
from hedgerow.cloud.iam.rows import role_detail, role_row
from hedgerow.cloud.iam.service_base import IamOperations, name_of, under
from hedgerow.store import Record


class RoleOperations(IamOperations):
    """CreateRole to DeleteRole."""

    @operation("CreateRole")
    async def create_role(self, call: Call) -> Answer:
        """Make a role with its trust policy."""
        async with self._store.transaction() as tx:
            record = await roles.create(
                tx, await self._estate(), self._directory.unique_id, call.input
            )
        return {"Role": role_detail(record, record.document.trust)}

    @operation("GetRole")
    async def get_role(self, call: Call) -> Answer:
        """Return a role."""
        record = await existing_role(self._store, self._home.account, call.input["RoleName"])
        use = await role_use(self._store, self._home.account, record.id)
        return {"Role": {**await self._detail(record), "RoleLastUsed": last_used(use)}}

    @operation("ListRoles")
    async def list_roles(self, call: Call) -> Answer:
        """Return a page of roles."""
        estate = await self._estate()
        found = under(call.input, estate.roles.values())
        shown, paging = page(found, call.input, name_of)
        return {"Roles": [role_row(one, estate.shown_trust(one)) for one in shown], **paging}

    @operation("UpdateRole")
    async def update_role(self, call: Call) -> Answer:
        """Change a role's description or longest session."""
        async with self._store.transaction() as tx:
            await roles.update(tx, self._home.account, call.input)
        return {}

    @operation("UpdateRoleDescription")
    async def update_role_description(self, call: Call) -> Answer:
        """Change a role's description: the older name of a part of `UpdateRole`."""
        async with self._store.transaction() as tx:
            record = await roles.update(tx, self._home.account, call.input)
        return {"Role": await self._detail(record)}

    @operation("UpdateAssumeRolePolicy")
    async def update_assume_role_policy(self, call: Call) -> Answer:
        """Replace a role's trust policy."""
        async with self._store.transaction() as tx:
            await roles.update_trust(tx, self._home.account, self._directory.unique_id, call.input)
        return None

    @operation("DeleteRole")
    async def delete_role(self, call: Call) -> Answer:
        """Delete a role that has nothing left."""
        async with self._store.transaction() as tx:
            await roles.delete(tx, self._home.account, call.input["RoleName"])
        return None

    @operation("CreateServiceLinkedRole")
    async def create_service_linked_role(self, _call: Call) -> Answer:
        """Refuse: no service here has a role of that kind, Greengrass included."""
        raise invalid_input(
            "Service-linked roles are not supported by any service here; make a role whose trust "
            "policy names the service with CreateRole."
        )

    @operation("DeleteServiceLinkedRole")
    async def delete_service_linked_role(self, call: Call) -> Answer:
        """Refuse: no role is of that kind."""
        record = await existing_role(self._store, self._home.account, call.input["RoleName"])
        raise invalid_input(
            f"Role {record.document.name} is not a service-linked role; delete it with DeleteRole."
        )

    async def _detail(self, record: Record[Role]) -> Mapping[str, Any]:
        return role_detail(record, (await self._estate()).shown_trust(record))
