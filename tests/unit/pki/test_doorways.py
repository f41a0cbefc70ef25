"""Both kinds of doorways keep the same promises, the one for Pythons that hide OpenSSL, too."""

import asyncio
import contextlib
import ssl
from collections.abc import Callable

import pytest
from tests.support import pki

from hedgerow.pki import Doorway, ServerProof, Trust, anchored_doorway, contexts, doorway
from hedgerow.pki.anchored_doorway import AnchoredDoorway
from hedgerow.pki.doorway import ListedDoorway

AUTHORITY = pki.new_authority("devices")
DEVICES = [pki.new_identity(AUTHORITY) for _ in range(7)]
SERVER = pki.new_server(pki.shared_authority())
PROOF = ServerProof(SERVER.key, SERVER.certificate_pem)


@pytest.fixture(params=[ListedDoorway, AnchoredDoorway])
def made(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Doorway:
    kind: Callable[[], Doorway] = request.param
    if kind is AnchoredDoorway:
        monkeypatch.setattr(contexts, "can_judge_clients", lambda: False)
        monkeypatch.setattr(anchored_doorway, "STEP", 2)
    return kind()


def lets_in(way: Doorway, device: pki.Identity) -> bool:
    """Shake hands in memory; return whether the server's side was content."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    roots = pki.shared_authority().certificate_pem
    client = device.client_context(roots).wrap_bio(
        to_client, to_server, server_hostname="localhost"
    )
    server = way.slot.current.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):
        with contextlib.suppress(ssl.SSLError):
            client.do_handshake()
        try:
            server.do_handshake()
        except ssl.SSLWantReadError:
            continue
        except ssl.SSLError:
            return False
        return True
    return False


def exactly(*devices: pki.Identity) -> Trust:
    return Trust(exact=tuple(device.certificate_pem for device in devices))


async def until_settled(way: Doorway) -> None:
    async with asyncio.timeout(10):
        while not way.is_settled:  # noqa: ASYNC110  # it is built in steps of the loop
            await asyncio.sleep(0)


def test_this_python_lets_us_keep_a_list() -> None:
    assert isinstance(doorway(), ListedDoorway)


async def test_whoever_is_trusted_gets_in_at_once_and_nobody_else(made: Doorway) -> None:
    assert not lets_in(made, DEVICES[0])
    made.open(PROOF, exactly(DEVICES[0]))
    assert lets_in(made, DEVICES[0])
    assert not lets_in(made, DEVICES[1])
    made.open(PROOF, exactly(*DEVICES))
    assert all(lets_in(made, device) for device in DEVICES)


async def test_whoever_is_trusted_no_more_gets_in_no_more(made: Doorway) -> None:
    made.open(PROOF, exactly(*DEVICES))
    made.open(PROOF, exactly(*DEVICES[3:]))
    assert all(lets_in(made, device) for device in DEVICES[3:])
    await until_settled(made)
    assert [lets_in(made, device) for device in DEVICES] == [False] * 3 + [True] * 4


async def test_a_change_while_a_context_is_built_counts(made: Doorway) -> None:
    made.open(PROOF, exactly(*DEVICES[:6]))
    made.open(PROOF, exactly(*DEVICES[1:6]))
    made.open(PROOF, exactly(*DEVICES[2:]))
    assert lets_in(made, DEVICES[6])
    await until_settled(made)
    assert [lets_in(made, device) for device in DEVICES] == [False] * 2 + [True] * 5


async def test_a_shut_doorway_lets_nobody_in_until_it_is_opened(made: Doorway) -> None:
    made.open(PROOF, exactly(*DEVICES))
    made.open(PROOF, exactly(*DEVICES[1:]))
    made.shut()
    assert made.is_settled
    assert not any(lets_in(made, device) for device in DEVICES)
    made.open(PROOF, exactly(DEVICES[0]))
    assert lets_in(made, DEVICES[0])


async def test_an_authority_admits_what_it_has_signed(made: Doorway) -> None:
    made.open(PROOF, Trust(authorities=(AUTHORITY.certificate_pem,)))
    assert lets_in(made, pki.new_identity(AUTHORITY))
    assert not lets_in(made, pki.self_signed())


def test_a_list_counts_for_handshakes_that_have_begun() -> None:
    """Revoked between the first word and the certificate: refused."""
    way = ListedDoorway()
    way.open(PROOF, exactly(DEVICES[0]))
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = (
        DEVICES[0]
        .client_context(pki.shared_authority().certificate_pem)
        .wrap_bio(to_client, to_server, server_hostname="localhost")
    )
    server = way.slot.current.wrap_bio(to_server, to_client, server_side=True)
    for side in (client, server):
        with pytest.raises(ssl.SSLWantReadError):
            side.do_handshake()
    client.do_handshake()
    way.open(PROOF, exactly(DEVICES[1]))
    with pytest.raises(ssl.SSLWantReadError):  # the alert goes out first
        server.do_handshake()
    with pytest.raises(ssl.SSLCertVerificationError):
        server.do_handshake()
    with pytest.raises(ssl.SSLError, match="UNKNOWN_CA"):
        client.read()
