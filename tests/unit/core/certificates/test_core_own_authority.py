"""A core with an authority of its own renews while there is no cloud, and stops at the fence."""

import functools
from datetime import timedelta
from pathlib import Path

import pytest
import structlog
from tests.support.clock import ManualClock
from tests.support.own_authority import HOSTS, DelegatingCloud, delegating_group_authority

from hedgerow.contract import CertificateAnswer
from hedgerow.core.certificates import (
    CertificateKeeper,
    OwnAuthority,
    ServerCertificate,
    ServerCertificateStore,
)
from hedgerow.kernel import DeniedError, PeerError, SystemClock, UnavailableError
from hedgerow.pki import CertificateAuthority, FileKey, group_authority

GROUP = "11111111-aaaa-4000-8000-000000000001"
LOOK = timedelta(hours=12)


@functools.cache
def group_ca() -> CertificateAuthority:
    return delegating_group_authority(SystemClock())


class Bench:
    """A core with an owner's key (so that tests are quick), its cloud and its clock."""

    def __init__(self, folder: Path) -> None:
        ca = group_ca()
        self.clock = ManualClock(ca.certificate.not_valid_before_utc + timedelta(days=1))
        authority = CertificateAuthority(ca.certificate, ca.key, self.clock)
        self.cloud = DelegatingCloud(authority)
        self.served: list[ServerCertificate | None] = []
        self.folder = folder
        self.own = OwnAuthority(folder, clock=self.clock, log=structlog.get_logger())
        self.keeper = CertificateKeeper(
            ServerCertificateStore(folder, FileKey.generate_rsa_in_memory()),
            self.cloud,
            self.served.append,
            clock=self.clock,
            log=structlog.get_logger(),
            own_authority=self.own,
        )

    async def days_pass(self, days: float) -> list[bool]:
        """Let the keeper look every twelve hours; return whether it served each time."""
        seen = []
        for _ in range(round(timedelta(days=days) / LOOK)):
            self.clock.advance(LOOK)
            await self.keeper.check()
            seen.append(self.keeper.served is not None)
        return seen


@pytest.fixture
async def bench(tmp_path: Path) -> Bench:
    made = Bench(tmp_path / "server")
    (await made.keeper.prepare(GROUP))()
    return made


@pytest.mark.spec("C06")
@pytest.mark.promise(5)
async def test_ninety_days_without_a_cloud_lose_nobody_and_the_fence_ends_it(bench: Bench) -> None:
    fence = bench.keeper.fence
    assert fence is not None
    bench.cloud.failure = UnavailableError("no route to host")
    assert all(await bench.days_pass(89))
    served = bench.keeper.served
    assert served is not None
    assert served.is_issued_here
    assert served.names() <= {*HOSTS, "localhost", "::1"}
    assert all(one is None or one.not_after <= fence for one in bench.served)
    assert not any((await bench.days_pass(4))[2:])
    assert bench.keeper.served is None
    assert "no route to host" in (bench.keeper.problem or "")
    assert len([one for one in bench.served if one is not None]) < 20


async def test_the_cloud_is_gone_to_first_and_taken_back_at_once(bench: Bench) -> None:
    bench.cloud.failure = UnavailableError("no route to host")
    await bench.days_pass(5)
    assert bench.keeper.served is bench.served[0]  # it does not help itself before the last sixth
    await bench.days_pass(1.5)
    assert [one.is_issued_here for one in bench.served if one is not None] == [False, True]
    bench.cloud.failure = None
    await bench.keeper.check()
    assert bench.served[-1] is not None
    assert not bench.served[-1].is_issued_here
    assert bench.keeper.problem is None


async def test_the_fence_moves_on_with_every_certificate_of_the_cloud(bench: Bench) -> None:
    first = bench.keeper.fence
    await bench.days_pass(5)
    assert first is not None
    assert bench.keeper.fence is not None
    assert bench.keeper.fence - first > timedelta(days=4)


async def test_who_is_refused_one_gives_back_the_one_it_has(bench: Bench) -> None:
    bench.cloud.refusal = DeniedError("the group's tag is gone")
    await bench.days_pass(5)
    assert bench.keeper.fence is None
    assert not (bench.folder / "issuing.key").exists()
    bench.cloud.failure = UnavailableError("no route to host")
    assert not all(await bench.days_pass(9))


async def test_a_refusal_by_a_cloud_that_answers_is_not_helped_around(bench: Bench) -> None:
    bench.cloud.failure = DeniedError("the group was reset")
    assert not all(await bench.days_pass(9))
    assert not any(one.is_issued_here for one in bench.served if one is not None)


async def test_the_key_lies_in_a_file_of_its_owners_and_shows_nowhere(bench: Bench) -> None:
    key = bench.folder / "issuing.key"
    assert key.stat().st_mode & 0o777 == 0o600
    secret = key.read_text().splitlines()[1]
    assert secret not in repr(bench.keeper.served)
    assert all(secret not in pem for pem in bench.cloud.issued)


async def test_another_group_does_not_get_the_authority_of_the_one_before(bench: Bench) -> None:
    assert bench.own.fence(GROUP) is not None
    assert bench.own.fence("another") is None
    bench.keeper.reset()
    assert list(bench.folder.iterdir()) == []


async def test_an_authority_without_limits_is_not_used(bench: Bench) -> None:
    key = await bench.own.next_key()
    boundless = bench.cloud.authority.issue(group_authority("anything"), key.public_key)
    answer = CertificateAnswer(
        certificate=boundless,
        authority=bench.cloud.authority.certificate_pem,
        not_after=bench.clock.now(),
    )
    with pytest.raises(PeerError, match="not limited"):
        bench.own.keep(answer, key, GROUP)
