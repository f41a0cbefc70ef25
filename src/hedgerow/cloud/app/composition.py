"""Which rooms a cloud is made of, and how they are put together. No rule of any room is here."""

from dataclasses import dataclass

from hedgerow.aws import Gateway, bind
from hedgerow.cloud.app.administrator import AdministratorOnly, StoredAccessKeys
from hedgerow.cloud.app.layout import Layout, Settings
from hedgerow.cloud.app.records import record_call, record_refused_request
from hedgerow.cloud.broker import CloudBroker
from hedgerow.cloud.dataplane import CoreCalls, DataPlane, Discovery, ShadowCalls
from hedgerow.cloud.greengrass import (
    AddressBook,
    CoreDesk,
    Deployer,
    DocumentSigner,
    GreengrassService,
    GroupIndex,
    MembershipLedger,
    ServerCertificates,
)
from hedgerow.cloud.home import Home
from hedgerow.cloud.iot import DeviceDirectory, IotService, Registry
from hedgerow.cloud.iot_data import IotDataService, ShadowService
from hedgerow.cloud.sts import StsService
from hedgerow.kernel import Clock
from hedgerow.pki import CertificateAuthority, FileKey, load_certificate
from hedgerow.store import Store


@dataclass(frozen=True, slots=True)
class Authorities:
    """The cloud's own keys: its root, the authority of device certificates, its signature, TLS."""

    root: CertificateAuthority
    devices: CertificateAuthority
    signer: DocumentSigner
    server_key: FileKey


@dataclass(frozen=True, slots=True)
class Rooms:
    """Everything that has to be started and stopped, put together but not yet running."""

    directory: DeviceDirectory
    index: GroupIndex
    deployer: Deployer
    broker: CloudBroker
    dataplane: DataPlane
    gateway: Gateway


def load_authorities(layout: Layout, clock: Clock) -> Authorities:
    """Read the cloud's keys. Raises `ConfigurationError` if one is loose or missing."""
    signing_key = FileKey.load(layout.signing_key)
    return Authorities(
        root=CertificateAuthority(
            load_certificate(layout.root_certificate.read_text()),
            FileKey.load(layout.root_key),
            clock,
        ),
        devices=CertificateAuthority(
            load_certificate(layout.device_authority_certificate.read_text()),
            FileKey.load(layout.device_authority_key),
            clock,
        ),
        signer=DocumentSigner(signing_key.sign, layout.signing_certificate.read_text()),
        server_key=FileKey.load(layout.server_key),
    )


def compose(store: Store, settings: Settings, authorities: Authorities, clock: Clock) -> Rooms:
    """Put the rooms together."""
    home = Home(account=settings.account_id, region=settings.region)
    directory = DeviceDirectory(
        store, home, device_authorities=[authorities.devices.certificate_pem]
    )
    shadows = ShadowService(store, home, clock)
    registry = Registry(store, home)
    index = GroupIndex(store, home)
    ledger = MembershipLedger(store, home, index=index, directory=directory, registry=registry)
    deployer = Deployer(
        store,
        home,
        index=index,
        ledger=ledger,
        registry=registry,
        shadows=shadows,
        signer=authorities.signer,
        clock=clock,
    )
    addresses = AddressBook(store, home, shadows)
    broker = CloudBroker(directory, shadows, home, clock)
    services = [
        IotService(
            store,
            home,
            clock,
            authority=authorities.devices,
            directory=directory,
            endpoint=settings.host_names[0],
        ),
        IotDataService(shadows, broker),
        GreengrassService(store, home, deployer=deployer, addresses=addresses, clock=clock),
        StsService(),
    ]
    operations = bind(services)
    gateway = Gateway(
        [type(service) for service in services],
        lambda _account: operations,
        StoredAccessKeys(store, home),
        AdministratorOnly(home),
        region=home.region,
        clock=clock,
        record=record_call,
    )
    desk = CoreDesk(store, home, index=index, ledger=ledger, signer=authorities.signer)
    dataplane = DataPlane(
        home,
        directory,
        discovery=Discovery(index, directory, clock),
        core_calls=CoreCalls(desk, ServerCertificates(store, home, clock), addresses),
        shadow_calls=ShadowCalls(shadows),
        record=record_refused_request,
    )
    return Rooms(
        directory=directory,
        index=index,
        deployer=deployer,
        broker=broker,
        dataplane=dataplane,
        gateway=gateway,
    )
