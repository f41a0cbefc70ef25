"""Everything of one account: its registry, groups, broker, data plane and services.

Each room is made with the account's `Home` and knows no other, so that no call, message or request
of one account can name what belongs to another.
"""

import asyncio
import functools
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from hedgerow.aws import Service
from hedgerow.cloud.access import ServiceCalls, resource_tags
from hedgerow.cloud.app.assumed_roles import record_assumed_role
from hedgerow.cloud.app.authorities import Authorities
from hedgerow.cloud.app.bulk_calls import record_bulk_call
from hedgerow.cloud.app.delegations import record_delegation
from hedgerow.cloud.app.identities import Identities
from hedgerow.cloud.app.records import DeviceRefusals
from hedgerow.cloud.app.registrations import record_registration
from hedgerow.cloud.app.session_vault import SessionVault
from hedgerow.cloud.broker import CloudBroker, Programs
from hedgerow.cloud.cloudtrail import CloudTrailService, Deliverer, Deliveries, Trail, TrailKeys
from hedgerow.cloud.dataplane import (
    CoreCalls,
    CredentialCalls,
    DataPlane,
    Discovery,
    JobCalls,
    MessageCalls,
    ShadowCalls,
    UpdateCalls,
)
from hedgerow.cloud.estate import EstateService
from hedgerow.cloud.events import EventLog, EventTeller
from hedgerow.cloud.greengrass import (
    AddressBook,
    BulkRunner,
    CoreDesk,
    DeadlineKeeper,
    DelegationDesk,
    Deployer,
    ExecutionRoles,
    GreengrassService,
    GroupIndex,
    InputStores,
    MembershipLedger,
    RoleDesk,
    RoleSessions,
    RuntimeConfigurations,
    ServerCertificates,
    SoftwareUpdates,
    SynchronisationRights,
    TelemetryDesk,
    TelemetryLog,
)
from hedgerow.cloud.home import Home
from hedgerow.cloud.iam import IamService
from hedgerow.cloud.iot import (
    CREDENTIAL_PROVIDER,
    CredentialProvider,
    DeviceDirectory,
    EventSwitches,
    IotService,
    Newcomers,
    Registry,
)
from hedgerow.cloud.iot_data import IotDataService, ShadowService
from hedgerow.cloud.jobs import (
    IotJobsDataService,
    JobDesk,
    JobIndex,
    JobOperations,
    JobRunner,
    SignerRoles,
)
from hedgerow.cloud.organizations import OrganizationsService
from hedgerow.cloud.sts import StsService
from hedgerow.cloud.updates import UpdateCatalogue
from hedgerow.kernel import Clock
from hedgerow.mqtt.keeping import FileKeeper
from hedgerow.store import Store


@dataclass(frozen=True, slots=True)
class Ground:
    """What all accounts stand on."""

    store: Store
    authorities: Authorities
    identities: Identities
    trail_keys: TrailKeys
    sessions: SessionVault
    deliveries: Deliveries
    inputs: InputStores
    """Where the input files of bulk deployments lie."""
    updates: Path
    """The repository of software updates."""
    events: Path
    """Where events are written down, one folder for each account."""
    management: str
    """The number of the account that the cloud was born with."""
    endpoint: str
    """The host that devices are told to connect to."""
    clock: Clock


class Tenancy(Protocol):
    """Where accounts begin and cease to be served."""

    async def open(self, account: str) -> None:
        """Start serving an account."""

    async def close(self, account: str) -> None:
        """Serve an account no more."""


@dataclass(frozen=True, slots=True)
class AccountRooms:
    """The rooms of one account, put together. `start` them once, then `stop` them."""

    home: Home
    trail: Trail
    deliverer: Deliverer
    directory: DeviceDirectory
    index: GroupIndex
    deployer: Deployer
    deadlines: DeadlineKeeper
    bulk: BulkRunner
    role_sessions: RoleSessions
    keeper: FileKeeper
    broker: CloudBroker
    jobs: JobRunner
    events: EventTeller
    telemetry: TelemetryDesk
    switches: EventSwitches
    newcomers: Newcomers
    dataplane: DataPlane
    services: Sequence[Service]
    _closing: AsyncExitStack = field(default_factory=AsyncExitStack, repr=False)

    async def start(self) -> None:
        """Start every room, in the order in which they need each other; all of them or none."""
        async with AsyncExitStack() as started:
            await self.trail.start()
            started.push_async_callback(self.trail.stop)
            await self.deliverer.start()
            started.push_async_callback(self.deliverer.stop)
            await self.directory.start()
            started.push_async_callback(self.directory.stop)
            await self.index.start()
            started.callback(self.index.stop)
            started.callback(
                self.directory.on_change(
                    lambda change: self.deployer.members_changed(change.things)
                )
            )
            await self.deployer.start()
            started.push_async_callback(self.deployer.stop)
            await self.deadlines.start()
            started.push_async_callback(self.deadlines.stop)
            await self.bulk.start()
            started.push_async_callback(self.bulk.stop)
            await self.role_sessions.start()
            started.push_async_callback(self.role_sessions.stop)
            await asyncio.to_thread(self.keeper.open)
            started.callback(self.keeper.close)
            await self.switches.start()
            started.callback(self.switches.stop)
            await self.broker.start()
            started.push_async_callback(self.broker.stop)
            await self.jobs.start()
            started.push_async_callback(self.jobs.stop)
            await self.events.start()
            started.push_async_callback(self.events.stop)
            await self.telemetry.start()
            started.push_async_callback(self.telemetry.stop)
            started.push_async_callback(self.dataplane.stop)
            await self.newcomers.start()
            started.push_async_callback(self.newcomers.stop)
            self._closing.push_async_exit(started.pop_all())

    async def stop(self) -> None:
        """Let requests in progress finish, disconnect everyone, and stop."""
        await self._closing.aclose()


def account_rooms(ground: Ground, home: Home, tenancy: Tenancy) -> AccountRooms:
    """Put the rooms of one account together."""
    store, clock, signer = ground.store, ground.clock, ground.authorities.signer
    devices = ground.authorities.devices
    trail = Trail(home, ground.trail_keys, clock)
    deliverer = Deliverer(
        store, home, trail, ground.trail_keys, clock, deliveries=ground.deliveries
    )
    refusals = DeviceRefusals(trail)
    directory = DeviceDirectory(store, home, device_authorities=[devices.certificate_pem])
    shadows = ShadowService(store, home, clock)
    registry = Registry(store, home)
    index = GroupIndex(store, home)
    ledger = MembershipLedger(store, home, index=index, directory=directory, registry=registry)
    shared = ground.identities
    sessions = shared.sessions
    role_sessions = RoleSessions(store, home, directory=directory, sessions=sessions, clock=clock)
    calls = ServiceCalls(shared.decider, resource_tags(store, shared.directory), home, clock)
    roles = RoleDesk(
        store,
        home,
        directory=shared.directory,
        sessions=sessions,
        judge=calls,
        given=role_sessions,
        record=functools.partial(record_assumed_role, trail),
    )
    deployer = Deployer(
        store,
        home,
        index=index,
        ledger=ledger,
        registry=registry,
        shadows=shadows,
        signer=signer,
        roles=roles,
        clock=clock,
    )
    bulk = BulkRunner(
        store,
        home,
        deployer=deployer,
        roles=ExecutionRoles(roles, calls, home, clock),
        buckets=ground.inputs.sources_of(home.account, clock),
        record=functools.partial(record_bulk_call, trail),
        clock=clock,
    )
    addresses = AddressBook(store, home, shadows)
    programs = Programs(store, home, shared.credentials, shared.decider, clock)
    keeper = ground.sessions.keeper(home.account, clock)
    job_index = JobIndex(store, home)
    jobs = JobDesk(store, home, clock, index=job_index)
    signers = SignerRoles(home, shared.directory, clock)
    switches = EventSwitches(store, home)
    broker = CloudBroker(
        directory,
        shadows,
        home,
        clock,
        record=refusals.message,
        programs=programs,
        keeper=keeper,
        jobs=jobs,
        telemetry=lambda core, said: telemetry.hear(core, said),  # noqa: PLW0108 - made below
        tells_of_clients=lambda: switches.is_told("CERTIFICATE"),
    )
    told = ground.events / home.account
    telemetry = TelemetryDesk(home, broker, TelemetryLog(told / "telemetry"), clock)
    desk = CoreDesk(store, home, index=index, ledger=ledger, signer=signer)
    dataplane = DataPlane(
        home,
        directory,
        discovery=Discovery(index, directory, clock),
        core_calls=CoreCalls(
            desk,
            ServerCertificates(store, home, clock),
            DelegationDesk(store, home, clock, functools.partial(record_delegation, trail)),
            addresses,
            roles,
            directory,
            home,
        ),
        shadow_calls=ShadowCalls(shadows, SynchronisationRights(index, roles, home, clock)),
        message_calls=MessageCalls(broker, directory),
        credential_calls=CredentialCalls(
            CredentialProvider(
                store,
                home,
                directory=directory,
                sessions=sessions,
                lender=role_sessions,
                record=functools.partial(record_assumed_role, trail, service=CREDENTIAL_PROVIDER),
            )
        ),
        update_calls=UpdateCalls(ground.updates),
        job_calls=JobCalls(jobs),
        mqtt=broker.protocol_factory,
        record=refusals.request,
    )
    iot = IotService(
        store,
        home,
        clock,
        authority=devices,
        directory=directory,
        roles=shared.directory,
        endpoint=ground.endpoint,
        parts=[JobOperations(jobs, signers)],
    )
    return AccountRooms(
        home=home,
        trail=trail,
        deliverer=deliverer,
        directory=directory,
        index=index,
        deployer=deployer,
        deadlines=DeadlineKeeper(store, home, index=index, deployer=deployer, clock=clock),
        bulk=bulk,
        role_sessions=role_sessions,
        keeper=keeper,
        broker=broker,
        jobs=JobRunner(store, home, desk=jobs, index=job_index, clock=clock),
        events=EventTeller(store, home, publisher=broker, log=EventLog(told)),
        telemetry=telemetry,
        switches=switches,
        newcomers=Newcomers(
            store,
            home,
            clock,
            directory=directory,
            record=functools.partial(record_registration, trail),
        ),
        dataplane=dataplane,
        services=(
            iot,
            IotDataService(shadows, broker),
            IotJobsDataService(jobs),
            GreengrassService(
                store,
                home,
                deployer=deployer,
                bulk=bulk,
                roles=roles,
                addresses=addresses,
                configurations=RuntimeConfigurations(registry, shadows),
                updates=SoftwareUpdates(
                    home,
                    jobs=jobs,
                    signers=signers,
                    catalogue=UpdateCatalogue(ground.updates, clock),
                ),
                clock=clock,
            ),
            EstateService(store, home, clock, addresses=addresses),
            CloudTrailService(
                store, home, clock, trail=trail, deliverer=deliverer, keys=ground.trail_keys
            ),
            *_people(ground, home, tenancy),
        ),
    )


def _people(ground: Ground, home: Home, tenancy: Tenancy) -> Sequence[Service]:
    """Return the services about who there is in an account, and which accounts there are."""
    store, clock, shared = ground.store, ground.clock, ground.identities
    return (
        IamService(store, home, clock, directory=shared.directory),
        StsService(
            store,
            home,
            clock,
            directory=shared.directory,
            sessions=shared.sessions,
            decider=shared.decider,
        ),
        OrganizationsService(
            store,
            home,
            clock,
            management=ground.management,
            opened=tenancy.open,
            closed=tenancy.close,
        ),
    )
