"""A cloud's keys and the documents it signs, made in memory: for tests of the core.

Keys are made once a process. EC is used wherever the contract leaves it open, since RSA keys are
slow to make; a group's authority is RSA, as the guide promises of every server certificate.
"""

import functools
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from hedgerow.contract import (
    ARTIFACT_GROUP,
    ArtifactReference,
    CoreMember,
    DeploymentManifest,
    DeviceCertificate,
    DeviceMember,
    FunctionMember,
    GroupDeployment,
    Membership,
    SubscriptionRow,
    encode,
    sign,
)
from hedgerow.kernel import Clock, SystemClock
from hedgerow.pki import (
    CertificateAuthority,
    FileKey,
    certificate_id,
    device_authority,
    device_certificate,
    group_authority,
    signing_certificate,
)

ACCOUNT = "123456789012"
REGION = "us-east-1"


def thing_arn(name: str) -> str:
    return f"arn:aws:iot:{REGION}:{ACCOUNT}:thing/{name}"


def ec_key() -> FileKey:
    return FileKey(ec.generate_private_key(ec.SECP256R1()))


@dataclass(frozen=True)
class Device:
    """A client device: its thing's name, key and certificate."""

    name: str
    key: FileKey
    certificate_pem: str

    @property
    def arn(self) -> str:
        return thing_arn(self.name)

    @property
    def certificate_id(self) -> str:
        return certificate_id(self.certificate_pem)

    @property
    def entry(self) -> DeviceCertificate:
        return DeviceCertificate(
            certificate_id=self.certificate_id, pem=self.certificate_pem, thing_name=self.name
        )


class CloudKeys:
    """The authorities of a cloud, and its signing key."""

    def __init__(self, name: str, clock: Clock) -> None:
        self.root = CertificateAuthority.create_root(ec_key(), f"{name} root", clock)
        self.device_ca = CertificateAuthority.create_root(
            ec_key(), f"{name} devices", clock, profile=device_authority(f"{name} devices")
        )
        group_key = FileKey(rsa.generate_private_key(public_exponent=65537, key_size=2048))
        self.group_ca = CertificateAuthority.create_root(
            group_key, f"{name} group", clock, profile=group_authority(f"{name} group")
        )
        self.signing_key = ec_key()
        self.signing_pem = self.root.issue(signing_certificate(), self.signing_key.public_key)

    def device(self, name: str) -> Device:
        key = ec_key()
        return Device(name, key, self.device_ca.issue(device_certificate(), key.public_key))

    def sign(self, payload: bytes) -> bytes:
        return sign(payload, self.signing_key.sign, self.signing_pem)


@functools.cache
def cloud_keys(name: str = "cloud") -> CloudKeys:
    """Return the keys of a cloud by name; made once a process, valid from now on."""
    return CloudKeys(name, SystemClock())


@dataclass
class GroupDouble:
    """A group in the cloud: change it, then ask for its documents."""

    core: str = "core-1"
    group_id: str = "11111111-aaaa-4000-8000-000000000001"
    deployment_id: str = "22222222-bbbb-4000-8000-000000000001"
    devices: list[Device] = field(default_factory=list)
    rows: list[tuple[str, str, str]] = field(default_factory=list)
    functions: Sequence[FunctionMember] = ()
    serial: int = 1
    revoked: set[str] = field(default_factory=set)
    departed: set[str] = field(default_factory=set)
    """Names that are no longer devices of the group, though their certificates are listed."""
    deployment_type: str = "NewDeployment"
    created_at: datetime = field(default_factory=lambda: datetime.now(UTC))  # noqa: TID251
    keys: CloudKeys = field(default_factory=cloud_keys)
    validity: timedelta = timedelta(days=7)

    def new_deployment(self, deployment_id: str, deployment_type: str = "NewDeployment") -> None:
        """Begin another deployment of the group as it is now."""
        self.deployment_id = deployment_id
        self.deployment_type = deployment_type
        self.created_at += timedelta(seconds=1)

    def group(self) -> GroupDeployment:
        return GroupDeployment(
            deployment_id=self.deployment_id,
            group_id=self.group_id,
            group_version_id="33333333-cccc-4000-8000-000000000001",
            account=ACCOUNT,
            region=REGION,
            core=CoreMember(
                id="core", thing_arn=thing_arn(self.core), thing_name=self.core, certificate_id=""
            ),
            devices=tuple(
                DeviceMember(id=device.name, thing_arn=device.arn, thing_name=device.name)
                for device in {device.name: device for device in self.devices}.values()
                if device.name not in self.departed
            ),
            subscriptions=tuple(
                SubscriptionRow(id=f"row-{n}", source=source, subject=subject, target=target)
                for n, (source, subject, target) in enumerate(self.rows)
            ),
            functions=tuple(self.functions),
            group_certificate_authorities=(self.keys.group_ca.certificate_pem,),
            server_certificate_validity_in_milliseconds=int(
                self.validity / timedelta(milliseconds=1)
            ),
        )

    def group_json(self) -> bytes:
        return encode(self.group())

    def manifest(self) -> DeploymentManifest:
        data = self.group_json()
        return DeploymentManifest(
            deployment_id=self.deployment_id,
            deployment_type=self.deployment_type,  # type: ignore[arg-type]  # tests name real ones
            group_id=self.group_id,
            group_version_id="33333333-cccc-4000-8000-000000000001",
            core_thing_arn=thing_arn(self.core),
            created_at=self.created_at,
            artifacts=(
                ArtifactReference(
                    name=ARTIFACT_GROUP, size=len(data), sha256=hashlib.sha256(data).hexdigest()
                ),
            ),
        )

    def signed_manifest(self) -> bytes:
        return self.keys.sign(encode(self.manifest()))

    def membership(self) -> Membership:
        return Membership(
            group_id=self.group_id,
            deployment_id=self.deployment_id,
            serial=self.serial,
            certificates=tuple(
                device.entry for device in self.devices if device.certificate_id not in self.revoked
            ),
        )

    def signed_membership(self) -> bytes:
        return self.keys.sign(encode(self.membership()))

    def revoke(self, device: Device) -> None:
        self.revoked.add(device.certificate_id)
        self.serial += 1
