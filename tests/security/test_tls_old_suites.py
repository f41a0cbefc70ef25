"""Old TLS is negotiated only by name, only until the day that is named, and never unnoticed."""

import contextlib
import ssl
from datetime import UTC, datetime, timedelta

import pytest
from structlog.testing import capture_logs
from tests.support import pki
from tests.support.clock import ManualClock
from tests.support.local_server import local_server

from hedgerow.core.server import LocalTls
from hedgerow.kernel import SystemClock
from hedgerow.pki import (
    OLD_SUITES,
    FileKey,
    LegacyTls,
    ServerProof,
    Trust,
    certificate_id,
    server_certificate,
)

RSA_KEY = FileKey.generate_rsa_in_memory()
DEVICE = pki.new_identity(pki.new_authority())
AUTHORITY = pki.shared_authority()
LATER = datetime(2099, 1, 1, tzinfo=UTC)
ECDHE_CBC = ["TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA"]
RSA_CBC = ["TLS_RSA_WITH_AES_128_CBC_SHA", "TLS_RSA_WITH_AES_256_CBC_SHA"]
RSA_GCM = ["TLS_RSA_WITH_AES_128_GCM_SHA256", "TLS_RSA_WITH_AES_256_GCM_SHA384"]
RSA_EXCHANGE = [*RSA_CBC, *RSA_GCM]
CBC = [*ECDHE_CBC, *RSA_CBC]
VERSIONS = {"TLSv1.1": ssl.TLSVersion.TLSv1_1, "TLSv1.0": ssl.TLSVersion.TLSv1}
ignore_old_versions = pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")


class TokenKey(FileKey):
    """A key that is known as one in a hardware token."""

    is_in_token = True


def negotiated(
    suite: str,
    legacy: LegacyTls | None,
    version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2,
    key: FileKey = RSA_KEY,
    client_identity: pki.Identity | None = DEVICE,
) -> tuple[str, str] | None:
    """Shake hands as a client that knows one old suite only; return suite and version, or None."""
    server = pki.new_identity(AUTHORITY, server_certificate(pki.LOCAL_NAMES), key)
    proof = ServerProof(server.key, server.certificate_pem, legacy=legacy)
    context = ssl.create_default_context(cadata=AUTHORITY.certificate_pem)
    if client_identity is not None:
        context = client_identity.client_context(AUTHORITY.certificate_pem)
    context.set_ciphers(f"{OLD_SUITES[suite].openssl_name}:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(to_client, to_server, server_hostname="localhost")
    made = proof.context(Trust(exact=(DEVICE.certificate_pem,)))
    ours = made.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):
        with contextlib.suppress(ssl.SSLWantReadError):
            try:
                client.do_handshake()
            except ssl.SSLError as error:
                if isinstance(error, ssl.SSLWantReadError):
                    raise
                return None
        with contextlib.suppress(ssl.SSLWantReadError):
            ours.do_handshake()
            cipher = ours.cipher()
            assert cipher is not None
            return cipher[0], cipher[1]
    return None


@pytest.mark.parametrize("suite", OLD_SUITES)
def test_nothing_old_is_negotiated_without_the_switch(suite: str) -> None:
    assert negotiated(suite, None) is None


@pytest.mark.parametrize("suite", OLD_SUITES)
def test_the_switch_lets_in_what_it_names_and_nothing_else(suite: str) -> None:
    others = tuple(name for name in OLD_SUITES if name != suite)
    assert negotiated(suite, LegacyTls(LATER, others)) is None
    assert negotiated(suite, LegacyTls(LATER, (suite,))) is not None


@pytest.mark.spec("B02")
@pytest.mark.parametrize("suite", ECDHE_CBC)
def test_the_documented_suites_with_cbc_can_be_switched_on(suite: str) -> None:
    assert negotiated(suite, LegacyTls(LATER, (suite,))) is not None


@pytest.mark.spec("B03")
@pytest.mark.parametrize("suite", RSA_EXCHANGE)
def test_the_documented_suites_without_forward_secrecy_can_be_switched_on(suite: str) -> None:
    assert negotiated(suite, LegacyTls(LATER, (suite,))) is not None


@ignore_old_versions
@pytest.mark.spec("B04")
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("suite", CBC)
def test_old_versions_can_be_switched_on_and_are_off_otherwise(suite: str, version: str) -> None:
    assert negotiated(suite, LegacyTls(LATER, (suite,)), VERSIONS[version]) is None
    legacy = LegacyTls(LATER, (suite,), (version,))
    assert negotiated(suite, legacy, VERSIONS[version]) is not None


@pytest.mark.promise(1)
@pytest.mark.promise(2)
@ignore_old_versions
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, *VERSIONS.values()])
@pytest.mark.parametrize("client_identity", [pki.new_identity(pki.new_authority()), None])
def test_old_tls_lets_in_nobody_whom_the_trust_does_not_name(
    client_identity: pki.Identity | None, version: ssl.TLSVersion
) -> None:
    legacy = LegacyTls(LATER, tuple(OLD_SUITES), tuple(VERSIONS))
    for suite in CBC:
        assert negotiated(suite, legacy, version) is not None
        assert negotiated(suite, legacy, version, client_identity=client_identity) is None


@ignore_old_versions
def test_tls_1_1_does_not_bring_1_0_with_it() -> None:
    legacy = LegacyTls(LATER, tuple(CBC), ("TLSv1.1",))
    assert negotiated(CBC[0], legacy, ssl.TLSVersion.TLSv1) is None


@pytest.mark.spec("B05")
@pytest.mark.parametrize("suite", [*ECDHE_CBC, *RSA_EXCHANGE])
def test_a_key_in_a_token_serves_forward_secret_suites_only(suite: str) -> None:
    key = TokenKey(RSA_KEY.signing_key())
    found = negotiated(suite, LegacyTls(LATER, tuple(OLD_SUITES)), key=key)
    assert (found is not None) == (suite in ECDHE_CBC)


def test_modern_clients_get_modern_suites_while_the_switch_is_on() -> None:
    server = pki.new_identity(AUTHORITY, server_certificate(pki.LOCAL_NAMES), RSA_KEY)
    legacy = LegacyTls(LATER, tuple(OLD_SUITES), ("TLSv1.0",))
    made = ServerProof(server.key, server.certificate_pem, legacy=legacy).context(
        Trust(exact=(DEVICE.certificate_pem,))
    )
    context = DEVICE.client_context(AUTHORITY.certificate_pem)
    context.set_ciphers(f"{':'.join(one.openssl_name for one in OLD_SUITES.values())}:HIGH")
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(to_client, to_server, server_hostname="localhost")
    ours = made.wrap_bio(to_server, to_client, server_side=True)
    for side in (client, ours, client, ours):
        with contextlib.suppress(ssl.SSLWantReadError):
            side.do_handshake()
    cipher = ours.cipher()
    assert cipher is not None
    assert cipher[0] == "ECDHE-RSA-AES128-GCM-SHA256"


async def test_while_it_is_on_it_is_a_problem_and_counted_and_its_end_comes_by_itself() -> None:
    clock = ManualClock(SystemClock().now())
    legacy = LegacyTls(clock.now() + timedelta(days=1), ("TLS_RSA_WITH_AES_128_CBC_SHA",))
    with capture_logs() as logs:
        async with local_server("A", clock=clock, tls=LocalTls(legacy=legacy)) as local:
            local.renew_certificate(RSA_KEY)
            a = local.double.devices[0]
            watch = local.server.old_tls
            assert watch.problem is not None
            assert "TLS_RSA_WITH_AES_128_CBC_SHA" in watch.problem
            async with await local.connected(a):
                assert not watch.connections
            for _ in range(2):
                async with await local.transport(a, suite="AES128-SHA") as client:
                    assert (await client.connect("A")).reason == 0
            assert dict(watch.connections) == {"TLSv1.2 AES128-SHA": 2}
            local.server.end_old_tls()
            async with await local.transport(a, suite="AES128-SHA") as standing:
                assert (await standing.connect("A")).reason == 0
                clock.advance(timedelta(days=1))
                local.server.end_old_tls()
                assert not watch.is_on
                with pytest.raises(ssl.SSLError):
                    await local.transport(a, suite="AES128-SHA")
                await standing.sync()
            async with await local.connected(a):
                pass
    named = [one for one in logs if one["event"] == "a device uses old TLS"]
    assert [one["certificate_id"] for one in named] == [certificate_id(a.certificate_pem)]
    assert [one for one in logs if "old TLS is offered" in one["event"]]
    assert [one for one in logs if "old TLS suites are off" in one["event"]]


async def test_a_day_that_is_over_at_the_start_switches_nothing_on() -> None:
    clock = ManualClock(SystemClock().now())
    legacy = LegacyTls(clock.now(), tuple(OLD_SUITES))
    async with local_server("A", clock=clock, tls=LocalTls(legacy=legacy)) as local:
        local.renew_certificate(RSA_KEY)
        assert local.server.old_tls.problem is None
        with pytest.raises(ssl.SSLError):
            await local.transport(local.double.devices[0], suite="AES128-SHA")


async def test_a_day_that_is_over_at_the_start_is_told() -> None:
    legacy = LegacyTls(datetime(2020, 3, 1, tzinfo=UTC), ("TLS_RSA_WITH_AES_128_CBC_SHA",))
    with capture_logs() as logs:
        async with local_server("A", tls=LocalTls(legacy=legacy)):
            pass
    (told,) = [line for line in logs if line["event"].startswith("hedgerow.legacyTls has ended")]
    assert told["log_level"] == "warning"
    assert told["ended"] == "2020-02-29"
