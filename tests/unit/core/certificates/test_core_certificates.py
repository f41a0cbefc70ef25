import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
import structlog
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from tests.support.clock import ManualClock
from tests.support.cloud_documents import cloud_keys, ec_key
from tests.support.core import until

from hedgerow.contract import (
    CertificateAnswer,
    CertificateRequest,
    ConnectivityEntry,
    ConnectivityInfo,
)
from hedgerow.core.certificates import (
    CertificateKeeper,
    RenewalReason,
    ServerCertificate,
    ServerCertificateStore,
    renewal_due,
    renewal_moment,
)
from hedgerow.kernel import (
    ConfigurationError,
    DeniedError,
    HedgerowError,
    PeerError,
    UnavailableError,
)
from hedgerow.pki import CertificateAuthority, FileKey, load_csr, server_certificate

GROUP = "11111111-aaaa-4000-8000-000000000001"
WEEK = timedelta(days=7)


class Cloud:
    """Issues certificates under the group's authority; `failure` is raised instead."""

    def __init__(self, clock: ManualClock) -> None:
        keys = cloud_keys()
        self.authority = CertificateAuthority(keys.group_ca.certificate, keys.group_ca.key, clock)
        self.hosts = ["127.0.0.1", "core.example"]
        self.requests: list[CertificateRequest] = []
        self.failure: HedgerowError | None = None
        self.connectivity_failure: HedgerowError | None = None
        self.validity = WEEK

    async def connectivity(self) -> ConnectivityInfo:
        if self.connectivity_failure is not None:
            raise self.connectivity_failure
        return ConnectivityInfo(
            connectivity_info=tuple(
                ConnectivityEntry(id=host, host_address=host, port_number=8883)
                for host in self.hosts
            )
        )

    async def own_authority(self, request: CertificateRequest) -> CertificateAnswer:
        del request
        raise DeniedError("this group's core may not have an authority of its own")

    async def server_certificate(self, request: CertificateRequest) -> CertificateAnswer:
        if self.failure is not None:
            raise self.failure
        self.requests.append(request)
        csr = load_csr(request.certificate_signing_request)
        names = csr.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        hosts = [*names.get_values_for_type(x509.DNSName)]
        hosts += [str(ip) for ip in names.get_values_for_type(x509.IPAddress)]
        pem = self.authority.issue(server_certificate(hosts, self.validity), csr)
        return CertificateAnswer(
            certificate=pem,
            authority=self.authority.certificate_pem,
            not_after=x509.load_pem_x509_certificate(pem.encode()).not_valid_after_utc,
        )


class Bench:
    """A keeper, its cloud, its clock, and what the server was told to serve."""

    def __init__(self, folder: Path, key: FileKey | None) -> None:
        self.clock = ManualClock(
            cloud_keys().root.certificate.not_valid_before_utc + timedelta(days=1)
        )
        self.cloud = Cloud(self.clock)
        self.store = ServerCertificateStore(folder, key)
        self.served: list[ServerCertificate | None] = []
        self.keeper = CertificateKeeper(
            self.store,
            self.cloud,
            self.served.append,
            clock=self.clock,
            log=structlog.get_logger(),
        )

    async def begin(self) -> None:
        (await self.keeper.prepare(GROUP))()


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "server", ec_key())


@pytest.mark.spec("C04")
async def test_the_first_deployment_gets_a_certificate_for_the_cores_addresses(
    bench: Bench,
) -> None:
    await bench.begin()
    [served] = bench.served
    assert served is not None
    names = _names(served)
    assert names == {"127.0.0.1", "core.example"}
    assert bench.cloud.requests[0].group_id == GROUP


async def test_a_second_deployment_of_the_group_asks_for_no_other(bench: Bench) -> None:
    await bench.begin()
    await bench.begin()
    assert len(bench.cloud.requests) == 1
    assert len(bench.served) == 1


async def test_another_group_gets_a_certificate_of_its_own(bench: Bench) -> None:
    await bench.begin()
    (await bench.keeper.prepare("another"))()
    assert [request.group_id for request in bench.cloud.requests] == [GROUP, "another"]
    assert len(bench.served) == 2


async def test_going_back_to_a_group_serves_the_certificate_it_had_without_asking(
    bench: Bench,
) -> None:
    await bench.begin()
    (await bench.keeper.prepare("another"))()
    bench.cloud.failure = UnavailableError("no route to host")
    bench.keeper.go_back(GROUP)
    assert bench.served[-1] is bench.served[0]
    assert bench.keeper.served is not None
    assert bench.keeper.served.group_id == GROUP


async def test_serving_nothing_keeps_the_certificate_for_another_time(bench: Bench) -> None:
    await bench.begin()
    bench.keeper.serve_nothing()
    assert bench.served[-1] is None
    bench.keeper.take_up(GROUP)
    assert bench.keeper.served is not None
    assert len(bench.cloud.requests) == 1


async def test_a_damaged_key_of_the_server_is_none_and_a_loose_one_an_error(
    tmp_path: Path,
) -> None:
    bench = Bench(tmp_path / "server", None)
    await bench.begin()
    key = tmp_path / "server/server.key"
    whole = key.read_bytes()
    key.write_bytes(whole[: len(whole) // 2])
    assert bench.store.load() is None
    key.write_bytes(whole)
    assert bench.store.load() is not None
    key.chmod(0o644)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        bench.store.load()


@pytest.mark.spec("D05")
async def test_a_refused_certificate_stops_the_deployment_in_the_clouds_words(
    bench: Bench,
) -> None:
    bench.cloud.failure = DeniedError("not authorized to perform greengrass:CreateCertificate on *")
    with pytest.raises(DeniedError, match="greengrass:CreateCertificate"):
        await bench.keeper.prepare(GROUP)
    assert bench.served == []


@pytest.mark.spec("C04", "Y01")
@pytest.mark.promise(5)
async def test_the_certificate_is_renewed_ahead_of_expiry(bench: Bench) -> None:
    await bench.begin()
    await bench.keeper.check()
    assert len(bench.cloud.requests) == 1
    bench.clock.advance(WEEK * 2 / 3)
    await bench.keeper.check()
    assert len(bench.cloud.requests) == 2
    first, second = bench.served
    assert first is not None
    assert second is not None
    assert second.not_after > first.not_after


@pytest.mark.spec("C04", "Y02")
async def test_changed_addresses_make_a_new_certificate(bench: Bench) -> None:
    await bench.begin()
    bench.cloud.hosts = ["10.0.0.5"]
    await bench.keeper.check()
    bench.keeper.addresses_changed()
    await bench.keeper.check()
    assert bench.served[-1] is not None
    assert _names(bench.served[-1]) == {"10.0.0.5"}
    bench.keeper.addresses_changed()
    await bench.keeper.check()
    assert len(bench.cloud.requests) == 2


@pytest.mark.spec("C06")
@pytest.mark.promise(5)
async def test_after_expiry_without_a_cloud_no_certificate_is_served_until_there_is_one(
    bench: Bench,
) -> None:
    await bench.begin()
    bench.cloud.failure = bench.cloud.connectivity_failure = UnavailableError("no route to host")
    bench.clock.advance(WEEK - timedelta(minutes=1))
    await bench.keeper.check()
    assert bench.keeper.served is not None
    assert bench.keeper.problem == "no route to host"
    bench.clock.advance(timedelta(minutes=1))
    await bench.keeper.check()
    assert bench.served[-1] is None
    bench.cloud.failure = bench.cloud.connectivity_failure = None
    await bench.keeper.check()
    assert bench.keeper.served is not None
    assert bench.keeper.problem is None


async def test_a_core_that_may_not_read_its_addresses_renews_with_those_it_had(
    bench: Bench,
) -> None:
    await bench.begin()
    refusal = DeniedError("not authorized to perform greengrass:GetConnectivityInfo on …")
    bench.cloud.connectivity_failure = refusal
    bench.keeper.addresses_changed()
    bench.clock.advance(WEEK * 3 / 4)
    await bench.keeper.check()
    assert len(bench.cloud.requests) == 2
    assert "greengrass:GetConnectivityInfo" in (bench.keeper.problem or "")


@pytest.mark.promise(10)
async def test_the_next_start_serves_at_once_without_a_cloud(bench: Bench, tmp_path: Path) -> None:
    await bench.begin()
    first = bench.served[0]
    assert first is not None
    again = Bench(tmp_path / "server", FileKey(first.key.signing_key()))
    again.cloud.failure = again.cloud.connectivity_failure = UnavailableError("no route to host")
    again.keeper.take_up(GROUP)
    [served] = again.served
    assert served is not None
    assert served.pem == first.pem


async def test_a_certificate_of_another_group_is_not_served(bench: Bench) -> None:
    await bench.begin()
    bench.keeper.take_up("another")
    assert bench.served[-1] is None


async def test_a_reset_removes_the_certificate(bench: Bench, tmp_path: Path) -> None:
    await bench.begin()
    bench.keeper.reset()
    assert bench.served[-1] is None
    assert list((tmp_path / "server").iterdir()) == []


async def test_an_answer_over_another_key_is_refused(bench: Bench) -> None:
    other = bench.cloud.authority.issue(server_certificate(["x"]), ec_key().public_key)
    answer = CertificateAnswer(
        certificate=other,
        authority=bench.cloud.authority.certificate_pem,
        not_after=bench.clock.now(),
    )

    async def wrong(request: CertificateRequest) -> CertificateAnswer:
        del request
        return answer

    bench.cloud.server_certificate = wrong  # type: ignore[method-assign]  # a lying cloud
    with pytest.raises(PeerError, match="not over the key"):
        await bench.keeper.prepare(GROUP)


async def test_a_certificate_that_has_already_ended_is_refused(bench: Bench) -> None:
    bench.cloud.validity = timedelta(seconds=1)
    with pytest.raises(PeerError, match="check this machine's clock"):
        await bench.keeper.prepare(GROUP)


async def test_the_keeper_looks_when_it_is_woken(bench: Bench) -> None:
    await bench.begin()
    task = asyncio.get_running_loop().create_task(bench.keeper.run())
    await until(lambda: not bench.keeper._ask_names)
    bench.cloud.hosts = ["10.0.0.5"]
    bench.keeper.addresses_changed()
    await until(lambda: len(bench.served) == 2)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def own(tmp_path: Path) -> Bench:
    """Return the parts of a core that makes its own key."""
    return Bench(tmp_path / "server", None)


@pytest.mark.spec("A08", "A14")
async def test_the_core_makes_its_own_rsa_key_and_rotates_it_with_the_certificate(
    own: Bench, tmp_path: Path
) -> None:
    await own.begin()
    folder = tmp_path / "server"
    assert (folder / "server.key").stat().st_mode & 0o777 == 0o600
    first, certificate = own.served[0], (folder / "server.crt").read_text()
    assert first is not None
    assert certificate == first.pem
    assert isinstance(first.key.public_key, rsa.RSAPublicKey)
    assert first.key.public_key.key_size == 2048
    own.clock.advance(WEEK * 3 / 4)
    await own.keeper.check()
    second = own.served[-1]
    assert second is not None
    assert second.key.public_key != first.key.public_key
    loaded = own.store.load()
    assert loaded is not None
    assert loaded.pem == second.pem


@pytest.mark.spec("A12")
async def test_a_configured_key_is_never_rotated(bench: Bench, tmp_path: Path) -> None:
    await bench.begin()
    bench.clock.advance(WEEK * 3 / 4)
    await bench.keeper.check()
    first, second = bench.served
    assert first is not None
    assert second is not None
    assert first.key is second.key
    assert not (tmp_path / "server/server.key").exists()


@pytest.mark.spec("A11")
async def test_the_certificate_over_an_ec_key_is_signed_with_rsa_and_sha_256(bench: Bench) -> None:
    await bench.begin()
    served = bench.served[0]
    assert served is not None
    certificate = x509.load_pem_x509_certificate(served.pem.encode())
    assert certificate.signature_algorithm_oid == x509.SignatureAlgorithmOID.RSA_WITH_SHA256


@pytest.mark.parametrize("moved", [(), ("key",), ("key", "json"), ("key", "json", "crt")])
async def test_a_change_that_was_interrupted_is_finished(
    own: Bench, tmp_path: Path, moved: tuple[str, ...]
) -> None:
    """A crash at any point between two renames leaves a pair that belongs together."""
    await own.begin()
    folder = tmp_path / "server"
    old = {path.name: path.read_bytes() for path in folder.iterdir()}
    own.clock.advance(WEEK * 3 / 4)
    await own.keeper.check()
    new = {path.name: path.read_bytes() for path in folder.iterdir()}
    for name, before in old.items():
        suffix = name.partition(".")[2]
        if suffix not in moved:
            (folder / name).rename(folder / f"next.{suffix}")
            (folder / name).write_bytes(before)
            (folder / name).chmod(0o600)
    loaded = own.store.load()
    assert loaded is not None
    assert loaded.pem.encode() == new["server.crt"]
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == new


async def test_a_key_that_never_got_its_certificate_does_not_harm_the_pair_in_force(
    own: Bench, tmp_path: Path
) -> None:
    await own.begin()
    own.clock.advance(WEEK * 3 / 4)
    own.cloud.failure = UnavailableError("no route to host")
    await own.keeper.check()
    assert (tmp_path / "server/next.key").exists()
    loaded = own.store.load()
    assert loaded is not None
    assert own.served[0] is not None
    assert loaded.pem == own.served[0].pem


async def test_what_is_due_and_why(bench: Bench) -> None:
    await bench.begin()
    certificate = bench.served[0]
    assert certificate is not None
    names, now = certificate.requested_names, bench.clock.now()
    soon = renewal_moment(certificate)
    assert renewal_due(None, group_id=GROUP, names=names, now=now) is RenewalReason.NONE_YET
    assert renewal_due(certificate, group_id=GROUP, names=names[::-1], now=now) is None
    assert renewal_due(certificate, group_id=GROUP, names=None, now=now) is None
    due = renewal_due(certificate, group_id="other", names=names, now=now)
    assert due is RenewalReason.OTHER_GROUP
    due = renewal_due(certificate, group_id=GROUP, names=names[1:], now=now)
    assert due is RenewalReason.ADDRESSES
    due = renewal_due(certificate, group_id=GROUP, names=names, now=soon)
    assert due is RenewalReason.AHEAD_OF_EXPIRY
    assert certificate.not_after - soon > timedelta(days=2)


def _names(certificate: ServerCertificate) -> set[str]:
    parsed = x509.load_pem_x509_certificate(certificate.pem.encode())
    names = parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return {
        *names.get_values_for_type(x509.DNSName),
        *(str(ip) for ip in names.get_values_for_type(x509.IPAddress)),
    }
