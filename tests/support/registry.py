"""A registry in a real store, with real authorities and certificates, for tests of the cloud."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any

from tests.support.pki import Identity, new_authority, new_identity, new_server

from hedgerow.cloud.home import Home
from hedgerow.cloud.iot import (
    DeviceDirectory,
    attachments,
    certificates,
    policies,
    thing_groups,
    things,
)
from hedgerow.cloud.iot.arns import certificate_arn, thing_group_arn
from hedgerow.kernel import Clock, SystemClock
from hedgerow.pki import CertificateAuthority, load_certificate
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


class Device(Identity):
    """A key and a certificate over it, as a device holds them, with its names in AWS's words."""

    @property
    def pem(self) -> str:
        """The certificate."""
        return self.certificate_pem

    @property
    def id(self) -> str:
        """The certificate's id."""
        return self.certificate_id

    @property
    def arn(self) -> str:
        """The certificate's ARN."""
        return certificate_arn(HOME, self.id)


@cache
def our_authority() -> CertificateAuthority:
    """Return the cloud's device authority; the same for the whole test run."""
    return new_authority("Hedgerow devices")


@cache
def foreign_authority() -> CertificateAuthority:
    """Return somebody else's authority, as stranded fleets have one."""
    return new_authority("Another company")


@cache
def server_identity() -> Identity:
    """Return what a server on this machine proves itself with; the device authority signed it."""
    return new_server(our_authority())


def issued(authority: CertificateAuthority | None = None) -> Device:
    """Return a device whose certificate the authority (ours, if none is given) has signed."""
    return as_device(new_identity(authority or our_authority()))


def as_device(identity: Identity) -> Device:
    """Return any identity as that of a device."""
    return Device(identity.key, identity.certificate_pem)


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

    async def status(self, device: Device, status: str) -> None:
        """Change a certificate's status."""
        async with self.store.transaction() as tx:
            await certificates.update_status(tx, HOME, device.id, status)

    async def thing(self, name: str, attributes: Mapping[str, str] | None = None) -> None:
        """Register a thing."""
        request = {"thingName": name, "attributePayload": {"attributes": dict(attributes or {})}}
        async with self.store.transaction() as tx:
            await things.create(tx, HOME, request)

    async def attach_thing(self, name: str, device: Device) -> None:
        """Attach a certificate to a thing."""
        async with self.store.transaction() as tx:
            await attachments.attach_thing(tx, HOME, {"thingName": name, "principal": device.arn})

    async def detach_thing(self, name: str, device: Device) -> None:
        """Detach a certificate from a thing."""
        async with self.store.transaction() as tx:
            await attachments.detach_thing(tx, HOME, {"thingName": name, "principal": device.arn})

    async def policy(self, name: str, text: str = POLICY) -> None:
        """Make a policy."""
        async with self.store.transaction() as tx:
            request = {"policyName": name, "policyDocument": text}
            await policies.create(tx, HOME, self.clock, request)

    async def edit_policy(self, name: str, text: str) -> None:
        """Put a new version of a policy in force."""
        async with self.store.transaction() as tx:
            request = {"policyName": name, "policyDocument": text, "setAsDefault": True}
            await policies.create_version(tx, HOME, self.clock, request)

    async def attach_policy(self, name: str, device: Device) -> None:
        """Attach a policy to a certificate."""
        async with self.store.transaction() as tx:
            await attachments.attach_policy(tx, HOME, name, device.arn)

    async def attach_policy_to_group(self, name: str, group: str) -> None:
        """Attach a policy to a thing group."""
        async with self.store.transaction() as tx:
            await attachments.attach_policy(tx, HOME, name, thing_group_arn(HOME, group))

    async def add_to_group(self, group: str, name: str) -> None:
        """Put a thing into a thing group."""
        async with self.store.transaction() as tx:
            await thing_groups.add(tx, HOME, group, name)

    async def remove_from_group(self, group: str, name: str) -> None:
        """Take a thing out of a thing group."""
        async with self.store.transaction() as tx:
            await thing_groups.remove(tx, HOME, group, name)

    async def detach_policy(self, name: str, device: Device) -> None:
        """Detach a policy from a certificate."""
        async with self.store.transaction() as tx:
            await attachments.detach_policy(tx, HOME, name, device.arn)

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
