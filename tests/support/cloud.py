"""A whole cloud on this machine, on free ports, and what people do with it through public doors."""

import asyncio
import atexit
import functools
import json
import shutil
import ssl
import tempfile
import threading
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import aiohttp
import boto3
from botocore.exceptions import ClientError
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID
from tests.support.pki import Identity, new_authority, new_identity, new_key
from tests.support.roles import trust_policy
from yarl import URL

from hedgerow.aws.models import OWN_MODELS
from hedgerow.cloud.app import CloudApp, Endpoints, Layout, init_cloud
from hedgerow.contract import deployment_status_path
from hedgerow.kernel import Clock, SystemClock
from hedgerow.pki import FileKey, client_context
from hedgerow.policy import minimal_core_policy, minimal_device_policy

REGION = "eu-west-1"
ACCOUNT = "123456789012"
SERVICE_ROLE = "Greengrass_ServiceRole"
SERVICE_ROLE_POLICY = "arn:aws:iam::aws:policy/service-role/AWSGreengrassResourceAccessRolePolicy"
_IOT = f"arn:aws:iot:{REGION}:{{}}"


@functools.cache
def born_cloud() -> Path:
    """Return a data folder made once by `init_cloud`; copy it, since making RSA keys takes long."""
    folder = Path(tempfile.mkdtemp(prefix="hedgerow-test-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    birth = init_cloud(folder / "cloud", region=REGION, account_id=ACCOUNT, clock=SystemClock())
    # A thread of its own, because the caller may be inside an event loop.
    thread = threading.Thread(target=asyncio.run, args=(birth,))
    thread.start()
    thread.join()
    return folder / "cloud"


@functools.cache
def _session() -> Any:
    """Return one session for all clients: reading botocore's models takes long."""
    session = boto3.Session()
    session._session.get_component("data_loader").search_paths.append(str(OWN_MODELS))
    return session


@dataclass
class RunningCloud:
    """A cloud that serves, and an administrator of one of its accounts."""

    app: CloudApp
    data_dir: Path
    account: str = ACCOUNT
    credentials: Mapping[str, str] = field(default_factory=dict)
    """What to sign with, in boto3's words; empty: the administrator made at birth."""
    _clients: dict[str, Any] = field(default_factory=dict)
    _opened: list[Any] = field(default_factory=list)

    @property
    def endpoints(self) -> Endpoints:
        """Where it listens."""
        return self.app.endpoints

    @property
    def roots_pem(self) -> str:
        """The certificate to trust it by."""
        return Layout(self.data_dir).root_certificate.read_text()

    def client(self, service: str, **changes: Any) -> Any:
        """Return a boto3 client of the administrator, or of whoever `changes` says."""
        administrator = json.loads(Layout(self.data_dir).administrator.read_text())
        settings = {
            "endpoint_url": f"https://localhost:{self.endpoints.api_port}",
            "verify": str(Layout(self.data_dir).root_certificate),
            "region_name": administrator["Region"],
            "aws_access_key_id": administrator["AccessKeyId"],
            "aws_secret_access_key": administrator["SecretAccessKey"],
            **self.credentials,
            **changes,
        }
        client = _session().client(service, **settings)
        self._opened.append(client)
        return client

    def close_clients(self) -> None:
        """Close the connections of every client."""
        for client in self._opened:
            client.close()

    @asynccontextmanager
    async def member(self, name: str) -> AsyncIterator["RunningCloud"]:
        """Make one more account, and give its administrator: its role, assumed from this one."""
        organizations = functools.partial(self.call, "organizations")
        made = await organizations("create_account", AccountName=name, Email=f"{name}@example.org")
        account = made["CreateAccountStatus"]["AccountId"]
        session = await self.call(
            "sts",
            "assume_role",
            RoleArn=f"arn:aws:iam::{account}:role/OrganizationAccountAccessRole",
            RoleSessionName="administrator",
        )
        entered = RunningCloud(
            self.app, self.data_dir, account, in_boto3_words(session["Credentials"])
        )
        try:
            yield entered
        finally:
            entered.close_clients()

    async def call(self, service: str, operation: str, **members: Any) -> dict[str, Any]:
        """Call an operation as the administrator, by boto3's name of it."""
        client = self._clients.get(service) or await asyncio.to_thread(self.client, service)
        self._clients[service] = client
        answer: dict[str, Any] = await asyncio.to_thread(getattr(client, operation), **members)
        answer.pop("ResponseMetadata", None)
        return answer

    async def iot(self, operation: str, **members: Any) -> dict[str, Any]:
        """Call the registry."""
        return await self.call("iot", operation, **members)

    async def greengrass(self, operation: str, **members: Any) -> dict[str, Any]:
        """Call greengrass."""
        return await self.call("greengrass", operation, **members)

    async def enrol(self, name: str, policy: str) -> "EnrolledThing":
        """Make a thing with a certificate over an EC key and a policy of its own."""
        key = new_key()
        certificate = await self.iot(
            "create_certificate_from_csr",
            certificateSigningRequest=signing_request(key),
            setAsActive=True,
        )
        return await self._thing(name, policy, Identity(key, certificate["certificatePem"]))

    async def enrol_foreign(self, name: str, policy: str) -> "EnrolledThing":
        """Make a thing whose certificate somebody else's authority has signed."""
        identity = new_identity(new_authority("the old cloud"))
        await self.iot(
            "register_certificate_without_ca",
            certificatePem=identity.certificate_pem,
            status="ACTIVE",
        )
        return await self._thing(name, policy, identity)

    async def _thing(self, name: str, policy: str, identity: Identity) -> "EnrolledThing":
        """Make a thing for a registered certificate, and attach it to a policy of its own."""
        thing = await self.iot("create_thing", thingName=name)
        certificate_arn = f"{_IOT.format(self.account)}:cert/{identity.certificate_id}"
        await self.iot("create_policy", policyName=f"{name}-policy", policyDocument=policy)
        await self.iot("attach_policy", policyName=f"{name}-policy", target=certificate_arn)
        await self.iot("attach_thing_principal", thingName=name, principal=certificate_arn)
        return EnrolledThing(
            name=name,
            arn=thing["thingArn"],
            certificate_arn=certificate_arn,
            identity=identity,
        )

    async def enrol_device(self, name: str) -> "EnrolledThing":
        """Make a client device with the documented minimal policy."""
        text = minimal_device_policy(region=REGION, account=self.account, thing_name=name)
        return await self.enrol(name, text)

    async def edit_policy(self, name: str, policy: str) -> None:
        """Put another policy in force for a thing made by `enrol`."""
        await self.iot(
            "create_policy_version",
            policyName=f"{name}-policy",
            policyDocument=policy,
            setAsDefault=True,
        )

    async def role(self, name: str, trust: Mapping[str, Any]) -> str:
        """Return the ARN of a role; one that does not exist yet is made, and allows nothing."""
        try:
            made = await self.call(
                "iam", "create_role", RoleName=name, AssumeRolePolicyDocument=json.dumps(trust)
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "EntityAlreadyExists":
                raise
            made = await self.call("iam", "get_role", RoleName=name)
        return str(made["Role"]["Arn"])

    async def service_role(self) -> None:
        """Associate a service role with the account, as the guide makes it."""
        trust = trust_policy(
            account=self.account, source=f"arn:aws:greengrass:{REGION}:{self.account}:*"
        )
        role = await self.role(SERVICE_ROLE, trust)
        await self.call(
            "iam", "attach_role_policy", RoleName=SERVICE_ROLE, PolicyArn=SERVICE_ROLE_POLICY
        )
        await self.greengrass("associate_service_role_to_account", RoleArn=role)

    async def group(
        self, core: str, *devices: "EnrolledThing", rows: tuple[Mapping[str, str], ...] = ()
    ) -> "CloudGroup":
        """Make a group with a new core under the documented minimal policy, and one version."""
        await self.service_role()
        group = await self.greengrass("create_group", Name=f"group-of-{core}")
        policy = minimal_core_policy(
            region=REGION, account=self.account, core_thing_name=core, group_id=group["Id"]
        )
        thing = await self.enrol(core, policy)
        made = CloudGroup(cloud=self, group_id=group["Id"], core=thing)
        await made.new_version(*devices, rows=rows)
        return made

    def https(self, who: Identity, port: int | None = None) -> "DeviceHttps":
        """Return an HTTPS client with a client certificate."""
        context = client_context(self.roots_pem, who.key, who.certificate_pem)
        return DeviceHttps(port or self.endpoints.device_https_port, context)


def in_boto3_words(credentials: Mapping[str, Any]) -> dict[str, str]:
    """Return an STS answer's credentials as arguments of a boto3 client."""
    return {
        "aws_access_key_id": credentials["AccessKeyId"],
        "aws_secret_access_key": credentials["SecretAccessKey"],
        "aws_session_token": credentials["SessionToken"],
    }


@dataclass(frozen=True)
class EnrolledThing:
    """A thing as the administrator made it, with the identity that went to the device."""

    name: str
    arn: str
    certificate_arn: str
    identity: Identity
    sync_shadow: bool = False

    def member(self) -> dict[str, Any]:
        """Return it as definitions hold it."""
        return {
            "Id": self.name,
            "ThingArn": self.arn,
            "CertificateArn": self.certificate_arn,
            "SyncShadow": self.sync_shadow,
        }


@dataclass
class CloudGroup:
    """A group of one core, and its newest version."""

    cloud: RunningCloud
    group_id: str
    core: EnrolledThing
    version_id: str = ""
    deployment_id: str = ""

    async def new_version(
        self, *devices: EnrolledThing, rows: tuple[Mapping[str, str], ...] = ()
    ) -> None:
        """Make a version with these devices and subscription rows."""
        call = self.cloud.greengrass
        cores = await call("create_core_definition", InitialVersion={"Cores": [self.core.member()]})
        members = await call(
            "create_device_definition",
            InitialVersion={"Devices": [device.member() for device in devices]},
        )
        table = await call(
            "create_subscription_definition", InitialVersion={"Subscriptions": list(rows)}
        )
        version = await call(
            "create_group_version",
            GroupId=self.group_id,
            CoreDefinitionVersionArn=cores["LatestVersionArn"],
            DeviceDefinitionVersionArn=members["LatestVersionArn"],
            SubscriptionDefinitionVersionArn=table["LatestVersionArn"],
        )
        self.version_id = version["Version"]

    async def deploy(self, *, succeed: bool = True) -> str:
        """Deploy the newest version; with `succeed` the core reports success."""
        answer = await self.cloud.greengrass(
            "create_deployment",
            GroupId=self.group_id,
            DeploymentType="NewDeployment",
            GroupVersionId=self.version_id,
        )
        self.deployment_id = answer["DeploymentId"]
        await self.wait_for("InProgress")
        if succeed:
            await self.report("Success")
        return self.deployment_id

    async def report(self, status: str) -> None:
        """Report on the newest deployment, as the core does."""
        async with self.cloud.https(self.core.identity) as core:
            answer = await core.put(
                deployment_status(self), json.dumps({"Status": status}).encode()
            )
            assert answer.status == 200, answer.body

    async def status(self) -> dict[str, Any]:
        """Return where the newest deployment stands."""
        return await self.cloud.greengrass(
            "get_deployment_status", GroupId=self.group_id, DeploymentId=self.deployment_id
        )

    async def wait_for(self, state: str) -> dict[str, Any]:
        """Return once the newest deployment is in this state."""
        async with asyncio.timeout(10):
            while True:
                status = await self.status()
                if status["DeploymentStatus"] == state:
                    return status


def deployment_status(group: CloudGroup) -> str:
    """Return the path of a core's report."""
    return deployment_status_path(group.group_id, group.deployment_id, group.core.arn)


@dataclass(frozen=True)
class Answer:
    """An HTTP answer, read to its end."""

    status: int
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def message(self) -> str:
        """The sentence of a refusal."""
        return str(self.json["message"])


class DeviceHttps:
    """A device's HTTPS connection to the data plane; paths go on the wire as they are given."""

    def __init__(self, port: int, context: ssl.SSLContext) -> None:
        self._base = f"https://localhost:{port}"
        self._context = context
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(ssl=self._context, limit=1)
        self._session = aiohttp.ClientSession(connector=connector)
        return self

    async def __aexit__(self, *_error: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def get(self, path: str) -> Answer:
        """GET a path."""
        return await self.request("GET", path)

    async def put(self, path: str, body: bytes) -> Answer:
        """PUT a body."""
        return await self.request("PUT", path, body)

    async def post(self, path: str, body: bytes) -> Answer:
        """POST a body."""
        return await self.request("POST", path, body)

    async def request(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send any request."""
        assert self._session is not None
        url = URL(self._base + path, encoded=True)
        async with self._session.request(method, url, data=body, headers=headers) as response:
            return Answer(response.status, await response.read())


def signing_request(key: FileKey, *names: x509.GeneralName) -> str:
    """Return a PKCS#10 request in PEM."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    csr = builder.sign(key.signing_key(), hashes.SHA256())
    return csr.public_bytes(serialization.Encoding.PEM).decode()


@asynccontextmanager
async def running_cloud(
    folder: Path, *, clock: Clock | None = None, combined: bool = True, **options: Any
) -> AsyncIterator[RunningCloud]:
    """Serve a cloud from a fresh copy of `born_cloud` inside a folder, or the one that is there.

    `options` are further ones of `CloudApp.open`.
    """
    data_dir = folder / "cloud"
    if not data_dir.exists():
        await asyncio.to_thread(shutil.copytree, born_cloud(), data_dir)
    wanted = {
        "host": "127.0.0.1",
        "api_port": 0,
        "device_https_port": 0,
        "device_mqtt_port": 0,
        "combined_port": 0 if combined else None,
        "clock": clock,
        **options,
    }
    app = await CloudApp.open(data_dir, **wanted)
    await app.start()
    running = RunningCloud(app, data_dir)
    try:
        yield running
    finally:
        running.close_clients()
        await app.stop()
