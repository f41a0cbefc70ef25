"""The `greengrass` API: which operation is answered by which function. No rule stands here.

The 56 operations on definitions come from the table of kinds; the others are one method each. A
client token makes the creating calls repeatable: the same token gives the first answer again.
"""

import functools
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, ClassVar

from hedgerow.aws import Answer, Call, Operation, Service, operation
from hedgerow.cloud.greengrass import (
    authorities,
    bulk_deployments,
    definitions,
    deployments,
    groups,
    roles,
    tagging,
)
from hedgerow.cloud.greengrass.addresses import AddressBook
from hedgerow.cloud.greengrass.bulk_runner import BulkRunner
from hedgerow.cloud.greengrass.client_tokens import once, remembered
from hedgerow.cloud.greengrass.deployer import Deployer
from hedgerow.cloud.greengrass.faults import bad_request
from hedgerow.cloud.greengrass.kinds import DEFINITION_KINDS
from hedgerow.cloud.greengrass.lookup import existing_group
from hedgerow.cloud.greengrass.role_desk import RoleDesk
from hedgerow.cloud.greengrass.runtime_configuration import RuntimeConfigurations
from hedgerow.cloud.greengrass.software_updates import SoftwareUpdates
from hedgerow.cloud.home import Home
from hedgerow.contract import ConnectivityEntry
from hedgerow.kernel import CallerError, Clock, new_uuid
from hedgerow.store import Store, Transaction

Members = Mapping[str, Any]
Read = Callable[[Store, Home, Members], Awaitable[Members]]
Write = Callable[[Transaction, Home, Members], Awaitable[Members]]

_DEFINITION_READS = {
    "Get{}Definition": definitions.get,
    "Get{}DefinitionVersion": definitions.get_version,
    "List{}Definitions": definitions.list_all,
    "List{}DefinitionVersions": definitions.list_versions,
}
_DEFINITION_WRITES = {
    "Create{}Definition": definitions.create,
    "Create{}DefinitionVersion": definitions.create_version,
    "Update{}Definition": definitions.update,
    "Delete{}Definition": definitions.delete,
}
_READS: Mapping[str, Read] = {
    "GetGroup": groups.get,
    "GetGroupVersion": groups.get_version,
    "ListGroups": groups.list_all,
    "ListGroupVersions": groups.list_versions,
    "ListGroupCertificateAuthorities": authorities.list_all,
    "GetGroupCertificateAuthority": authorities.get,
    "GetGroupCertificateConfiguration": authorities.get_configuration,
    "GetServiceRoleForAccount": roles.service_role,
    "GetAssociatedRole": roles.group_role,
    "ListTagsForResource": tagging.tags_of,
    "GetDeploymentStatus": deployments.status,
    "ListDeployments": deployments.list_all,
    "GetBulkDeploymentStatus": bulk_deployments.status,
    "ListBulkDeployments": bulk_deployments.list_all,
    "ListBulkDeploymentDetailedReports": bulk_deployments.reports,
}
_WRITES: Mapping[str, Write] = {
    "CreateGroupVersion": groups.create_version,
    "UpdateGroup": groups.update,
    "DeleteGroup": groups.delete,
    "UpdateGroupCertificateConfiguration": authorities.update_configuration,
    "TagResource": tagging.add_tags,
    "UntagResource": tagging.remove_tags,
}


class GreengrassService(Service):
    """Definitions, groups, authorities, roles, addresses, tags, single and bulk deployments."""

    model_name: ClassVar[str] = "greengrass"
    malformed_code: ClassVar[str] = "BadRequestException"
    invalid_code: ClassVar[str] = "BadRequestException"
    internal_code: ClassVar[str] = "InternalServerErrorException"
    message_member: ClassVar[str] = "Message"

    def __init__(
        self,
        store: Store,
        home: Home,
        *,
        deployer: Deployer,
        bulk: BulkRunner,
        roles: RoleDesk,
        addresses: AddressBook,
        configurations: RuntimeConfigurations,
        updates: SoftwareUpdates,
        clock: Clock,
    ) -> None:
        self._store = store
        self._home = home
        self._deployer = deployer
        self._bulk = bulk
        self._roles = roles
        self._addresses = addresses
        self._configurations = configurations
        self._updates = updates
        self._clock = clock

    def operations(self) -> Mapping[str, Operation]:
        """Return the operations of the tables above and of the methods below."""
        built: dict[str, Operation] = dict(super().operations())
        for name, read in _READS.items():
            built[name] = self._reading(read)
        for name, write in _WRITES.items():
            built[name] = self._writing(write)
        for kind in DEFINITION_KINDS:
            for form, read_kind in _DEFINITION_READS.items():
                built[form.format(kind.name)] = self._reading(functools.partial(read_kind, kind))
            for form, write_kind in _DEFINITION_WRITES.items():
                built[form.format(kind.name)] = self._writing(functools.partial(write_kind, kind))
        return {name: _naming_faults(self._repeatable(method)) for name, method in built.items()}

    @operation("CreateGroup")
    async def create_group(self, call: Call) -> Members:
        """Make a group and its authority."""
        authority = await authorities.make(
            self._home, new_uuid(), self._clock, tags=call.input.get("tags")
        )
        return await self._write(call, functools.partial(groups.create, authority=authority))

    @operation("CreateGroupCertificateAuthority")
    async def create_group_certificate_authority(self, call: Call) -> Members:
        """Rotate the authority of a group."""
        group = await existing_group(self._store, self._home, call.input["GroupId"])
        authority = await authorities.make(
            self._home, group.id, self._clock, tags=group.document.tags
        )
        return await self._write(
            call, functools.partial(authorities.rotate, new=authority, now=self._clock.now())
        )

    @operation("CreateDeployment")
    async def create_deployment(self, call: Call) -> Members:
        """Begin a deployment; it is built after this call is answered."""
        answer = await self._write(call, deployments.begin)
        self._deployer.build_soon(answer["DeploymentId"])
        return answer

    @operation("ResetDeployments")
    async def reset_deployments(self, call: Call) -> Members:
        """Forget a group's deployments and begin the reset of its core; a forced one is done."""
        answer = await self._write(call, deployments.reset)
        await self._deployer.build_now(answer["DeploymentId"])
        return answer

    @operation("StartBulkDeployment")
    async def start_bulk_deployment(self, call: Call) -> Members:
        """Begin a bulk deployment; its input is read after this call is answered."""
        role = await self._roles.executable(call.input["ExecutionRoleArn"])
        answer = await self._write(call, functools.partial(bulk_deployments.begin, role=role))
        self._bulk.run_soon(answer["BulkDeploymentId"])
        return answer

    @operation("StopBulkDeployment")
    async def stop_bulk_deployment(self, call: Call) -> Members:
        """Tell a bulk deployment to stop after the record that it is at."""
        answer = await self._write(call, bulk_deployments.stop)
        self._bulk.stop_soon()
        return answer

    @operation("CreateSoftwareUpdateJob")
    async def create_software_update_job(self, call: Call) -> Members:
        """Make a job that has cores take the newest published software."""
        update = await self._updates.possible(call.input)

        async def make(tx: Transaction, _home: Home, _request: Members) -> Members:
            return await self._updates.make(tx, update)

        return await self._write(call, make)

    @operation("GetConnectivityInfo")
    async def get_connectivity_info(self, call: Call) -> Members:
        """Return a core's addresses."""
        info = await self._addresses.read(call.input["ThingName"])
        entries = [
            {
                "Id": entry.id,
                "HostAddress": entry.host_address,
                "PortNumber": entry.port_number,
                "Metadata": entry.metadata,
            }
            for entry in info.connectivity_info
        ]
        return {"ConnectivityInfo": entries}

    @operation("UpdateConnectivityInfo")
    async def update_connectivity_info(self, call: Call) -> Members:
        """Replace a core's addresses."""
        entries = [
            ConnectivityEntry(
                id=entry.get("Id", ""),
                host_address=entry.get("HostAddress", ""),
                port_number=entry.get("PortNumber", 0),
                metadata=entry.get("Metadata", ""),
            )
            for entry in call.input.get("ConnectivityInfo") or ()
        ]
        version = await self._addresses.write(call.input["ThingName"], entries)
        return {"Message": "Connectivity info updated.", "Version": version}

    @operation("GetThingRuntimeConfiguration")
    async def get_thing_runtime_configuration(self, call: Call) -> Members:
        """Return a core's runtime configuration."""
        return {"RuntimeConfiguration": await self._configurations.read(call.input["ThingName"])}

    @operation("UpdateThingRuntimeConfiguration")
    async def update_thing_runtime_configuration(self, call: Call) -> Members:
        """Wish for another runtime configuration of a core."""
        wanted = call.input.get("TelemetryConfiguration") or {}
        await self._configurations.write(call.input["ThingName"], wanted.get("Telemetry"))
        return {}

    @operation("AssociateServiceRoleToAccount")
    async def associate_service_role_to_account(self, call: Call) -> Members:
        """Set the account's service role."""
        role = await self._roles.associable(call.input["RoleArn"])
        return await self._write(call, self._dated(roles.associate_service_role, role=role))

    @operation("DisassociateServiceRoleFromAccount")
    async def disassociate_service_role_from_account(self, call: Call) -> Members:
        """Take the account's service role away."""
        return await self._write(call, self._dated(roles.disassociate_service_role))

    @operation("AssociateRoleToGroup")
    async def associate_role_to_group(self, call: Call) -> Members:
        """Set a group's role."""
        group_id = call.input["GroupId"]
        role = await self._roles.associable(call.input["RoleArn"], group_id)
        answer = await self._write(call, self._dated(roles.associate_group_role, role=role))
        self._deployer.role_changed(group_id)
        return answer

    @operation("DisassociateRoleFromGroup")
    async def disassociate_role_from_group(self, call: Call) -> Members:
        """Take a group's role away."""
        answer = await self._write(call, self._dated(roles.disassociate_group_role))
        self._deployer.role_changed(call.input["GroupId"])
        return answer

    async def _write(self, call: Call, write: Write) -> Members:
        async with self._store.transaction() as tx:
            return await once(
                tx,
                self._home,
                call.operation,
                call.input,
                self._clock.now(),
                lambda: write(tx, self._home, call.input),
            )

    def _repeatable(self, method: Operation) -> Operation:
        """Give a call whose token is known its first answer, before anything is made for it."""

        async def answer(call: Call) -> Answer:
            known = await remembered(
                self._store, self._home, call.operation, call.input, self._clock.now()
            )
            return await method(call) if known is None else known

        return answer

    def _dated(self, write: Callable[..., Awaitable[Members]], **more: Any) -> Write:
        return functools.partial(write, now=self._clock.now(), **more)

    def _reading(self, read: Read) -> Operation:
        async def answer(call: Call) -> Answer:
            return await read(self._store, self._home, call.input)

        return answer

    def _writing(self, write: Write) -> Operation:
        return functools.partial(self._write, write=write)


def _naming_faults(method: Operation) -> Operation:
    """Turn the caller's faults that the rooms below name into the API's one code for them."""

    async def answer(call: Call) -> Answer:
        try:
            return await method(call)
        except CallerError as error:
            raise bad_request(error.message) from error

    return answer
