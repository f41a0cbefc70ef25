"""The shadow clients of the AWS IoT Device SDKs, unchanged, with the cloud and with a core."""

import asyncio
import json
import logging
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from awsiot import ServiceStreamOptions, V2ServiceException, iotshadow
from AWSIoTPythonSDK.core.shadow import shadowManager
from AWSIoTPythonSDK.MQTTLib import AWSIoTMQTTShadowClient
from tests.support.cloud import running_cloud
from tests.support.core_shadows import group_of, shadows_in
from tests.support.device_sdk import PATIENCE_S, sdk_connection
from tests.support.local_server import local_server
from tests.support.pki import Identity
from tests.support.registry import POLICY

from hedgerow.contract import SHADOW_SERVICE
from hedgerow.core.shadow import ShadowRequests

THING = "lamp"
PLACES = ("cloud", "core")


@dataclass(frozen=True)
class Place:
    """Where the thing's shadows are reached, how it proves itself, and what somebody else does."""

    port: int
    roots_pem: str
    identity: Identity
    update_elsewhere: Callable[[bytes], Awaitable[object]]


@asynccontextmanager
async def opened(folder: Path, place: str) -> AsyncIterator[Place]:
    """Open the cloud, or a core on which the thing has rows to and from its own shadows."""
    if place == "cloud":
        async with running_cloud(folder) as cloud:
            lamp = await cloud.enrol(THING, POLICY)
            port = cloud.endpoints.device_mqtt_port

            async def update(payload: bytes) -> None:
                await cloud.call(
                    "iot-data", "update_thing_shadow", thingName=THING, payload=payload
                )

            yield Place(port, cloud.roots_pem, lamp.identity, update)
        return
    topics = f"$aws/things/{THING}/shadow/#"
    rows = [(THING, topics, SHADOW_SERVICE), (SHADOW_SERVICE, topics, THING)]
    with shadows_in(folder, group_of(THING)) as shadows:
        requests = ShadowRequests(shadows.local)
        async with local_server(THING, rows=rows, to_shadows=requests.take) as local:
            shadows.local._publish = local.server.publish_from_shadows
            task = asyncio.get_running_loop().create_task(requests.run())
            [device] = local.double.devices
            roots = local.double.keys.group_ca.certificate_pem

            async def update_here(payload: bytes) -> None:
                shadows.local.update(THING, "", payload)

            try:
                identity = Identity(device.key, device.certificate_pem)
                yield Place(local.server.port, roots, identity, update_here)
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def sdk_v2(place: Place) -> AsyncIterator[iotshadow.IotShadowClientV2]:
    """Connect awsiotsdk's shadow client over MQTT 5."""
    connection = sdk_connection(place.port, place.roots_pem, place.identity, THING)
    async with connection as (client, options):
        yield iotshadow.IotShadowClientV2(client, options)


@pytest.mark.parametrize("place", PLACES)
async def test_awsiotsdk_uses_classic_and_named_shadows(tmp_path: Path, place: str) -> None:
    async with opened(tmp_path, place) as where, sdk_v2(where) as client:
        state = iotshadow.ShadowState(desired={"on": True}, reported={"on": False})
        for name in (None, "config"):
            kind, more = ("_named", {"shadow_name": name}) if name else ("", {})
            await _use_v2(client, kind, more, state)


async def _use_v2(client: Any, kind: str, more: dict[str, Any], state: Any) -> None:
    words = "Named" if kind else ""

    def ask(verb: str, **members: Any) -> Any:
        request = getattr(iotshadow, f"{verb.title()}{words}ShadowRequest")
        members = {"thing_name": THING, **more, **members}
        return asyncio.wrap_future(getattr(client, f"{verb}{kind}_shadow")(request(**members)))

    async with asyncio.timeout(PATIENCE_S):
        with pytest.raises(V2ServiceException) as refused:
            await ask("get")
        assert refused.value.modeled_error.code == 404
        stream, deltas = await _deltas(client, kind, more)
        updated = await ask("update", state=state)
        assert (updated.version, updated.state.desired) == (1, {"on": True})
        delta = await deltas.get()
        assert (delta.version, delta.state) == (1, {"on": True})
        with pytest.raises(V2ServiceException) as refused:
            await ask("update", state=state, version=7)
        assert refused.value.modeled_error.code == 409
        assert refused.value.modeled_error.message == "Version conflict"
        got = await ask("get")
        assert (got.state.reported, got.state.delta) == ({"on": False}, {"on": True})
        assert (await ask("delete")).version == 1
        del stream  # it ends with its object


async def _deltas(client: Any, kind: str, more: dict[str, Any]) -> tuple[Any, "asyncio.Queue[Any]"]:
    """Return a stream and the queue that gets every delta of the shadow from it."""
    loop = asyncio.get_running_loop()
    found: asyncio.Queue[Any] = asyncio.Queue()
    live = asyncio.Event()
    options: ServiceStreamOptions[Any] = ServiceStreamOptions(
        incoming_event_listener=lambda event: loop.call_soon_threadsafe(found.put_nowait, event),
        subscription_status_listener=lambda _status: loop.call_soon_threadsafe(live.set),
    )
    words = "Named" if kind else ""
    request = getattr(iotshadow, f"{words}ShadowDeltaUpdatedSubscriptionRequest")
    create = getattr(client, f"create{kind}_shadow_delta_updated_stream")
    stream = create(request(thing_name=THING, **more), options)
    stream.open()
    await live.wait()
    return stream, found


@pytest.mark.parametrize("place", PLACES)
async def test_the_first_device_sdks_shadow_manager_uses_the_classic_shadow(
    tmp_path: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But for the two seconds that it sleeps after every subscription."""
    impatient = SimpleNamespace(sleep=lambda _seconds: None)
    monkeypatch.setattr(shadowManager, "time", impatient)
    logging.getLogger("AWSIoTPythonSDK").setLevel(logging.ERROR)
    async with opened(tmp_path, place) as where:
        roots = tmp_path / "roots.pem"
        roots.write_text(where.roots_pem)
        certificate, key = where.identity.write(tmp_path, "v1")
        client = AWSIoTMQTTShadowClient(THING)
        client.configureEndpoint("localhost", where.port)
        client.configureCredentials(str(roots), str(key), str(certificate))
        client.configureMQTTOperationTimeout(10)
        with warnings.catch_warnings():
            # It wraps sockets by a function that Python 3.11 warns of.
            warnings.simplefilter("ignore", DeprecationWarning)
            assert await asyncio.to_thread(client.connect)
        shadow = await asyncio.to_thread(client.createShadowHandlerWithName, THING, True)  # noqa: FBT003 - the SDK's
        await _use_v1(shadow, where)
        assert await asyncio.to_thread(client.disconnect)


async def _use_v1(shadow: Any, where: Place) -> None:
    loop = asyncio.get_running_loop()
    answers: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
    deltas: asyncio.Queue[Any] = asyncio.Queue()

    def hear(payload: str, status: str, _token: str) -> None:
        loop.call_soon_threadsafe(answers.put_nowait, (status, json.loads(payload)))

    def hear_delta(payload: str, _status: str, _token: str) -> None:
        loop.call_soon_threadsafe(deltas.put_nowait, json.loads(payload))

    async def ask(operation: Callable[..., object], *words: object) -> tuple[str, Any]:
        await asyncio.to_thread(operation, *words, hear, 10)
        return await answers.get()

    async with asyncio.timeout(PATIENCE_S):
        assert (await ask(shadow.shadowGet))[0] == "rejected"
        await asyncio.to_thread(shadow.shadowRegisterDeltaCallback, hear_delta)
        status, answer = await ask(shadow.shadowUpdate, '{"state":{"reported":{"on":false}}}')
        assert (status, answer["version"]) == ("accepted", 1)
        await where.update_elsewhere(b'{"state":{"desired":{"on":true}}}')
        assert (await deltas.get())["state"] == {"on": True}
        status, answer = await ask(shadow.shadowGet)
        assert (status, answer["state"]["delta"]) == ("accepted", {"on": True})
        assert (await ask(shadow.shadowDelete))[0] == "accepted"
