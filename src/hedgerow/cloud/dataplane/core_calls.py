"""What a core asks for: its deployment, its files, a server certificate; and what it reports.

A policy says which actions a core may use; it does not say whose core it is. So every call on a
group goes through the desk's proof that the caller is the core of that group now, and every call
on a thing demands that the thing is the caller's.
"""

import asyncio

from hedgerow.aws import HttpAnswer
from hedgerow.cloud.dataplane.answers import MissingError, ok, packed
from hedgerow.cloud.dataplane.authorized import Authorized, require_own_thing
from hedgerow.cloud.dataplane.routes import connectivity_arn
from hedgerow.cloud.greengrass import (
    AddressBook,
    Announcement,
    CoreDesk,
    DelegationDesk,
    OwnGroup,
    RoleDesk,
    ServerCertificates,
    announcement,
)
from hedgerow.cloud.home import Home
from hedgerow.cloud.iot import DeviceDirectory
from hedgerow.contract import (
    ARTIFACT_GROUP,
    ARTIFACT_MEMBERSHIP,
    CertificateRequest,
    ConnectivityInfo,
    DeploymentStatusReport,
    decode,
    encode,
)
from hedgerow.kernel import quoted

_DONE = b"{}"


class CoreCalls:
    """The calls of cores, each after its policy allowed it."""

    def __init__(
        self,
        desk: CoreDesk,
        certificates: ServerCertificates,
        delegation: DelegationDesk,
        addresses: AddressBook,
        roles: RoleDesk,
        directory: DeviceDirectory,
        home: Home,
    ) -> None:
        self._desk = desk
        self._delegation = delegation
        self._directory = directory
        self._home = home
        self._certificates = certificates
        self._addresses = addresses
        self._roles = roles

    async def get_deployment(self, request: Authorized) -> HttpAnswer:
        """Return the signed manifest."""
        own = await self._own_group(request)
        return ok(await self._desk.manifest(own, request.parameters["deployment"]))

    async def get_artifact(self, request: Authorized) -> HttpAnswer:
        """Return a file of the deployment."""
        own = await self._own_group(request)
        name, deployment_id = request.parameters["artifact"], request.parameters["deployment"]
        accepted = request.headers.get("accept-encoding", "")
        if name == ARTIFACT_GROUP:
            file = await self._desk.group_file(own, deployment_id)
        elif name == ARTIFACT_MEMBERSHIP:
            file = await self._desk.membership_file(own, deployment_id)
        else:
            raise MissingError(f"a deployment has no artifact {quoted(name)}")
        return await asyncio.to_thread(packed, file, accepted)

    async def report_status(self, request: Authorized) -> HttpAnswer:
        """Take a report of how a deployment goes."""
        own = await self._own_group(request)
        said = decode(request.body, DeploymentStatusReport)
        await self._desk.report(
            own, request.parameters["deployment"], request.parameters["core"], said
        )
        return ok(_DONE)

    async def create_certificate(self, request: Authorized) -> HttpAnswer:
        """Issue an MQTT server certificate."""
        wanted = decode(request.body, CertificateRequest)
        own = await self._desk.own_group(request.device, wanted.group_id)
        announced = self._announced(own, wanted)
        return ok(
            encode(
                await self._certificates.issue(own, wanted.certificate_signing_request, announced)
            )
        )

    async def delegate_authority(self, request: Authorized) -> HttpAnswer:
        """Issue an authority for the core's own names, if its group has the setting for it."""
        wanted = decode(request.body, CertificateRequest)
        own = await self._desk.own_group(request.device, wanted.group_id)
        announced = self._announced(own, wanted)
        return ok(
            encode(await self._delegation.issue(own, wanted.certificate_signing_request, announced))
        )

    async def assume_group_role(self, request: Authorized) -> HttpAnswer:
        """Return temporary credentials of the role of the core's own group."""
        own = await self._own_group(request)
        return ok(encode(await self._roles.group_credentials(own)))

    async def get_connectivity(self, request: Authorized) -> HttpAnswer:
        """Return the core's addresses."""
        return ok(encode(await self._addresses.read(require_own_thing(request))))

    async def update_connectivity(self, request: Authorized) -> HttpAnswer:
        """Replace the core's addresses and return them with their new version."""
        thing = require_own_thing(request)
        info = decode(request.body, ConnectivityInfo)
        await self._addresses.write(thing, info.connectivity_info)
        return ok(encode(await self._addresses.read(thing)))

    def _announced(self, own: OwnGroup, wanted: CertificateRequest) -> Announcement:
        """Return what the core announces, if its policy lets it publish that."""
        arn = connectivity_arn(self._home, own.view.rollout.core_thing_name)
        return announcement(
            wanted.announced,
            lambda: self._directory.authorize(own.device, "greengrass:UpdateConnectivityInfo", arn),
        )

    async def _own_group(self, request: Authorized) -> OwnGroup:
        return await self._desk.own_group(request.device, request.parameters["group"])
