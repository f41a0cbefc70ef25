"""A door's context follows the trust anchors, also when there are many of them."""

import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.support.pki import new_server
from tests.support.registry import (
    Device,
    Registrar,
    foreign_authority,
    issued,
    our_authority,
    registry,
    server_identity,
)

from hedgerow.cloud.iot import DeviceDoor


@pytest.fixture
async def registrar(tmp_path: Path) -> AsyncIterator[Registrar]:
    async with registry(tmp_path) as opened:
        yield opened


@pytest.fixture
def made(registrar: Registrar) -> DeviceDoor:
    server = server_identity()
    return DeviceDoor(registrar.directory, server.key, server.certificate_pem)


def lets_in(context: ssl.SSLContext, device: Device) -> bool:
    """Shake hands in memory; return whether the server's side was content."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = device.client_context(our_authority().certificate_pem).wrap_bio(
        to_client, to_server, server_hostname="localhost"
    )
    server = context.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):
        with contextlib.suppress(ssl.SSLWantReadError):
            client.do_handshake()
        try:
            server.do_handshake()
        except ssl.SSLWantReadError:
            continue
        except ssl.SSLCertVerificationError:
            return False
        return True
    raise AssertionError("the handshake did not end")


async def test_a_new_anchor_is_known_to_the_context_in_use(
    registrar: Registrar, made: DeviceDoor
) -> None:
    context = made.slot.current
    mine, other = issued(foreign_authority()), issued(foreign_authority())
    assert not lets_in(context, mine)
    await registrar.certificate(mine)
    assert made.slot.current is context
    assert lets_in(context, mine)
    assert not lets_in(context, other)
    assert lets_in(context, issued())
    made.close()


async def test_an_anchor_that_is_taken_away_is_no_longer_trusted(
    registrar: Registrar, made: DeviceDoor
) -> None:
    mine, other = issued(foreign_authority()), issued(foreign_authority())
    await registrar.certificate(mine)
    await registrar.certificate(other)
    await registrar.status(mine, "REVOKED")
    assert not lets_in(made.slot.current, mine)
    assert lets_in(made.slot.current, other)
    made.close()


async def test_certificates_that_come_and_go_need_no_other_context(
    registrar: Registrar, made: DeviceDoor
) -> None:
    context = made.slot.current
    devices = [issued(foreign_authority()) for _ in range(7)]
    for device in devices:
        await registrar.certificate(device)
    for device in devices[:3]:
        await registrar.status(device, "INACTIVE")
    assert made.slot.current is context
    assert [lets_in(context, device) for device in devices] == [False] * 3 + [True] * 4
    made.close()


async def test_a_closed_door_follows_no_more(registrar: Registrar, made: DeviceDoor) -> None:
    made.close()
    mine = issued(foreign_authority())
    await registrar.certificate(mine)
    assert not lets_in(made.slot.current, mine)


async def test_a_renewed_certificate_is_shown_with_the_same_trust(
    registrar: Registrar, made: DeviceDoor
) -> None:
    mine = issued(foreign_authority())
    await registrar.certificate(mine)
    before = made.slot.current
    server = new_server(our_authority())
    made.renew(server.key, server.certificate_pem)
    assert made.slot.current is not before
    assert lets_in(made.slot.current, mine)
    made.close()
