import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from shutil import copytree

import pytest
from cryptography import x509
from tests.support.cloud import born_cloud
from tests.support.pki import ShiftedClock
from tests.support.registry import registry

from hedgerow.cloud.app import Layout
from hedgerow.cloud.app.authorities import Authorities, load_authorities
from hedgerow.cloud.app.doors import Doors
from hedgerow.cloud.app.layout import read_settings
from hedgerow.cloud.iot import DeviceDirectory
from hedgerow.kernel import SystemClock
from hedgerow.pki import TlsListener, load_certificate, server_certificate

OLD = timedelta(days=21)
"""Of a certificate's 30 days, less than a third is left."""


class Echo(asyncio.Protocol):
    """Sends back what comes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


@pytest.fixture
async def directory(tmp_path: Path) -> AsyncIterator[DeviceDirectory]:
    async with registry(tmp_path / "registry") as registrar:
        yield registrar.directory


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    copytree(born_cloud(), tmp_path / "cloud")
    return Layout(tmp_path / "cloud")


@pytest.fixture
def aged_layout(layout: Layout) -> Layout:
    """Put a server certificate there that was issued three weeks ago."""
    authorities = load_authorities(layout, ShiftedClock(-OLD))
    profile = server_certificate(read_settings(layout).host_names)
    pem = authorities.root.issue(profile, authorities.server_key.public_key)
    layout.server_certificate.write_text(pem)
    return layout


@asynccontextmanager
async def doors(
    layout: Layout, directory: DeviceDirectory, *further_names: str
) -> AsyncIterator[Doors]:
    clock = SystemClock()
    authorities: Authorities = load_authorities(layout, clock)
    made = Doors(
        layout,
        read_settings(layout),
        directory,
        root=authorities.root,
        server_key=authorities.server_key,
        clock=clock,
        further_names=further_names,
    )
    try:
        yield made
    finally:
        await made.stop()


async def test_a_certificate_with_most_of_its_life_left_is_kept(
    layout: Layout, directory: DeviceDirectory
) -> None:
    before = layout.server_certificate.read_text()
    async with doors(layout, directory) as made:
        assert not await made.renew_if_due()
    assert layout.server_certificate.read_text() == before


async def test_in_the_last_third_of_its_life_it_is_renewed_over_the_same_key(
    aged_layout: Layout, directory: DeviceDirectory
) -> None:
    before = load_certificate(aged_layout.server_certificate.read_text())
    async with doors(aged_layout, directory) as made:
        slots = (made.api, made.https, made.mqtt, made.combined)
        contexts = [slot.current for slot in slots]
        assert await made.renew_if_due()
        assert not await made.renew_if_due()
        for slot, context in zip(slots, contexts, strict=True):
            assert slot.current is not context
    after = load_certificate(aged_layout.server_certificate.read_text())
    assert after.public_key() == before.public_key()
    assert after.not_valid_after_utc > before.not_valid_after_utc


async def test_a_door_on_another_address_gets_a_certificate_that_names_it(
    layout: Layout, directory: DeviceDirectory
) -> None:
    async with doors(layout, directory, "10.0.0.5", "localhost") as made:
        assert await made.renew_if_due()
        assert not await made.renew_if_due()
    certificate = load_certificate(layout.server_certificate.read_text())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert ip_address("10.0.0.5") in names.get_values_for_type(x509.IPAddress)
    assert "localhost" in names.get_values_for_type(x509.DNSName)
    async with doors(layout, directory) as made:
        assert not await made.renew_if_due(), "more names than needed are no reason"


@pytest.mark.promise(5)
async def test_a_renewal_disconnects_nobody_and_new_connections_get_the_new_certificate(
    aged_layout: Layout, directory: DeviceDirectory
) -> None:
    trusting = ssl.create_default_context(cafile=str(aged_layout.root_certificate))
    async with doors(aged_layout, directory) as made:
        listener = TlsListener(made.api, lambda _peer: Echo())
        await listener.start("127.0.0.1", 0)
        connections = []
        try:
            connections.append(await connect(listener.port, trusting))
            await made.renew_if_due()
            connections.append(await connect(listener.port, trusting))
            served = [der(writer) for _, writer in connections]
            assert served[0] != served[1]
            for reader, writer in connections:
                writer.write(b"still here")
                assert await reader.readexactly(10) == b"still here"
        finally:
            for _, writer in connections:
                writer.transport.abort()
            await listener.stop()


async def connect(
    port: int, context: ssl.SSLContext
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("localhost", port, ssl=context)


def der(writer: asyncio.StreamWriter) -> bytes:
    connection: ssl.SSLObject = writer.get_extra_info("ssl_object")
    certificate = connection.getpeercert(binary_form=True)
    assert certificate is not None
    return certificate
