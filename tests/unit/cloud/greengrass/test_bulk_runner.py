"""A bulk deployment that is cut off anywhere, and one whose cloud has errors of its own."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
from tests.support.bulk import KEY, URI, line
from tests.support.estate import Estate, estate, until
from tests.support.registry import HOME, issued
from tests.support.roles import trust_policy

from hedgerow.aws import AwsError, Principal
from hedgerow.cloud.greengrass import (
    BulkCall,
    BulkRunner,
    ExecutionRoles,
    InputStores,
    bulk_deployments,
    deployments,
)
from hedgerow.cloud.greengrass.bulk_documents import BULK_DEPLOYMENT, BulkDeployment
from hedgerow.cloud.greengrass.bulk_runner import MAX_FAILURES
from hedgerow.cloud.greengrass.documents import DEPLOYMENT
from hedgerow.kernel import UnavailableError
from hedgerow.policy import Decision
from hedgerow.store import Store

GROUPS = 6
AT_ONCE = (timedelta(0),) * 5
IN_AN_HOUR = (timedelta(hours=1),) * 5


class AllowsAll:
    """Judges like a role that may do everything."""

    async def judge(
        self, principal: Principal, action: str, resource: str, *, tagged: str | None = None
    ) -> Decision:
        """Allow."""
        assert principal.session is not None
        assert tagged is None or resource.startswith(tagged)
        return Decision(
            allowed=True, effect="allow", policy=None, statement=None, reason=f"may {action}"
        )


@dataclass
class Works:
    """An estate with an input file for all its groups."""

    estate: Estate
    folder: Path
    requests: Sequence[Mapping[str, str]]
    role: str
    calls: list[BulkCall] = field(default_factory=list)
    broken: bool = False

    @property
    def groups(self) -> list[str]:
        """The ids of the groups, as they stand in the file."""
        return [request["GroupId"] for request in self.requests]

    @property
    def store(self) -> Store:
        """Where everything is kept."""
        return self.estate.registrar.store

    def record(self, call: BulkCall) -> None:
        """Keep the record of a call, unless that is broken."""
        if self.broken:
            raise UnavailableError("the disk is full")
        self.calls.append(call)

    @asynccontextmanager
    async def runner(self, delays: Sequence[timedelta] = AT_ONCE) -> AsyncIterator[BulkRunner]:
        """Run bulk deployments as a cloud that was just started."""
        estate, clock = self.estate, self.estate.registrar.clock
        runner = BulkRunner(
            self.store,
            HOME,
            deployer=estate.deployer,
            roles=ExecutionRoles(estate.roles, AllowsAll(), HOME, clock),
            buckets=InputStores(self.folder).sources_of(HOME.account, clock),
            record=self.record,
            clock=clock,
            delays=delays,
        )
        await runner.start()
        try:
            yield runner
        finally:
            await runner.stop()

    async def begin(self) -> str:
        """Begin a bulk deployment and return its id."""
        role = await self.estate.roles.executable(self.role)
        request = {"InputFileUri": URI, "ExecutionRoleArn": self.role}
        answer = await self.estate.write(
            lambda tx: bulk_deployments.begin(tx, HOME, request, role=role)
        )
        return str(answer["BulkDeploymentId"])

    async def state(self, bulk_id: str) -> str:
        """Return the state of a bulk deployment."""
        request = {"BulkDeploymentId": bulk_id}
        status = await bulk_deployments.status(self.store, HOME, request)
        return str(status["BulkDeploymentStatus"])

    async def ended(self, bulk_id: str) -> str:
        """Return the state that a bulk deployment ended in."""

        async def over() -> bool:
            return await self.state(bulk_id) not in {"Initializing", "Running", "Stopping"}

        await until(self.store, over)
        return await self.state(bulk_id)


@pytest.fixture
async def works(tmp_path: Path) -> AsyncIterator[Works]:
    async with estate(tmp_path / "cloud") as made:
        await made.service_role()
        requests = []
        for number in range(GROUPS):
            core = issued()
            await made.registrar.enrol(f"core-{number}", core)
            group = await made.group()
            version = await made.simple_version(group, (f"core-{number}", core), {})
            requests.append(json.loads(line(group, version)))
        folder = tmp_path / "buckets"
        file = folder / HOME.account / "my-bucket" / KEY
        file.parent.mkdir(parents=True)
        file.write_text("\n".join(map(json.dumps, requests)))
        role = made.iam.add(HOME, "bulk", trust_policy())
        yield Works(made, folder, requests, role)


async def bulk(works: Works, bulk_id: str) -> BulkDeployment:
    """Return what is kept of a bulk deployment."""
    record = await works.store.get(BULK_DEPLOYMENT, HOME.account, bulk_id)
    assert record is not None
    return record.document


async def deployed(works: Works) -> list[int]:
    """Return how many deployments each group has."""
    return [
        len(await works.store.all(DEPLOYMENT, HOME.account, parent=group)) for group in works.groups
    ]


@pytest.mark.parametrize("seed", range(8))
async def test_cut_off_anywhere_it_deploys_every_group_once(works: Works, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - a seed that repeats
    bulk_id = await works.begin()
    for _start in range(200):
        async with works.runner():
            for _turn in range(chance.randrange(400)):
                await asyncio.sleep(0)
        if await works.state(bulk_id) == "Completed":
            break
    else:
        async with works.runner():
            await works.ended(bulk_id)
    assert await works.state(bulk_id) == "Completed"
    assert await deployed(works) == [1] * GROUPS
    assert [call.group_id for call in works.calls] == works.groups
    status = await bulk_deployments.status(works.store, HOME, {"BulkDeploymentId": bulk_id})
    assert status["BulkDeploymentMetrics"] == {
        "RecordsProcessed": GROUPS,
        "InvalidInputRecords": 0,
        "RetryAttempts": 0,
    }
    report = await bulk_deployments.reports(
        works.store, HOME, {"BulkDeploymentId": bulk_id, "MaxResults": "4"}
    )
    assert len(report["Deployments"]) == 4
    rest = await bulk_deployments.reports(
        works.store,
        HOME,
        {"BulkDeploymentId": bulk_id, "NextToken": report["NextToken"]},
    )
    arns = [row["GroupArn"] for row in (*report["Deployments"], *rest["Deployments"])]
    assert [arn.split("/")[3] for arn in arns] == works.groups[::-1]


async def test_nothing_is_deployed_whose_record_cannot_be_kept(
    works: Works, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hedgerow.cloud.greengrass.bulk_runner.PAUSE_SECONDS", 0)
    works.broken = True
    bulk_id = await works.begin()
    async with works.runner():
        assert await works.ended(bulk_id) == "Failed"
    status = await bulk_deployments.status(works.store, HOME, {"BulkDeploymentId": bulk_id})
    assert status["ErrorDetails"][0]["DetailedErrorCode"] == "500"
    assert await deployed(works) == [0] * GROUPS
    assert len(works.estate.iam.assumed) >= MAX_FAILURES
    used = [one for one in works.estate.iam.assumed if one["role_arn"] == works.role]
    assert len(works.estate.iam.revoked) == len(used)


async def test_a_file_that_was_changed_meanwhile_is_not_deployed_from(works: Works) -> None:
    request = works.requests[-1]
    await works.estate.write(lambda tx: deployments.begin(tx, HOME, request))
    bulk_id = await works.begin()

    async def one_waits() -> bool:
        return bool((await bulk(works, bulk_id)).waiting)

    async with works.runner(delays=IN_AN_HOUR):
        await until(works.store, one_waits)
    assert await works.state(bulk_id) == "Running"
    file = works.folder / HOME.account / "my-bucket" / KEY
    file.write_text(file.read_text() + "\n" + line("another", "version"))
    async with works.runner():
        assert await works.ended(bulk_id) == "Failed"
    status = await bulk_deployments.status(works.store, HOME, {"BulkDeploymentId": bulk_id})
    assert "was changed" in status["ErrorMessage"]


async def test_a_session_of_the_role_is_for_the_bulk_deployment_and_ends_with_it(
    works: Works,
) -> None:
    bulk_id = await works.begin()
    async with works.runner():
        assert await works.ended(bulk_id) == "Completed"
    ours = [one for one in works.estate.iam.assumed if one["role_arn"] == works.role]
    (assumed,) = ours
    arn = f"arn:aws:greengrass:{HOME.region}:{HOME.account}:/greengrass/bulk/deployments/{bulk_id}"
    assert (assumed["source_arn"], assumed["source_account"]) == (arn, HOME.account)
    assert assumed["session_name"] == f"bulk-{bulk_id}"
    assert len(works.estate.iam.revoked) == len(works.estate.iam.assumed)


@pytest.mark.spec("P16")
async def test_what_is_stopped_before_it_began_deploys_nothing(works: Works) -> None:
    bulk_id = await works.begin()
    assert await works.state(bulk_id) == "Initializing"
    request = {"BulkDeploymentId": bulk_id}
    for _twice in range(2):
        await works.estate.write(lambda tx: bulk_deployments.stop(tx, HOME, request))
        assert await works.state(bulk_id) == "Stopping"
    with pytest.raises(AwsError, match=r"Concurrent Deployment Error.*Stopping"):
        await works.begin()
    async with works.runner():
        assert await works.ended(bulk_id) == "Stopped"
    assert await deployed(works) == [0] * GROUPS
    await works.begin()


@pytest.mark.spec("P16")
async def test_stopping_ends_a_wait_for_another_attempt(works: Works) -> None:
    request = works.requests[0]
    await works.estate.write(lambda tx: deployments.begin(tx, HOME, request))
    bulk_id = await works.begin()

    async def only_waits() -> bool:
        return (await bulk(works, bulk_id)).records_processed == GROUPS

    async with works.runner(delays=IN_AN_HOUR) as runner:
        runner.run_soon(bulk_id)  # a repeated call must not run it twice
        await until(works.store, only_waits)
        stop = {"BulkDeploymentId": bulk_id}
        await works.estate.write(lambda tx: bulk_deployments.stop(tx, HOME, stop))
        runner.stop_soon()
        assert await works.ended(bulk_id) == "Stopped"
    assert await deployed(works) == [1] * GROUPS
