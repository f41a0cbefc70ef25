"""Newcomers: registered one after the other, within bounds, and never let in."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from tests.support.pki import Identity, new_authority, new_identity, new_key
from tests.support.registry import HOME, Registrar, as_device, issued, registry

from hedgerow.aws import AwsError
from hedgerow.cloud.events import EVENT
from hedgerow.cloud.iot import Newcomers, Registration, ca_certificates, certificates, newcomers
from hedgerow.cloud.iot.documents import CERTIFICATE
from hedgerow.kernel import UnavailableError
from hedgerow.pki import CertificateAuthority, Profile, TlsPeer


@pytest.fixture
async def registrar(tmp_path: Path) -> AsyncIterator[Registrar]:
    async with registry(tmp_path) as made:
        yield made


class Desk:
    """Newcomers of the registry, what they recorded, and who was closed."""

    def __init__(self, registrar: Registrar) -> None:
        self.registrar = registrar
        self.recorded: list[Registration] = []
        self.closed: asyncio.Queue[str] = asyncio.Queue()
        self.journal_is_full = False
        self.newcomers = Newcomers(
            registrar.store,
            HOME,
            registrar.clock,
            directory=registrar.directory,
            record=self._record,
        )

    def _record(self, registration: Registration) -> None:
        if self.journal_is_full:
            raise UnavailableError("the journal takes no more")
        self.recorded.append(registration)

    def arrives(self, identity: Identity) -> None:
        close = lambda: self.closed.put_nowait(identity.certificate_id)  # noqa: E731 - a callback
        self.newcomers.arrived(peer(identity), close)

    async def closed_next(self) -> str:
        async with asyncio.timeout(5):
            return await self.closed.get()

    async def status_of(self, identity: Identity) -> str | None:
        store = self.registrar.store
        record = await store.get(CERTIFICATE, HOME.account, identity.certificate_id)
        return None if record is None else record.document.status


@pytest.fixture
async def desk(registrar: Registrar) -> AsyncIterator[Desk]:
    made = Desk(registrar)
    await made.newcomers.start()
    yield made
    await made.newcomers.stop()


def peer(identity: Identity) -> TlsPeer:
    der = ssl.PEM_cert_to_DER_cert(identity.certificate_pem)
    return TlsPeer(der, identity.certificate_id, None, "192.0.2.1")


async def registering(registrar: Registrar, authority: CertificateAuthority) -> str:
    """Register an authority whose certificates register themselves."""
    async with registrar.store.transaction() as tx:
        code = await ca_certificates.registration_code(tx, HOME)
        proof = authority.issue(Profile(code, timedelta(days=1)), new_key().public_key)
        request = {
            "caCertificate": authority.certificate_pem,
            "verificationCertificate": proof,
            "setAsActive": True,
            "allowAutoRegistration": True,
        }
        return await ca_certificates.register(tx, HOME, request, registrar.clock.now())


async def test_only_newcomers_of_a_registering_authority_are_expected(desk: Desk) -> None:
    authority = new_authority("plant")
    lamp = new_identity(authority)
    assert not desk.newcomers.expects(peer(lamp))
    await registering(desk.registrar, authority)
    assert desk.newcomers.expects(peer(lamp))
    assert not desk.newcomers.expects(peer(new_identity(new_authority("plant"))))
    assert not desk.newcomers.expects(peer(issued()))
    assert not desk.newcomers.expects(TlsPeer(None, None, None, "192.0.2.1"))


async def test_a_connection_is_closed_once_its_certificate_is_registered(desk: Desk) -> None:
    authority = new_authority("plant")
    ca_id = await registering(desk.registrar, authority)
    lamp = new_identity(authority)
    desk.arrives(lamp)
    assert await desk.closed_next() == lamp.certificate_id
    assert await desk.status_of(lamp) == "PENDING_ACTIVATION"
    assert [one.certificate_id for one in desk.recorded] == [lamp.certificate_id]
    assert desk.recorded[0].ca_arn.endswith(f":cacert/{ca_id}")
    assert desk.newcomers.expects(peer(lamp))
    await desk.registrar.status(as_device(lamp), "ACTIVE")
    assert not desk.newcomers.expects(peer(lamp))


@pytest.mark.promise(8)
async def test_what_cannot_be_recorded_is_not_registered(desk: Desk) -> None:
    authority = new_authority("plant")
    await registering(desk.registrar, authority)
    lamp = new_identity(authority)
    desk.journal_is_full = True
    desk.arrives(lamp)
    await desk.closed_next()
    assert await desk.status_of(lamp) is None
    assert not await desk.registrar.store.all(EVENT, HOME.account)
    desk.journal_is_full = False
    desk.arrives(lamp)
    await desk.closed_next()
    assert await desk.status_of(lamp) == "PENDING_ACTIVATION"


async def test_an_authority_that_ceased_to_register_registers_nobody_who_waited(
    desk: Desk,
) -> None:
    authority = new_authority("plant")
    ca_id = await registering(desk.registrar, authority)
    lamp = new_identity(authority)
    desk.arrives(lamp)
    async with desk.registrar.store.transaction() as tx:
        request = {"certificateId": ca_id, "newAutoRegistrationStatus": "DISABLE"}
        await ca_certificates.update(tx, HOME, request)
    await desk.closed_next()
    assert await desk.status_of(lamp) is None
    assert not desk.recorded


async def test_so_many_wait_for_activation_and_no_more(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(newcomers, "PENDING_LIMIT", 2)
    authority = new_authority("plant")
    await registering(desk.registrar, authority)
    lamps = [new_identity(authority) for _ in range(3)]
    for lamp in lamps:
        desk.arrives(lamp)
        await desk.closed_next()
    statuses = [await desk.status_of(lamp) for lamp in lamps]
    assert statuses == ["PENDING_ACTIVATION", "PENDING_ACTIVATION", None]
    await desk.registrar.status(as_device(lamps[0]), "REVOKED")
    desk.arrives(lamps[2])
    await desk.closed_next()
    assert await desk.status_of(lamps[2]) == "PENDING_ACTIVATION"


async def test_more_connections_than_can_wait_are_closed_at_once(registrar: Registrar) -> None:
    """And those that still wait when the cloud stops are closed too."""
    desk = Desk(registrar)
    authority = new_authority("plant")
    await registering(registrar, authority)
    lamp = new_identity(authority)
    desk.arrives(lamp)
    assert desk.closed.get_nowait() == lamp.certificate_id, "nobody registers yet"
    await desk.newcomers.start()
    for _ in range(newcomers.WAITING_LIMIT + 5):
        desk.arrives(lamp)
    assert desk.closed.qsize() == 5
    await desk.newcomers.stop()
    assert desk.closed.qsize() == newcomers.WAITING_LIMIT + 5


def test_a_certificate_that_waits_gets_its_status_from_people_only() -> None:
    """It can become anything but what it is, and nothing else can become so."""
    for status in ("ACTIVE", "INACTIVE", "REVOKED"):
        assert status in certificates.TRANSITIONS["PENDING_ACTIVATION"]
        assert "PENDING_ACTIVATION" not in certificates.TRANSITIONS[status]


async def test_so_many_authorities_register_newcomers_and_no_more(
    registrar: Registrar, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ca_certificates, "MAX_REGISTERING", 1)
    first = await registering(registrar, new_authority("plant"))
    with pytest.raises(AwsError) as refused:
        await registering(registrar, new_authority("hall"))
    assert refused.value.code == "LimitExceededException"

    async def turn(ca_id: str, status: str) -> None:
        request = {"certificateId": ca_id, "newAutoRegistrationStatus": status}
        async with registrar.store.transaction() as tx:
            await ca_certificates.update(tx, HOME, request)

    await turn(first, "ENABLE")
    await turn(first, "DISABLE")
    await registering(registrar, new_authority("hall"))
    with pytest.raises(AwsError) as refused:
        await turn(first, "ENABLE")
    assert refused.value.code == "InvalidRequestException"
