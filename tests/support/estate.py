"""A greengrass service in a real store beside a real registry, without any network."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tests.support.pki import new_authority, new_key
from tests.support.registry import HOME, Device, Registrar, issued, registry
from tests.support.roles import IamDouble

from hedgerow.cloud.greengrass import (
    AddressBook,
    CoreDesk,
    Deployer,
    DocumentSigner,
    GroupIndex,
    MembershipLedger,
    RoleDesk,
    RoleSessions,
    ServerCertificates,
    authorities,
    definitions,
    deployments,
    groups,
    roles,
)
from hedgerow.cloud.greengrass.documents import Authority
from hedgerow.cloud.greengrass.kinds import KINDS_BY_PATH
from hedgerow.cloud.iot import AdmittedDevice, Registry
from hedgerow.cloud.iot.arns import thing_arn
from hedgerow.cloud.iot_data import ShadowService
from hedgerow.contract import DeploymentStatusReport
from hedgerow.kernel import SystemClock, new_uuid
from hedgerow.pki import CertificateAuthority, signing_certificate
from hedgerow.store import Store, Transaction

Members = Mapping[str, Any]
Write = Callable[[Transaction], Awaitable[Members]]


@cache
def signing_root() -> CertificateAuthority:
    """Return the root that the estate's signing certificate comes from."""
    return new_authority("signing root")


@cache
def document_signer() -> DocumentSigner:
    """Return the cloud's signature."""
    key = new_key()
    return DocumentSigner(key.sign, signing_root().issue(signing_certificate(), key.public_key))


@cache
def spare_authority(number: int = 0) -> Authority:
    """Return a group authority for all tests to share: making an RSA key takes long."""
    return authorities._make(HOME, f"spare{number}", SystemClock()).document


@dataclass
class Estate:
    """Everything of greengrass, and what an administrator does with it."""

    registrar: Registrar
    index: GroupIndex
    ledger: MembershipLedger
    deployer: Deployer
    desk: CoreDesk
    certificates: ServerCertificates
    addresses: AddressBook
    shadows: ShadowService
    iam: IamDouble
    roles: RoleDesk
    given: RoleSessions

    async def write(self, write: Write) -> Members:
        """Run one write in a transaction of its own."""
        async with self.registrar.store.transaction() as tx:
            return await write(tx)

    async def group(self, name: str = "group") -> str:
        """Make a group and return its id."""
        authority = authorities.NewAuthority(new_uuid(), spare_authority())
        answer = await self.write(
            lambda tx: groups.create(tx, HOME, {"Name": name}, authority=authority)
        )
        return str(answer["Id"])

    async def definition(self, path: str, content: Members) -> str:
        """Make a definition with one version and return the version's ARN."""
        kind = KINDS_BY_PATH[path]
        request = {"Name": path, "InitialVersion": content}
        answer = await self.write(lambda tx: definitions.create(kind, tx, HOME, request))
        return str(answer["LatestVersionArn"])

    async def version(self, group_id: str, **arns: str) -> str:
        """Make a group version and return its id."""
        request = {"GroupId": group_id, **arns}
        answer = await self.write(lambda tx: groups.create_version(tx, HOME, request))
        return str(answer["Version"])

    async def simple_version(
        self,
        group_id: str,
        core: tuple[str, Device],
        devices: Mapping[str, Device],
        rows: tuple[Members, ...] = (),
    ) -> str:
        """Make a group version with a core and devices."""
        cores = {"Cores": [member(*core)]}
        members = {"Devices": [member(name, device) for name, device in devices.items()]}
        return await self.version(
            group_id,
            CoreDefinitionVersionArn=await self.definition("cores", cores),
            DeviceDefinitionVersionArn=await self.definition("devices", members),
            SubscriptionDefinitionVersionArn=await self.definition(
                "subscriptions", {"Subscriptions": list(rows)}
            ),
        )

    async def service_role(self) -> None:
        """Associate a service role."""
        role = await self.roles.associable(self.iam.add(HOME, "Greengrass_ServiceRole"))
        now = self.registrar.clock.now()
        await self.write(lambda tx: roles.associate_service_role(tx, HOME, {}, role=role, now=now))

    async def group_role(self, group_id: str, name: str) -> str:
        """Make a role, give it to a group, and return its ARN."""
        role = await self.roles.associable(self.iam.add(HOME, name), group_id)
        request, now = {"GroupId": group_id}, self.registrar.clock.now()
        await self.write(
            lambda tx: roles.associate_group_role(tx, HOME, request, role=role, now=now)
        )
        return role.arn

    async def deploy(self, group_id: str, version_id: str, **more: str) -> str:
        """Begin a deployment, build it, and return its id."""
        request = {
            "GroupId": group_id,
            "DeploymentType": "NewDeployment",
            "GroupVersionId": version_id,
            **more,
        }
        answer = await self.write(lambda tx: deployments.begin(tx, HOME, request))
        await self.deployer.build(answer["DeploymentId"])
        return str(answer["DeploymentId"])

    async def reset(self, group_id: str, *, force: bool = False) -> str:
        """Begin a reset, build it, and return its id."""
        request = {"GroupId": group_id, "Force": force}
        answer = await self.write(lambda tx: deployments.reset(tx, HOME, request))
        await self.deployer.build(answer["DeploymentId"])
        return str(answer["DeploymentId"])

    async def status(self, group_id: str, deployment_id: str) -> Members:
        """Return what GetDeploymentStatus answers."""
        request = {"GroupId": group_id, "DeploymentId": deployment_id}
        return await deployments.status(self.registrar.store, HOME, request)

    async def succeed(self, core: str, device: Device, group_id: str, deployment_id: str) -> None:
        """Report success, as the core does."""
        own = await self.desk.own_group(self.admit(device), group_id)
        report = DeploymentStatusReport(status="Success")
        await self.desk.report(own, deployment_id, thing_arn(HOME, core), report)

    def admit(self, device: Device) -> AdmittedDevice:
        """Return the proof that a device may come in."""
        return self.registrar.directory.admit(device.id)

    async def deployed(self, core: str, *devices: str) -> "Deployed":
        """Enrol things, make a group of them, deploy it, and let the core report success."""
        identities = {name: issued() for name in (core, *devices)}
        for name, identity in identities.items():
            await self.registrar.enrol(name, identity)
        await self.service_role()
        group_id = await self.group()
        members = {name: identities[name] for name in devices}
        version_id = await self.simple_version(group_id, (core, identities[core]), members)
        deployment_id = await self.deploy(group_id, version_id)
        await self.succeed(core, identities[core], group_id, deployment_id)
        return Deployed(group_id, version_id, deployment_id, identities)


@dataclass(frozen=True)
class Deployed:
    """A group that runs on its core."""

    group_id: str
    version_id: str
    deployment_id: str
    identities: Mapping[str, Device]


def member(name: str, device: Device) -> dict[str, Any]:
    """Return a core or device as definitions hold it."""
    return {
        "Id": f"id-{name}",
        "ThingArn": thing_arn(HOME, name),
        "CertificateArn": device.arn,
        "SyncShadow": False,
    }


@asynccontextmanager
async def estate(folder: Path, *, start: bool = False) -> AsyncIterator[Estate]:
    """Open an estate; with `start` the deployer's own tasks run as well."""
    async with registry(folder) as registrar:
        store, directory, clock = registrar.store, registrar.directory, registrar.clock
        shadows = ShadowService(store, HOME, clock)
        known = Registry(store, HOME)
        index = GroupIndex(store, HOME)
        await index.start()
        ledger = MembershipLedger(store, HOME, index=index, directory=directory, registry=known)
        signer = document_signer()
        iam = IamDouble(clock)
        given = RoleSessions(store, HOME, directory=directory, sessions=iam, clock=clock)
        desk = RoleDesk(
            store,
            HOME,
            directory=iam,
            sessions=iam,
            judge=iam,
            given=given,
            record=iam.attempts.append,
        )
        deployer = Deployer(
            store,
            HOME,
            index=index,
            ledger=ledger,
            registry=known,
            shadows=shadows,
            signer=signer,
            roles=desk,
            clock=clock,
        )
        directory.on_change(lambda change: deployer.members_changed(change.things))
        if start:
            await deployer.start()
            await given.start()
        try:
            yield Estate(
                registrar=registrar,
                index=index,
                ledger=ledger,
                deployer=deployer,
                desk=CoreDesk(store, HOME, index=index, ledger=ledger, signer=signer),
                certificates=ServerCertificates(store, HOME, clock),
                addresses=AddressBook(store, HOME, shadows),
                shadows=shadows,
                iam=iam,
                roles=desk,
                given=given,
            )
        finally:
            await deployer.stop()
            await given.stop()
            index.stop()


async def until(
    store: Store, condition: Callable[[], Awaitable[bool]], *, seconds: float = 5.0
) -> None:
    """Return as soon as a change of the store makes the condition true, or fail."""
    async with asyncio.timeout(seconds):
        with store.watch() as changes:
            while not await condition():
                await anext(changes)
