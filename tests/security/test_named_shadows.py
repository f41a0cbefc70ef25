"""A right to one shadow of a thing is none to another: over MQTT, through boto3, and on a core."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.support.cloud import RunningCloud, running_cloud
from tests.support.cloud_edge import CloudEdge, cloud_edge, mqtt_device
from tests.support.core_shadows import group_of, shadows_in
from tests.support.local_server import local_server
from tests.support.registry import allow, issued, policy
from tests.support.websockets import iam_policy, iam_user, may

from hedgerow.contract import SHADOW_SERVICE, ShadowId
from hedgerow.core.shadow import ShadowRequests
from hedgerow.shadow import ShadowError

CLASSIC = "$aws/things/lamp/shadow/update"
NAMED = "$aws/things/lamp/shadow/name/config/update"
UPDATE = b'{"state":{"reported":{"x":1}}}'
_NOT_AUTHORIZED = 0x87


@pytest.fixture
async def edge(tmp_path: Path) -> AsyncIterator[CloudEdge]:
    async with cloud_edge(tmp_path) as opened:
        yield opened


@pytest.mark.promise(1)
@pytest.mark.parametrize(
    ("allowed", "tried"),
    [
        (CLASSIC, NAMED),
        (NAMED, CLASSIC),
        (NAMED, NAMED.replace("config", "other")),
        ("$aws/things/lamp/shadow/*", f"{NAMED}/accepted"),
        ("$aws/things/lamp/shadow/*", f"{NAMED}/documents"),
        ("$aws/things/lamp/shadow/*", NAMED.replace("lamp", "fan")),
    ],
)
async def test_a_device_reaches_the_shadow_that_its_policy_names_and_no_other(
    edge: CloudEdge, allowed: str, tried: str
) -> None:
    identity = issued()
    text = policy(allow("iot:Connect", "client/lamp"), allow("iot:Publish", f"topic/{allowed}"))
    await edge.registrar.enrol("lamp", identity, text)
    async with mqtt_device(edge, identity, "lamp") as lamp:
        await lamp.publish(tried, UPDATE, 0)
        assert (await lamp.ended()).code == _NOT_AUTHORIZED
    for thing, name in (("lamp", ""), ("lamp", "config"), ("lamp", "other"), ("fan", "config")):
        with pytest.raises(ShadowError, match="No shadow exists"):
            await edge.shadows.get(thing, shadow_name=name)


@pytest.mark.promise(1)
@pytest.mark.parametrize(("own", "other"), [("", "config"), ("config", ""), ("config", "other")])
async def test_a_program_reaches_the_shadow_that_its_policy_names_and_no_other(
    tmp_path: Path, own: str, other: str
) -> None:
    async with running_cloud(tmp_path) as cloud:
        thing = "thing/lamp/config" if own else "thing/lamp"
        keys = await iam_user(cloud, "watcher", iam_policy(may("iot:*ThingShadow", thing)))
        program = RunningCloud(
            cloud.app,
            cloud.data_dir,
            credentials={
                "aws_access_key_id": keys.id,
                "aws_secret_access_key": keys.secret,
            },
        )

        async def ask(operation: str, name: str, **members: Any) -> Any:
            which = {"shadowName": name} if name else {}
            return await program.call("iot-data", operation, thingName="lamp", **which, **members)

        await ask("update_thing_shadow", own, payload=UPDATE)
        for operation in ("get_thing_shadow", "delete_thing_shadow"):
            with pytest.raises(ClientError, match=r"lamp") as refused:
                await ask(operation, other)
            assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
        with pytest.raises(ClientError) as refused:
            await ask("update_thing_shadow", other, payload=UPDATE)
        assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
        with pytest.raises(ClientError):
            await ask("list_named_shadows_for_thing", "")
        assert json.loads((await ask("get_thing_shadow", own))["payload"].read())["version"] == 1
        program.close_clients()


@pytest.mark.promise(3)
@pytest.mark.parametrize(
    ("row", "tried"),
    [
        (CLASSIC, NAMED),
        (NAMED, CLASSIC),
        ("$aws/things/lamp/shadow/+", NAMED),
        (NAMED, NAMED.replace("config", "other")),
        ("$aws/things/+/shadow/name/+/get", NAMED),
    ],
)
async def test_a_row_to_one_shadow_on_a_core_leads_to_no_other(
    tmp_path: Path, row: str, tried: str
) -> None:
    open_row = "$aws/things/lamp/shadow/name/open/update"
    rows = [
        ("lamp", row, SHADOW_SERVICE),
        ("lamp", open_row, SHADOW_SERVICE),
        (SHADOW_SERVICE, "$aws/things/lamp/shadow/#", "lamp"),
    ]
    with shadows_in(tmp_path, group_of("lamp")) as shadows:
        requests = ShadowRequests(shadows.local)
        async with local_server("lamp", rows=rows, to_shadows=requests.take) as local:
            shadows.local._publish = local.server.publish_from_shadows
            task = asyncio.get_running_loop().create_task(requests.run())
            async with await local.connected(local.double.devices[0]) as lamp:
                await lamp.subscribe("$aws/things/lamp/shadow/#")
                await lamp.publish(tried, UPDATE)
                await lamp.publish(open_row, UPDATE)
                assert (await lamp.message()).topic == f"{open_row}/accepted"
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        for name in ("", "config", "other"):
            assert shadows.local.kept(ShadowId("lamp", name)).shadow.version == 0
