from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from tests.support.registry import Device, foreign_authority, issued

from hedgerow.cloud.app.certificate_owners import CertificateOwners
from hedgerow.cloud.home import Home
from hedgerow.cloud.iot import certificates
from hedgerow.cloud.iot.documents import CERTIFICATE
from hedgerow.kernel import SystemClock
from hedgerow.pki import load_certificate
from hedgerow.store import MasterKey, Store

FIRST, SECOND = "111111111111", "222222222222"


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    key = MasterKey.create_file(tmp_path / "master.key")
    opened = await Store.open(tmp_path / "state.db", key, SystemClock())
    yield opened
    await opened.close()


@asynccontextmanager
async def owners(store: Store) -> AsyncIterator[CertificateOwners]:
    made = CertificateOwners(store)
    await made.start()
    try:
        yield made
    finally:
        made.stop()


async def register(store: Store, account: str, device: Device) -> None:
    document = certificates.registered(
        load_certificate(device.pem), certificates.assignable_status("ACTIVE"), issued_here=False
    )
    async with store.transaction() as tx:
        await certificates.register(tx, Home(account, "eu-west-1"), device.id, document)


async def delete(store: Store, account: str, device: Device) -> None:
    async with store.transaction() as tx:
        record = await tx.get(CERTIFICATE, account, device.id)
        assert record is not None
        await tx.delete(record)


async def test_a_certificate_belongs_to_the_account_that_registered_it(store: Store) -> None:
    one, two = issued(foreign_authority()), issued(foreign_authority())
    await register(store, FIRST, one)
    async with owners(store) as made:
        await register(store, SECOND, two)
        assert made.accounts_of(one.id) == (FIRST,)
        assert made.accounts_of(two.id) == (SECOND,)
        assert made.accounts_of("0" * 64) == ()
        await delete(store, FIRST, one)
        assert made.accounts_of(one.id) == ()


async def test_of_several_registrations_the_first_comes_first_before_and_after_a_restart(
    store: Store,
) -> None:
    device = issued(foreign_authority())
    await register(store, FIRST, device)
    async with owners(store) as made:
        with capture_logs() as logs:
            await register(store, SECOND, device)
        assert made.accounts_of(device.id) == (FIRST, SECOND)
    (warning,) = logs
    assert (warning["account"], warning["first"]) == (SECOND, FIRST)
    async with owners(store) as again:
        assert again.accounts_of(device.id) == (FIRST, SECOND)
        await delete(store, FIRST, device)
        assert again.accounts_of(device.id) == (SECOND,)
