"""The name that a client asks for chooses the server's certificate, and whom that server knows."""

import asyncio
import ssl
from collections.abc import AsyncIterator

import pytest
from tests.support import pki

from hedgerow.pki import TlsListener, TlsPeer, TlsSlot, certificate_id

pytestmark = [pytest.mark.promise(1), pytest.mark.promise(2), pytest.mark.both_loops]

AUTHORITY = pki.new_authority()
OWN, PLANT = (pki.new_identity(AUTHORITY) for _ in range(2))
SERVER = pki.new_server(pki.shared_authority())
PLANT_SERVER = pki.new_server(pki.shared_authority(), "plant.example")
ROOTS = pki.shared_authority().certificate_pem


class Greeter(asyncio.Protocol):
    """Says hello to whoever finished the handshake."""

    def __init__(self, peer: TlsPeer) -> None:
        self._peer = peer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.write(b"hello\n")  # type: ignore[attr-defined]  # uvloop's is no Transport


@pytest.fixture
async def listener() -> AsyncIterator[TlsListener]:
    slot = TlsSlot(pki.mutual_context(SERVER, OWN))
    slot.name("Plant.example", TlsSlot(pki.mutual_context(PLANT_SERVER, PLANT)))
    made = TlsListener(slot, Greeter)
    await made.start("127.0.0.1", 0)
    made.own = slot  # type: ignore[attr-defined]  # for the test that replaces its context
    yield made
    await made.stop()


async def shown(
    listener: TlsListener, device: pki.Identity, name: str | None, version: ssl.TLSVersion
) -> str:
    """Connect, be greeted, and return the id of the certificate that the server has shown."""
    context = device.client_context(ROOTS)
    context.check_hostname = False
    context.minimum_version = context.maximum_version = version
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", listener.port, ssl=context, server_hostname=name or ""
    )
    try:
        assert await asyncio.wait_for(reader.readline(), 5) == b"hello\n"
        return certificate_id(writer.get_extra_info("ssl_object").getpeercert(binary_form=True))
    finally:
        writer.close()


VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_known_name_gets_its_own_server(
    listener: TlsListener, version: ssl.TLSVersion
) -> None:
    assert await shown(listener, PLANT, "plant.example", version) == PLANT_SERVER.certificate_id
    assert await shown(listener, PLANT, "PLANT.example", version) == PLANT_SERVER.certificate_id


@pytest.mark.parametrize("name", ["elsewhere.example", "localhost", None, "x" * 60])
@pytest.mark.parametrize("version", VERSIONS)
async def test_a_wrong_name_or_none_changes_nothing(
    listener: TlsListener, name: str | None, version: ssl.TLSVersion
) -> None:
    assert await shown(listener, OWN, name, version) == SERVER.certificate_id


@pytest.mark.parametrize(
    ("device", "name"), [(OWN, "plant.example"), (PLANT, "localhost"), (PLANT, None)]
)
@pytest.mark.parametrize("version", VERSIONS)
async def test_a_device_gets_in_under_no_name_but_the_one_that_knows_it(
    listener: TlsListener, device: pki.Identity, name: str | None, version: ssl.TLSVersion
) -> None:
    with pytest.raises(ssl.SSLError, match="UNKNOWN_CA"):
        await shown(listener, device, name, version)


async def test_names_outlive_a_swap_of_the_context(listener: TlsListener) -> None:
    renewed = pki.new_server(pki.shared_authority())
    slot: TlsSlot = listener.own  # type: ignore[attr-defined]  # set by the fixture
    slot.replace(pki.mutual_context(renewed, OWN))
    version = ssl.TLSVersion.TLSv1_3
    assert await shown(listener, OWN, None, version) == renewed.certificate_id
    assert await shown(listener, PLANT, "plant.example", version) == PLANT_SERVER.certificate_id
