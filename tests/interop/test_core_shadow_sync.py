"""Shadows on a whole core with a whole cloud: along rows, and synchronised by the core's policy."""

import asyncio
import contextlib
import dataclasses
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
from botocore.exceptions import ClientError
from tests.support.cloud import (
    ACCOUNT,
    REGION,
    SERVICE_ROLE,
    SERVICE_ROLE_POLICY,
    EnrolledThing,
)
from tests.support.core import running_core, until
from tests.support.core_estate import (
    CORE,
    Estate,
    clients,
    core_estate,
    drop_old_versions,
    message,
    restarted,
    row,
    without,
)

from hedgerow.cloud.iot_data import ShadowService
from hedgerow.contract import CLASSIC, SHADOW_SERVICE, ShadowId
from hedgerow.core.app import CoreApp
from hedgerow.policy import core_shadow_policies, minimal_device_policy

THING = f"arn:aws:iot:{REGION}:{ACCOUNT}:thing/"


def topic(name: str, rest: str) -> str:
    return f"$aws/things/{name}/shadow/{rest}"


def own_rows(device: EnrolledThing) -> list[dict[str, str]]:
    """Return rows that give a device its own shadow."""
    return [
        row(device, topic(device.name, "update"), SHADOW_SERVICE),
        row(device, topic(device.name, "delete"), SHADOW_SERVICE),
        row(device, topic(device.name, "get"), SHADOW_SERVICE),
        row(SHADOW_SERVICE, topic(device.name, "#"), device),
    ]


@pytest.fixture
async def estate(tmp_path: Path) -> AsyncIterator[Estate]:
    """Make an estate in which the shadows of A and the core are synchronised, and B's is not."""
    async with core_estate(tmp_path) as made:
        made.a = dataclasses.replace(made.a, sync_shadow=True)
        made.group.core = dataclasses.replace(made.group.core, sync_shadow=True)
        rows = [*own_rows(made.a), *own_rows(made.b), row(made.c, topic("C", "update"), made.b)]
        await made.group.new_version(made.a, made.b, made.c, rows=tuple(rows))
        yield made


async def allow_shadows(estate: Estate, *things: str, but: str = "") -> None:
    """Let the core synchronise the shadows of these things and of no other.

    `but` is an action that it may not do on any of them.
    """
    [text] = core_shadow_policies(region=REGION, account=ACCOUNT, thing_names=things)
    if but:
        text = without(text, but)
    name = "shadows-policy"
    policies = await estate.cloud.iot("list_policies")
    if name in {policy["policyName"] for policy in policies["policies"]}:
        await drop_old_versions(estate, "shadows")
        await estate.cloud.edit_policy("shadows", text)
        return
    await estate.cloud.iot("create_policy", policyName=name, policyDocument=text)
    target = estate.group.core.certificate_arn
    await estate.cloud.iot("attach_policy", policyName=name, target=target)


async def cloud_state(estate: Estate, thing_name: str) -> Any:
    """Return the state of the cloud's copy, None if there is none."""
    try:
        answer = await estate.cloud.call("iot-data", "get_thing_shadow", thingName=thing_name)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
        return None
    state = json.loads(await asyncio.to_thread(answer["payload"].read))["state"]
    state.pop("delta", None)
    return state


async def update_in_cloud(estate: Estate, thing_name: str, **sections: Any) -> None:
    payload = json.dumps({"state": sections}).encode()
    await estate.cloud.call(
        "iot-data", "update_thing_shadow", thingName=thing_name, payload=payload
    )


async def report(device: aiomqtt.Client, name: str, **values: Any) -> None:
    body = json.dumps({"state": {"reported": values}})
    await device.publish(topic(name, "update"), body, qos=1)


async def heard(device: aiomqtt.Client, on: str) -> dict[str, Any]:
    """Return the next message of a device on this topic."""
    while True:
        where, payload = await message(device)
        if where == on:
            body: dict[str, Any] = json.loads(payload)
            return body


def synchronised(core: CoreApp) -> bool:
    return core.sync.is_on and core.sync.waiting == 0


@contextlib.asynccontextmanager
async def deployed(estate: Estate) -> AsyncIterator[CoreApp]:
    async with running_core(estate.root) as core:
        await estate.deploy(core)
        yield core


@pytest.mark.spec("Q01", "Q03")
async def test_a_device_has_a_local_shadow_along_rows_and_only_along_them(estate: Estate) -> None:
    async with (
        deployed(estate) as core,
        estate.device(core, estate.b) as b,
        estate.device(core, estate.c) as c,
    ):
        await b.subscribe(topic("B", "#"))
        refused = await c.subscribe(topic("C", "#"))
        assert str(refused[0]) != "Granted QoS 0"
        await c.publish(topic("C", "update"), b'{"state":{"reported":{"x":1}}}', qos=1)
        await c.publish(topic("B", "update"), b'{"state":{"reported":{"x":1}}}', qos=1)
        await b.publish(topic("A", "update"), b'{"state":{"reported":{"x":1}}}', qos=1)
        await report(b, "B", door="shut")
        accepted = await heard(b, topic("B", "update/accepted"))
        assert (accepted["version"], accepted["state"]) == (1, {"reported": {"door": "shut"}})
        await b.publish(topic("B", "update"), b'{"state":{"desired":{}},"version":7}', qos=1)
        assert (await heard(b, topic("B", "update/rejected")))["code"] == 409
        await b.publish(topic("B", "get"), b"", qos=1)
        got = await heard(b, topic("B", "get/accepted"))
        assert got["state"] == {"reported": {"door": "shut"}}
        assert core.shadows.kept(ShadowId("C")).shadow.deleted
        assert core.shadows.kept(ShadowId("A")).shadow.deleted


@pytest.mark.spec("D14")
async def test_the_cores_policy_synchronises_a_clients_shadow_both_ways(
    estate: Estate,
) -> None:
    """The client's own policy holds no shadow action at all."""
    own = minimal_device_policy(region=REGION, account=ACCOUNT, thing_name="A")
    assert "Shadow" not in own
    await allow_shadows(estate, "A", CORE)
    async with deployed(estate) as core, estate.device(core, estate.a) as a:
        await a.subscribe(topic("A", "#"))
        await report(a, "A", door="shut")
        await heard(a, topic("A", "update/accepted"))
        await until(lambda: synchronised(core))
        assert await cloud_state(estate, "A") == {"reported": {"door": "shut"}}
        await until(lambda: f"{CORE}-c01" in clients(estate.cloud))
        await update_in_cloud(estate, "A", desired={"door": "open"})
        delta = await heard(a, topic("A", "update/delta"))
        assert delta["state"] == {"door": "open"}
        await until(lambda: synchronised(core))
        assert core.problems == ()
        async with estate.cloud.https(estate.a.identity) as https:
            answer = await https.get("/things/A/shadow")
        assert answer.status == 403


@pytest.mark.spec("D14")
async def test_without_the_clients_thing_in_the_cores_policy_the_missing_action_is_named(
    estate: Estate,
) -> None:
    """Each of the actions in turn; local shadows go on, and so do those that are allowed."""
    await allow_shadows(estate, CORE)
    async with deployed(estate) as core, estate.device(core, estate.a) as a:
        await a.subscribe(topic("A", "#"))
        await report(a, "A", door="shut")
        await heard(a, topic("A", "update/accepted"))
        await until(lambda: _names(core, "iot:GetThingShadow", "A"))
        assert await cloud_state(estate, "A") is None
        await allow_shadows(estate, CORE, "A", but="iot:UpdateThingShadow")
        core.sync.look_again()
        await until(lambda: _names(core, "iot:UpdateThingShadow", "A"))
        assert await cloud_state(estate, "A") is None
        await report(a, "A", door="ajar")
        assert (await heard(a, topic("A", "update/accepted")))["version"] == 2
        await allow_shadows(estate, CORE, "A")
        core.sync.look_again()
        await until(lambda: synchronised(core))
        assert await cloud_state(estate, "A") == {"reported": {"door": "ajar"}}
        await allow_shadows(estate, CORE, "A", but="iot:DeleteThingShadow")
        await a.publish(topic("A", "delete"), b"", qos=1)
        await heard(a, topic("A", "delete/accepted"))
        await until(lambda: _names(core, "iot:DeleteThingShadow", "A"))
        assert await cloud_state(estate, "A") == {"reported": {"door": "ajar"}}


@pytest.mark.spec("Q04")
async def test_without_the_service_roles_rights_synchronisation_stops_and_the_core_says_why(
    estate: Estate,
) -> None:
    """Local shadows go on; with the rights back, what was missed is made up for."""

    async def service_role(operation: str) -> None:
        role = {"RoleName": SERVICE_ROLE, "PolicyArn": SERVICE_ROLE_POLICY}
        await estate.cloud.call("iam", operation, **role)

    await allow_shadows(estate, CORE, "A")
    async with deployed(estate) as core, estate.device(core, estate.a) as a:
        await until(lambda: synchronised(core))
        await a.subscribe(topic("A", "#"))
        await service_role("detach_role_policy")
        await report(a, "A", door="shut")
        await heard(a, topic("A", "update/accepted"))
        await until(lambda: _names(core, "iot:GetThingShadow", "A"))
        assert any(f"role/{SERVICE_ROLE}" in problem for problem in core.problems)
        assert await cloud_state(estate, "A") is None
        await service_role("attach_role_policy")
        core.sync.look_again()
        await until(lambda: synchronised(core))
        assert await cloud_state(estate, "A") == {"reported": {"door": "shut"}}
        assert core.problems == ()


def _names(core: CoreApp, action: str, thing_name: str) -> bool:
    """Tell whether the problem list names an action and the client's thing ARN."""
    resource = f"{THING}{thing_name}"
    return any(action in problem and resource in problem for problem in core.problems)


@pytest.mark.spec("Q02")
async def test_a_shadow_that_is_not_to_be_synchronised_never_changes_the_clouds_copy(
    estate: Estate,
) -> None:
    await allow_shadows(estate, "A", "B", CORE)
    await update_in_cloud(estate, "B", desired={"door": "open"})
    async with (
        deployed(estate) as core,
        estate.device(core, estate.a) as a,
        estate.device(core, estate.b) as b,
    ):
        await a.subscribe(topic("A", "update/accepted"))
        await b.subscribe(topic("B", "update/accepted"))
        await report(b, "B", door="shut")
        await heard(b, topic("B", "update/accepted"))
        await report(a, "A", door="shut")
        await heard(a, topic("A", "update/accepted"))
        await until(lambda: synchronised(core))
        assert await cloud_state(estate, "A") == {"reported": {"door": "shut"}}
        assert await cloud_state(estate, "B") == {"desired": {"door": "open"}}
        estate.b = dataclasses.replace(estate.b, sync_shadow=True)
        rows = (*own_rows(estate.a), *own_rows(estate.b))
        await estate.group.new_version(estate.a, estate.b, rows=rows)
        await estate.deploy(core)
        await until(lambda: synchronised(core))
        both = {"desired": {"door": "open"}, "reported": {"door": "shut"}}
        assert await cloud_state(estate, "B") == both


@pytest.mark.spec("Q02")
async def test_the_cores_own_shadow_is_synchronised_only_if_that_is_asked_for(
    estate: Estate,
) -> None:
    await allow_shadows(estate, "A", CORE)
    core_thing = estate.group.core
    rows = (
        *own_rows(estate.a),
        row(estate.a, topic(CORE, "update"), SHADOW_SERVICE),
        row(SHADOW_SERVICE, topic(CORE, "#"), estate.a),
    )
    estate.group.core = dataclasses.replace(core_thing, sync_shadow=False)
    await estate.group.new_version(estate.a, rows=rows)
    async with deployed(estate) as core, estate.device(core, estate.a) as a:
        await a.subscribe(topic(CORE, "#"))
        await report(a, CORE, line="up")
        await heard(a, topic(CORE, "update/accepted"))
        await a.subscribe(topic("A", "#"))
        await report(a, "A", door="shut")
        await heard(a, topic("A", "update/accepted"))
        await until(lambda: synchronised(core))
        assert await cloud_state(estate, "A") == {"reported": {"door": "shut"}}
        assert await cloud_state(estate, CORE) is None
        estate.group.core = core_thing
        await estate.group.new_version(estate.a, rows=rows)
        await estate.deploy(core)
        await until(lambda: synchronised(core))
        assert await cloud_state(estate, CORE) == {"reported": {"line": "up"}}


@pytest.mark.spec("Q06")
async def test_a_cloud_that_does_not_answer_in_time_is_told_of_in_the_documented_lines(
    estate: Estate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a wait of a second instead of the five that are the default."""
    path = estate.root / "config/config.json"
    document = json.loads(path.read_text())
    path.write_text(json.dumps({**document, "system": {"shadowSyncTimeout": 1}}))
    answer = ShadowService.get

    async def hang(
        self: ShadowService, thing_name: str, payload: bytes = b"", *, shadow_name: str = CLASSIC
    ) -> bytes:
        if thing_name == "A":
            await asyncio.Event().wait()
        return await answer(self, thing_name, payload, shadow_name=shadow_name)

    await allow_shadows(estate, "A", CORE)
    monkeypatch.setattr(ShadowService, "get", hang)
    async with deployed(estate):
        log = estate.root / "ggc/var/log/system/runtime.log"
        await until(lambda: "Failed to execute sync operation" in log.read_text())
        monkeypatch.undo()
    lines = [json.loads(line)["event"] for line in log.read_text().splitlines()]
    reason = "Get /things/A/shadow: request canceled after 1 s without an answer"
    start = next(n for n, line in enumerate(lines) if line.startswith("Cloud shadow client error"))
    assert lines[start].startswith(
        f"Cloud shadow client error: unable to get cloud shadow A for synchronization. {reason}"
    )
    assert lines[start + 1].startswith(f"Failed to get cloud copy: {reason}")
    assert lines[start + 2] == "Failed to execute sync operation {A VersionDiscontinued []}"


async def test_a_reset_takes_the_shadows_from_the_core_and_leaves_the_clouds(
    estate: Estate,
) -> None:
    await allow_shadows(estate, "A", CORE)
    async with deployed(estate) as core:
        async with estate.device(core, estate.a) as a:
            await a.subscribe(topic("A", "update/accepted"))
            await report(a, "A", door="shut")
            await heard(a, topic("A", "update/accepted"))
            await until(lambda: synchronised(core))
        await estate.cloud.greengrass("reset_deployments", GroupId=estate.group.group_id)
        await until(lambda: core.agent.state.running is None)
        assert core.shadows.kept(ShadowId("A")).shadow.version == 0
        assert not core.sync.is_on
        await until(lambda: f"{CORE}-c01" not in clients(estate.cloud))
    assert await cloud_state(estate, "A") == {"reported": {"door": "shut"}}


async def test_what_both_sides_changed_offline_becomes_one_shadow(estate: Estate) -> None:
    await allow_shadows(estate, "A", CORE)
    async with deployed(estate) as core, estate.device(core, estate.a) as a:
        await a.subscribe(topic("A", "update/accepted"))
        await report(a, "A", door="shut", lamp="off")
        await until(
            lambda: core.shadows.kept(ShadowId("A")).agreed is not None and synchronised(core)
        )
        await estate.cloud.app.stop()
        await until(lambda: not core.link.is_connected)
        await report(a, "A", door="ajar")
        await until(lambda: core.shadows.kept(ShadowId("A")).shadow.version == 2)
        await restarted(estate)
        await update_in_cloud(estate, "A", reported={"lamp": "on"}, desired={"lamp": "on"})
        await until(lambda: core.link.is_connected and synchronised(core), 20)
        both = {"reported": {"door": "ajar", "lamp": "on"}, "desired": {"lamp": "on"}}
        assert await cloud_state(estate, "A") == both
