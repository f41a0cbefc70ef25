"""Named shadows on a whole core with a whole cloud; and a core whose disk takes no more shadows."""

import asyncio
import contextlib
import dataclasses
import json
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
from botocore.exceptions import ClientError
from tests.support.cloud import ACCOUNT, REGION
from tests.support.core import running_core, until
from tests.support.core_estate import Estate, clients, core_estate, message, row

from hedgerow.contract import SHADOW_SERVICE
from hedgerow.core.app import CoreApp
from hedgerow.core.config import load_config
from hedgerow.policy import core_shadow_policies


@pytest.fixture
async def estate(tmp_path: Path) -> AsyncIterator[Estate]:
    """Make an estate in which A has all its shadows along rows, and they are synchronised."""
    async with core_estate(tmp_path) as made:
        made.a = dataclasses.replace(made.a, sync_shadow=True)
        every = f"$aws/things/{made.a.name}/shadow/#"
        rows = (row(made.a, every, SHADOW_SERVICE), row(SHADOW_SERVICE, every, made.a))
        await made.group.new_version(made.a, made.b, rows=rows)
        yield made


async def allow(estate: Estate, *, named: bool) -> None:
    [text] = core_shadow_policies(region=REGION, account=ACCOUNT, thing_names=["A"], named=named)
    await estate.cloud.iot("create_policy", policyName="shadows-policy", policyDocument=text)
    target = estate.group.core.certificate_arn
    await estate.cloud.iot("attach_policy", policyName="shadows-policy", target=target)


def switch_on(estate: Estate) -> None:
    """Let the core synchronise named shadows."""
    path = estate.root / "config/config.json"
    document = json.loads(path.read_text())
    path.write_text(json.dumps({**document, "hedgerow": {"syncNamedShadows": True, "typo": 1}}))


async def in_cloud(estate: Estate, name: str) -> Any:
    """Return the state of the cloud's copy, None if there is none."""
    try:
        answer = await estate.cloud.call(
            "iot-data", "get_thing_shadow", thingName="A", shadowName=name
        )
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
        return None
    state = json.loads(await asyncio.to_thread(answer["payload"].read))["state"]
    state.pop("delta", None)
    return state


async def update_in_cloud(estate: Estate, name: str, **sections: Any) -> None:
    payload = json.dumps({"state": sections}).encode()
    await estate.cloud.call(
        "iot-data", "update_thing_shadow", thingName="A", shadowName=name, payload=payload
    )


async def heard(device: aiomqtt.Client, on: str) -> dict[str, Any]:
    """Return the next message of a device on this topic of A's shadows."""
    while True:
        where, payload = await message(device)
        if where == f"$aws/things/A/shadow/{on}":
            body: dict[str, Any] = json.loads(payload)
            return body


async def report(device: aiomqtt.Client, path: str, **values: Any) -> None:
    body = json.dumps({"state": {"reported": values}})
    await device.publish(f"$aws/things/A/shadow/{path}update", body, qos=1)


def at_rest(core: CoreApp) -> bool:
    return core.sync.is_on and core.sync.waiting == 0


async def test_named_shadows_of_both_sides_become_alike_and_stay_so(estate: Estate) -> None:
    switch_on(estate)
    await allow(estate, named=True)
    await update_in_cloud(estate, "theirs", desired={"x": 1})
    async with running_core(estate.root) as core:
        await estate.deploy(core)
        async with estate.device(core, estate.a) as a:
            await a.subscribe("$aws/things/A/shadow/#")
            await report(a, "name/ours/", door="shut")
            await heard(a, "name/ours/update/accepted")
            await until(lambda: at_rest(core))
            assert await in_cloud(estate, "ours") == {"reported": {"door": "shut"}}
            await a.publish("$aws/things/A/shadow/name/theirs/get", b"", qos=1)
            got = await heard(a, "name/theirs/get/accepted")
            assert got["state"]["desired"] == {"x": 1}
            await until(lambda: len(clients(estate.cloud)) > 1)
            await update_in_cloud(estate, "ours", desired={"door": "open"})
            assert (await heard(a, "name/ours/update/delta"))["state"] == {"door": "open"}
            await a.publish("$aws/things/A/shadow/name/theirs/delete", b"", qos=1)
            await heard(a, "name/theirs/delete/accepted")
            await until(lambda: at_rest(core))
            assert await in_cloud(estate, "theirs") is None
            listed = await estate.cloud.call(
                "iot-data", "list_named_shadows_for_thing", thingName="A"
            )
            assert listed["results"] == ["ours"]
            assert core.problems == ()
    log = (estate.root / "ggc/var/log/system/runtime.log").read_text()
    assert '"key":"typo"' in log.replace(" ", "")


async def test_by_default_they_stay_on_the_core(estate: Estate) -> None:
    await allow(estate, named=True)
    async with running_core(estate.root) as core:
        await estate.deploy(core)
        async with estate.device(core, estate.a) as a:
            await a.subscribe("$aws/things/A/shadow/#")
            await report(a, "name/ours/", door="shut")
            await heard(a, "name/ours/update/accepted")
            await report(a, "", door="shut")
            await heard(a, "update/accepted")
            await until(lambda: at_rest(core))
            assert await in_cloud(estate, "ours") is None


async def test_what_the_cores_policy_lacks_for_them_is_named(estate: Estate) -> None:
    """With rights to the classic one alone that one is synchronised and no other."""
    switch_on(estate)
    await allow(estate, named=False)
    async with running_core(estate.root) as core:
        await estate.deploy(core)
        async with estate.device(core, estate.a) as a:
            await a.subscribe("$aws/things/A/shadow/#")
            await report(a, "name/ours/", door="shut")
            await heard(a, "name/ours/update/accepted")
            await until(lambda: any("thing/A/ours" in text for text in core.sync._stopped.values()))
            wanted = ("iot:GetThingShadow", "iot:ListNamedShadowsForThing")
            for action in wanted:
                assert any(action in text for text in core.sync._stopped.values())
            assert core.sync.problem in core.problems
            assert await in_cloud(estate, "ours") is None


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """Mount a disk of half a megabyte at a folder; skip the test where that is not allowed."""
    folder.mkdir(parents=True, mode=0o700, exist_ok=True)
    mount = shutil.which("mount")
    if mount is None or not _run(mount, "-t", "tmpfs", "-o", "size=512k,mode=700", "tmpfs", folder):
        pytest.skip("mounting a disk takes more rights than this process has")
    try:
        yield
    finally:
        assert _run("umount", folder)


def _run(*words: object) -> bool:
    done = subprocess.run(list(map(str, words)), check=False, capture_output=True)
    return done.returncode == 0


async def test_a_full_disk_stops_shadow_updates_and_nothing_else(estate: Estate) -> None:
    """They are answered with 500, the log and the problem list say why, and it passes by itself."""
    a, b = estate.a, estate.b
    every = "$aws/things/A/shadow/#"
    await estate.group.new_version(
        dataclasses.replace(a, sync_shadow=False),
        b,
        rows=(
            row(a, every, SHADOW_SERVICE),
            row(SHADOW_SERVICE, every, a),
            row(b, "line/1", a),
        ),
    )
    folder = load_config(estate.root).folders.shadows
    with small_disk(folder):
        async with running_core(estate.root) as core:
            await estate.deploy(core)
            async with estate.device(core, a) as device, estate.device(core, b) as other:
                await device.subscribe("$aws/things/A/shadow/#")
                await device.subscribe("line/1")
                await report(device, "", text="kept")
                await heard(device, "update/accepted")
                filler = folder / "filler"
                with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
                    while True:
                        file.write(b"x" * 1024)
                await report(device, "", text="x" * 7000)
                refused = await heard(device, "update/rejected")
                assert (refused["code"], refused["message"]) == (500, "Internal service failure")
                assert any("full" in problem for problem in core.problems)
                await other.publish("line/1", b"still goes", qos=1)
                assert await message(device) == ("line/1", b"still goes")
                await device.publish("$aws/things/A/shadow/get", b"", qos=1)
                got = await heard(device, "get/accepted")
                assert (got["version"], got["state"]["reported"]) == (1, {"text": "kept"})
                filler.unlink()
                await report(device, "", text="again")
                assert (await heard(device, "update/accepted"))["version"] == 2
                assert core.problems == ()
    log = (estate.root / "ggc/var/log/system/runtime.log").read_text()
    assert "local shadows cannot be kept: database or disk is full" in log
    assert "local shadows are kept again" in log
