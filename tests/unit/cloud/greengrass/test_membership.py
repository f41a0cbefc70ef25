import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.support.estate import Deployed, Estate, estate, until
from tests.support.registry import HOME, issued

from hedgerow.cloud.greengrass import deployer
from hedgerow.cloud.greengrass.group_members import GroupMembers
from hedgerow.cloud.iot_data import ShadowService
from hedgerow.contract import Membership, deployment_thing
from hedgerow.kernel import UnavailableError


async def listed(greengrass: Estate, deployed: Deployed) -> Membership:
    own = await greengrass.desk.own_group(
        greengrass.admit(deployed.identities["core"]), deployed.group_id
    )
    group = GroupMembers.read(await greengrass.desk.group_file(own, deployed.deployment_id))
    return await greengrass.ledger.current(group)


def ids(members: Membership) -> set[str]:
    return {entry.certificate_id for entry in members.certificates}


@pytest.mark.spec("A02")
async def test_a_device_is_listed_only_with_thing_active_certificate_and_policy(
    tmp_path: Path,
) -> None:
    async with estate(tmp_path) as greengrass:
        deployed = await greengrass.deployed("core", "a", "b", "c", "d")
        registrar, who = greengrass.registrar, deployed.identities
        assert ids(await listed(greengrass, deployed)) == {who[name].id for name in "abcd"}
        await registrar.status(who["a"], "INACTIVE")
        assert ids(await listed(greengrass, deployed)) == {who[name].id for name in "bcd"}
        await registrar.detach_policy("b-policy", who["b"])
        assert ids(await listed(greengrass, deployed)) == {who[name].id for name in "cd"}
        await registrar.detach_thing("c", who["c"])
        assert ids(await listed(greengrass, deployed)) == {who["d"].id}


async def test_a_second_certificate_of_a_thing_is_followed_without_a_deployment(
    tmp_path: Path,
) -> None:
    async with estate(tmp_path) as greengrass:
        deployed = await greengrass.deployed("core", "a")
        before = await listed(greengrass, deployed)
        new = issued()
        await greengrass.registrar.certificate(new)
        await greengrass.registrar.attach_thing("a", new)
        await greengrass.registrar.attach_policy("a-policy", new)
        after = await listed(greengrass, deployed)
        assert ids(after) == {deployed.identities["a"].id, new.id}
        assert after.serial > before.serial
        pems = {entry.pem for entry in after.certificates}
        assert new.pem in pems


async def test_the_serial_grows_with_every_change_and_never_without_one(tmp_path: Path) -> None:
    async with estate(tmp_path) as greengrass:
        deployed = await greengrass.deployed("core", "a")
        first = await listed(greengrass, deployed)
        assert (await listed(greengrass, deployed)).serial == first.serial
        await greengrass.registrar.status(deployed.identities["a"], "INACTIVE")
        second = await listed(greengrass, deployed)
        await greengrass.registrar.status(deployed.identities["a"], "ACTIVE")
        third = await listed(greengrass, deployed)
        assert first.serial < second.serial < third.serial
        assert ids(third) == ids(first)


async def test_a_stranger_to_the_group_changes_nothing(tmp_path: Path) -> None:
    async with estate(tmp_path) as greengrass:
        deployed = await greengrass.deployed("core", "a")
        before = await listed(greengrass, deployed)
        await greengrass.registrar.enrol("stranger", issued())
        assert await listed(greengrass, deployed) == before


@pytest.mark.promise(4)
async def test_a_revocation_reaches_the_core_s_notice_within_a_second(tmp_path: Path) -> None:
    async with estate(tmp_path, start=True) as greengrass:
        deployed = await greengrass.deployed("core", "a")
        serial = (await listed(greengrass, deployed)).serial
        told: asyncio.Queue[int] = asyncio.Queue()

        def hear(topic: str, payload: bytes) -> None:
            if topic == f"$aws/things/{deployment_thing('core')}/shadow/update/delta":
                told.put_nowait(json.loads(payload)["state"]["MembershipSerial"])

        greengrass.shadows.on_message(hear)
        await greengrass.registrar.status(deployed.identities["a"], "REVOKED")
        async with asyncio.timeout(1):
            while await told.get() <= serial:
                pass
        assert ids(await listed(greengrass, deployed)) == set()


async def test_a_notice_lost_in_a_crash_is_written_at_the_next_start(tmp_path: Path) -> None:
    async with estate(tmp_path) as greengrass:
        deployed = await greengrass.deployed("core", "a")
        await greengrass.registrar.status(deployed.identities["a"], "REVOKED")
        serial = (await listed(greengrass, deployed)).serial  # counted, and nobody was told

        async def posted() -> bool:
            shadow = json.loads(await greengrass.shadows.get(deployment_thing("core")))
            return bool(shadow["state"]["desired"]["MembershipSerial"] == serial)

        assert not await posted()
        await greengrass.deployer.start()
        await until(greengrass.registrar.store, posted)


class FailsOnce(ShadowService):
    """A shadow service that cannot be reached the first time."""

    failures = 1

    async def set_desired(self, thing_name: str, desired: Mapping[str, Any] | None) -> bytes:
        if self.failures:
            self.failures -= 1
            raise UnavailableError("the store is busy")
        return await super().set_desired(thing_name, desired)


async def test_a_notice_that_cannot_be_written_is_written_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deployer, "RETRY_SECONDS", 0.01)
    async with estate(tmp_path, start=True) as greengrass:
        deployed = await greengrass.deployed("core", "a")
        serial = (await listed(greengrass, deployed)).serial
        store = greengrass.registrar.store
        flaky = FailsOnce(store, HOME, greengrass.registrar.clock)
        greengrass.deployer._shadows = flaky

        async def posted() -> bool:
            shadow = json.loads(await greengrass.shadows.get(deployment_thing("core")))
            return bool(shadow["state"]["desired"]["MembershipSerial"] > serial)

        await greengrass.registrar.status(deployed.identities["a"], "REVOKED")
        await until(store, posted)
        assert flaky.failures == 0
