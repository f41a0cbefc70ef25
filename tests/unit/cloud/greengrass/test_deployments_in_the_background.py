"""Building goes on beside everything else, and ends whatever happens to it."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.estate import Estate, estate, until
from tests.support.registry import HOME, issued

from hedgerow.cloud.greengrass import deployer, deployments
from hedgerow.cloud.greengrass.resolve import resolve
from hedgerow.kernel import UnavailableError


@pytest.fixture
async def greengrass(tmp_path: Path) -> AsyncIterator[Estate]:
    async with estate(tmp_path, start=True) as made:
        yield made


class SlowResolver:
    """Resolves when it is told to, and tells when it has begun."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.may_end = threading.Event()
        self._resolve = resolve

    def __call__(self, parts: Any) -> Any:
        self.begun.set()
        self.may_end.wait(20)
        return self._resolve(parts)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[SlowResolver]:
    resolver = SlowResolver()
    monkeypatch.setattr(deployer, "resolve", resolver)
    yield resolver
    resolver.may_end.set()


async def begun(greengrass: Estate, core: str) -> tuple[str, str]:
    """Begin a deployment of a new group as the API does; return the ids of both."""
    device = issued()
    await greengrass.registrar.enrol(core, device)
    group_id = await greengrass.group()
    version_id = await greengrass.simple_version(group_id, (core, device), {})
    request = {
        "GroupId": group_id,
        "DeploymentType": "NewDeployment",
        "GroupVersionId": version_id,
    }
    answer = await greengrass.write(lambda tx: deployments.begin(tx, HOME, request))
    greengrass.deployer.build_soon(answer["DeploymentId"])
    return group_id, answer["DeploymentId"]


async def ends_in(greengrass: Estate, ids: tuple[str, str], state: str) -> None:
    async def it_is() -> bool:
        return bool((await greengrass.status(*ids))["DeploymentStatus"] == state)

    await until(greengrass.registrar.store, it_is)


async def test_everything_else_goes_on_while_a_deployment_is_built(
    greengrass: Estate, slow: SlowResolver
) -> None:
    await greengrass.service_role()
    ids = await begun(greengrass, "core")

    assert await asyncio.to_thread(slow.begun.wait, 10)
    assert (await greengrass.status(*ids))["DeploymentStatus"] == "Building"
    assert await greengrass.group("another")
    slow.may_end.set()
    await ends_in(greengrass, ids, "InProgress")


async def test_a_build_that_takes_too_long_fails_and_lets_the_next_be_built(
    greengrass: Estate, slow: SlowResolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    await greengrass.service_role()
    monkeypatch.setattr(deployer, "BUILD_SECONDS", 0.05)
    ids = await begun(greengrass, "core")
    await ends_in(greengrass, ids, "Failure")
    assert "could not be built" in (await greengrass.status(*ids))["ErrorMessage"]
    monkeypatch.setattr(deployer, "BUILD_SECONDS", 60.0)
    slow.may_end.set()
    await ends_in(greengrass, await begun(greengrass, "other"), "InProgress")


async def test_while_nothing_can_be_written_a_deployment_waits_and_is_built_then(
    greengrass: Estate, monkeypatch: pytest.MonkeyPatch
) -> None:
    await greengrass.service_role()
    failures = 0

    async def no_room(*_arguments: Any) -> Any:
        nonlocal failures
        failures += 1
        raise UnavailableError("database or disk is full")

    monkeypatch.setattr(deployer, "RETRY_SECONDS", 0.01)
    deliver = deployments.deliver
    monkeypatch.setattr(deployments, "deliver", no_room)
    monkeypatch.setattr(deployments, "fail", no_room)
    ids = await begun(greengrass, "core")

    async def it_was_tried_again() -> bool:
        await greengrass.group()  # which is the change that `until` waits for
        return failures > 3

    await until(greengrass.registrar.store, it_was_tried_again)
    assert (await greengrass.status(*ids))["DeploymentStatus"] == "Building"
    monkeypatch.setattr(deployments, "deliver", deliver)
    await ends_in(greengrass, ids, "InProgress")
