"""A registry in a real store, with real authorities and certificates, for tests of the cloud."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from hedgerow.cloud.home import Home
from hedgerow.cloud.iot import DeviceDirectory, attachments, certificates, policies, things
from hedgerow.cloud.iot.arns import certificate_arn
from hedgerow.kernel import Clock, Secret, SystemClock
from hedgerow.pki import (
    CertificateAuthority,
    FileKey,
    certificate_id,
    device_authority,
    device_certificate,
    load_certificate,
    server_certificate,
)
from hedgerow.store import MasterKey, Store

HOME = Home(account="123456789012", region="eu-west-1")
POLICY = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "iot:*", "Resource": "*"}],
    }
)


def policy(*statements: Mapping[str, Any]) -> str:
    """Return the text of a policy with these statements."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(action: str | Sequence[str], *resources: str) -> dict[str, Any]:
    """Return a statement; resources are what follows `arn:aws:iot:<region>:<account>:`."""
    prefix = f"arn:aws:iot:{HOME.region}:{HOME.account}:"
    return {
        "Effect": "Allow",
        "Action": action,
        "Resource": [prefix + resource for resource in resources],
    }


def deny(action: str | Sequence[str], *resources: str) -> dict[str, Any]:
    """Return a deny statement, else like `allow`."""
    return {**allow(action, *resources), "Effect": "Deny"}


@dataclass(frozen=True)
class Device:
    """A key and a certificate over it, as a device holds them."""

    key: FileKey
    pem: str

    @property
    def id(self) -> str:
        """The certificate's id."""
        return certificate_id(self.pem)

    @property
    def arn(self) -> str:
        """The certificate's ARN."""
        return certificate_arn(HOME, self.id)

    def write(self, folder: Path) -> tuple[str, str]:
        """Write certificate and key to files and return the paths of both."""
        certificate, key = folder / f"{self.id[:8]}.pem", folder / f"{self.id[:8]}.key"
        certificate.write_text(self.pem)
        key.write_bytes(self.key.pem().reveal())
        return str(certificate), str(key)


def new_key() -> FileKey:
    """Return an EC key that is in memory only."""
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return FileKey.from_pem(Secret(pem))


@cache
def our_authority() -> CertificateAuthority:
    """Return the cloud's device authority; the same for the whole test run."""
    return CertificateAuthority.create_root(
        new_key(), "", SystemClock(), profile=device_authority("Hedgerow devices")
    )


@cache
def foreign_authority() -> CertificateAuthority:
    """Return somebody else's authority, as stranded fleets have one."""
    return CertificateAuthority.create_root(
        new_key(), "", SystemClock(), profile=device_authority("Another company")
    )


@cache
def server_identity() -> Device:
    """Return what a server on this machine proves itself with; the device authority signed it."""
    key = new_key()
    profile = server_certificate(["localhost", "127.0.0.1"])
    return Device(key, our_authority().issue(profile, key.public_key))


def issued(authority: CertificateAuthority | None = None) -> Device:
    """Return a device whose certificate the authority (ours, if none is given) has signed."""
    key = new_key()
    return Device(key, (authority or our_authority()).issue(device_certificate(), key.public_key))


def self_signed(*, days: int = 30) -> Device:
    """Return a device that vouches for itself; with negative days its certificate has expired."""
    key = new_key()
    now = datetime.now(UTC)  # noqa: TID251 - TLS libraries look at the real clock
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "self")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=60))
        .not_valid_after(now + timedelta(days=days))
        .sign(key.signing_key(), hashes.SHA256())
    )
    return Device(key, certificate.public_bytes(serialization.Encoding.PEM).decode())


class Registrar:
    """Does what an administrator does, straight on the store, and waits for the directory."""

    def __init__(self, store: Store, directory: DeviceDirectory, clock: Clock) -> None:
        self.store = store
        self.directory = directory
        self.clock = clock

    async def certificate(self, device: Device, status: str = "ACTIVE") -> None:
        """Register a certificate; one that our authority did not sign is its own anchor."""
        parsed = load_certificate(device.pem)
        ours = parsed.issuer == our_authority().certificate.subject
        document = certificates.registered(
            parsed, certificates.assignable_status(status), issued_here=ours
        )
        async with self.store.transaction() as tx:
            await certificates.register(tx, HOME, device.id, document)
        await self.directory.settled()

    async def status(self, device: Device, status: str) -> None:
        """Change a certificate's status."""
        async with self.store.transaction() as tx:
            await certificates.update_status(tx, HOME, device.id, status)
        await self.directory.settled()

    async def thing(self, name: str, attributes: Mapping[str, str] | None = None) -> None:
        """Register a thing."""
        request = {"thingName": name, "attributePayload": {"attributes": dict(attributes or {})}}
        async with self.store.transaction() as tx:
            await things.create(tx, HOME, request)
        await self.directory.settled()

    async def attach_thing(self, name: str, device: Device) -> None:
        """Attach a certificate to a thing."""
        async with self.store.transaction() as tx:
            await attachments.attach_thing(tx, HOME, {"thingName": name, "principal": device.arn})
        await self.directory.settled()

    async def detach_thing(self, name: str, device: Device) -> None:
        """Detach a certificate from a thing."""
        async with self.store.transaction() as tx:
            await attachments.detach_thing(tx, HOME, {"thingName": name, "principal": device.arn})
        await self.directory.settled()

    async def policy(self, name: str, text: str = POLICY) -> None:
        """Make a policy."""
        async with self.store.transaction() as tx:
            request = {"policyName": name, "policyDocument": text}
            await policies.create(tx, HOME, self.clock, request)
        await self.directory.settled()

    async def edit_policy(self, name: str, text: str) -> None:
        """Put a new version of a policy in force."""
        async with self.store.transaction() as tx:
            request = {"policyName": name, "policyDocument": text, "setAsDefault": True}
            await policies.create_version(tx, HOME, self.clock, request)
        await self.directory.settled()

    async def attach_policy(self, name: str, device: Device) -> None:
        """Attach a policy to a certificate."""
        async with self.store.transaction() as tx:
            await attachments.attach_policy(tx, HOME, name, device.arn)
        await self.directory.settled()

    async def detach_policy(self, name: str, device: Device) -> None:
        """Detach a policy from a certificate."""
        async with self.store.transaction() as tx:
            await attachments.detach_policy(tx, HOME, name, device.arn)
        await self.directory.settled()

    async def enrol(self, name: str, device: Device, text: str = POLICY) -> None:
        """Do everything that a device of this name needs: thing, certificate, policy."""
        await self.thing(name)
        await self.certificate(device)
        await self.attach_thing(name, device)
        await self.policy(f"{name}-policy", text)
        await self.attach_policy(f"{name}-policy", device)


@asynccontextmanager
async def registry(folder: Path) -> AsyncIterator[Registrar]:
    """Open an empty registry in a folder, with a directory that follows it."""
    clock = SystemClock()
    master_key = MasterKey.create_file(folder / "keys" / "master.key")
    store = await Store.open(folder / "cloud.db", master_key, clock)
    directory = DeviceDirectory(store, HOME, device_authorities=[our_authority().certificate_pem])
    await directory.start()
    try:
        yield Registrar(store, directory, clock)
    finally:
        await directory.stop()
        await store.close()
