"""What somebody can do who has stolen the key of a core's own authority: nothing but be that core.

The attacker signs whatever it likes with the key; the judges are clients that have only the
certificate of the group's authority: OpenSSL (in this process and as a program) and mosquitto.
"""

import asyncio
import contextlib
import functools
import shutil
import ssl
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import structlog
from tests.support.cloud_documents import Device, GroupDouble, ec_key
from tests.support.core import until
from tests.support.local_server import verified
from tests.support.own_authority import HOSTS, delegating_group_authority
from tests.support.pki import Identity, ShiftedClock

from hedgerow.core.certificates import ServerCertificate
from hedgerow.core.server import LocalServer, Serving
from hedgerow.kernel import CallerError, SystemClock
from hedgerow.pki import (
    CertificateAuthority,
    FileKey,
    Profile,
    client_context,
    device_certificate,
    group_authority,
    server_certificate,
)
from hedgerow.pki.profiles import delegated_authority

LIFE = timedelta(days=7)
_OPENSSL = shutil.which("openssl") or ""
needs_openssl = pytest.mark.skipif(not _OPENSSL, reason="openssl is not installed")


@functools.cache
def group_ca() -> CertificateAuthority:
    return delegating_group_authority(SystemClock())


@functools.cache
def stolen() -> CertificateAuthority:
    """Return the authority of a core, with its key: what an attacker has."""
    profile = delegated_authority("core", HOSTS, timedelta(days=90))
    return group_ca().issue_authority(profile, FileKey.generate_rsa_in_memory())


def server_of(*names: str, common_name: str = "MQTT server of a core") -> Profile:
    return replace(server_certificate(names, LIFE), common_name=common_name)


class Door:
    """A core's local server that proves itself with what the test says."""

    def __init__(self) -> None:
        self.double = GroupDouble()
        self.double.devices = [self.double.keys.device(name) for name in ("A", "B")]
        a, b = self.double.devices
        self.double.rows = [(a.arn, "t/ab", b.arn)]
        self.server = LocalServer(
            lambda _message: None,
            lambda _message: None,
            clock=SystemClock(),
            log=structlog.get_logger(),
        )
        self.server.serve(Serving.of(*verified(self.double)))

    def prove_with(
        self, issuer: CertificateAuthority, profile: Profile, *between: CertificateAuthority
    ) -> None:
        """Serve a certificate of this issuer, with the authorities up to the group's."""
        key = ec_key()
        chain = issuer.issue(profile, key.public_key) + issuer.certificate_pem
        chain += "".join(authority.certificate_pem for authority in between)
        self.server.serve_certificate(
            ServerCertificate.of(key, chain, self.double.group_id, tuple(profile.names))
        )

    async def handshake(self, name: str, device: Device | None = None) -> None:
        """Finish a handshake as a device that looks for this name; raises `ssl.SSLError`."""
        who = device or self.double.devices[0]
        context = client_context(group_ca().certificate_pem, who.key, who.certificate_pem)
        _, writer = await asyncio.open_connection(
            "127.0.0.1", self.server.port, ssl=context, server_hostname=name
        )
        writer.transport.abort()


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    made = Door()
    await made.server.start(0)
    yield made
    await made.server.stop()


@pytest.mark.promise(5)
@pytest.mark.parametrize("name", ["127.0.0.1", "core.example", "localhost"])
async def test_the_core_itself_is_accepted_by_who_knows_only_the_groups_authority(
    door: Door, name: str
) -> None:
    door.prove_with(stolen(), server_of(*HOSTS, "localhost"))
    await door.handshake(name)


@pytest.mark.promise(5)
@pytest.mark.parametrize(
    "names",
    [
        ("other.example",),
        ("127.0.0.2",),
        ("::2",),
        ("core.example", "other.example"),
        ("core.example", "10.0.0.1"),
        ("*.other.example",),
        ("example",),
        ("notcore.example",),
        ("127.0.0.1.other.example",),
    ],
)
async def test_a_certificate_for_anybody_else_is_refused(
    door: Door, names: tuple[str, ...]
) -> None:
    door.prove_with(stolen(), server_of(*names))
    for name in names:
        with pytest.raises(ssl.SSLCertVerificationError, match="subtree violation"):
            await door.handshake(name.replace("*", "any"))


async def test_a_host_name_in_the_subject_does_not_get_around_the_limits(door: Door) -> None:
    """Old clients read the common name where there is no DNS name."""
    door.prove_with(stolen(), server_of("127.0.0.1", common_name="other.example"))
    with pytest.raises(ssl.SSLCertVerificationError, match="subtree violation"):
        await door.handshake("127.0.0.1")


@pytest.mark.promise(5)
async def test_an_authority_below_it_is_refused(door: Door) -> None:
    below = stolen().issue_authority(group_authority("more"), FileKey.generate_rsa_in_memory())
    door.prove_with(below, server_of(*HOSTS), stolen())
    with pytest.raises(ssl.SSLCertVerificationError, match="path length"):
        await door.handshake("core.example")


async def test_an_authority_cannot_be_made_below_one_that_was_not_made_for_it(door: Door) -> None:
    """A group's authority from before the setting has none below it, whoever signs."""
    double = GroupDouble()
    plain = double.keys.group_ca
    profile = delegated_authority("core", HOSTS, LIFE)
    below = plain.issue_authority(profile, FileKey.generate_rsa_in_memory())
    door.prove_with(below, server_of(*HOSTS))
    who = door.double.devices[0]
    context = client_context(plain.certificate_pem, who.key, who.certificate_pem)
    with pytest.raises(ssl.SSLCertVerificationError, match="path length"):
        await asyncio.open_connection(
            "127.0.0.1", door.server.port, ssl=context, server_hostname="core.example"
        )


@pytest.mark.promise(5)
async def test_after_the_fence_nothing_it_issued_is_accepted(door: Door) -> None:
    """The attacker dates its certificates as it likes; the authority's own end counts."""
    past = ShiftedClock(-timedelta(days=2))
    ca = CertificateAuthority(group_ca().certificate, group_ca().key, past)
    profile = delegated_authority("core", HOSTS, timedelta(days=1))
    ended = ca.issue_authority(profile, FileKey.generate_rsa_in_memory())
    # The same name and key, but no end in sight: what the attacker signs with at home.
    at_home = CertificateAuthority.create_root(
        ended.key, "core", SystemClock(), profile=group_authority("core")
    )
    key = ec_key()
    leaf = at_home.issue(server_of(*HOSTS), key.public_key)
    chain = leaf + ended.certificate_pem
    door.server.serve_certificate(ServerCertificate.of(key, chain, door.double.group_id, HOSTS))
    with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
        await door.handshake("core.example")


@pytest.mark.promise(2)
async def test_a_device_certificate_made_with_it_opens_no_core(door: Door) -> None:
    door.prove_with(stolen(), server_of(*HOSTS))
    key = ec_key()
    forged = Device("A", key, stolen().issue(device_certificate(), key.public_key))
    refusals = door.server.refusals.counters
    with contextlib.suppress(ssl.SSLError, ConnectionError):
        await door.handshake("core.example", forged)
    await until(lambda: any(kind.startswith("tls") for kind in refusals))
    assert door.server.broker.sessions == ()


@needs_openssl
@pytest.mark.parametrize("purpose", ["sslclient", "smimesign"])
async def test_it_makes_nothing_but_servers(tmp_path: Path, purpose: str) -> None:
    """A program that asks OpenSSL about another purpose than a server's gets a no."""
    key = ec_key()
    usage = device_certificate().usage + server_of("x").usage
    pem = stolen().issue(Profile("A", LIFE, usage, ("core.example",)), key.public_key)
    assert await _verified(tmp_path, pem, "-purpose", "sslserver") == 0
    assert await _verified(tmp_path, pem, "-purpose", purpose) != 0


async def _verified(folder: Path, pem: str, *arguments: str) -> int:
    files = {"group.pem": group_ca().certificate_pem, "own.pem": stolen().certificate_pem}
    for name, content in {**files, "leaf.pem": pem}.items():
        (folder / name).write_text(content)
    process = await asyncio.create_subprocess_exec(
        _OPENSSL, "verify", "-CAfile", str(folder / "group.pem"),
        "-untrusted", str(folder / "own.pem"), *arguments, str(folder / "leaf.pem"),
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    return await asyncio.wait_for(process.wait(), 20)


@pytest.mark.skipif(shutil.which("mosquitto_pub") is None, reason="no mosquitto-clients")
async def test_mosquitto_accepts_the_core_and_nobody_else(door: Door, tmp_path: Path) -> None:
    async def publish() -> int:
        a = door.double.devices[0]
        certificate, key = Identity(a.key, a.certificate_pem).write(tmp_path, "A")
        (tmp_path / "group.pem").write_text(group_ca().certificate_pem)
        process = await asyncio.create_subprocess_exec(
            "mosquitto_pub", "-h", "127.0.0.1", "-p", str(door.server.port), "-i", "A",
            "--cafile", str(tmp_path / "group.pem"), "--cert", str(certificate),
            "--key", str(key), "-t", "t/ab", "-m", "x", "-q", "1",
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        return await asyncio.wait_for(process.wait(), 20)

    door.prove_with(stolen(), server_of(*HOSTS))
    assert await publish() == 0
    door.prove_with(stolen(), server_of("127.0.0.1", "10.0.0.1"))
    assert await publish() != 0


@pytest.mark.parametrize(
    ("names", "words"), [(("*.example",), "wildcard"), (("not a host",), "neither")]
)
def test_an_authority_is_held_to_real_hosts(names: tuple[str, ...], words: str) -> None:
    with pytest.raises(CallerError, match=words):
        delegated_authority("core", names, LIFE)
