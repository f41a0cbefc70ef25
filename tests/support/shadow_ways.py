"""The ways to a shadow: MQTT and HTTPS and boto3 to the cloud, MQTT and plain calls to a core.

Each asks one request and gives the answer with what was told on the shadow's topics meanwhile.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import msgspec
from botocore.exceptions import ClientError
from tests.support.cloud import DeviceHttps, RunningCloud, running_cloud
from tests.support.core_shadows import Shadows, group_of, shadows_in
from tests.support.local_server import local_server
from tests.support.mqtt_client import MqttClient
from tests.support.shadow_cases import Verb

from hedgerow.contract import (
    SHADOW_SERVICE,
    ShadowId,
    ShadowTopic,
    parse_shadow_topic,
    shadow_http_path,
)
from hedgerow.core.shadow import ShadowRequests
from hedgerow.mqtt import ProtocolVersion
from hedgerow.pki import client_context
from hedgerow.shadow import ShadowError

EVERY_SHADOW = "$aws/things/+/shadow/#"
_OK = 200
_METHODS = {"get": "GET", "update": "POST", "delete": "DELETE"}


@dataclass(frozen=True)
class Told:
    """A message on a topic of a shadow."""

    topic: ShadowTopic
    body: Any


@dataclass(frozen=True)
class Reply:
    """An answer: HTTP's status (or MQTT's code), the body, and what else was told."""

    status: int
    body: Any
    told: tuple[Told, ...]


class Way(Protocol):
    """One way to shadows."""

    takes_bodies: bool
    """Whether a get or a deletion can carry a body: boto3's cannot."""

    async def ask(self, shadow: ShadowId, verb: Verb, body: bytes, notices: int) -> Reply:
        """Ask, and wait for as many notices; of a change its `accepted` answer is one."""


@dataclass
class Hearing:
    """An MQTT client that hears all topics of all shadows."""

    client: MqttClient

    async def next(self) -> Told:
        """Return the next answer or notice; requests are heard too, and passed over."""
        while True:
            message = await self.client.message()
            topic = parse_shadow_topic(message.topic)
            assert topic is not None
            if topic.event:
                return Told(topic, msgspec.json.decode(message.payload))

    async def all(self, count: int) -> tuple[Told, ...]:
        """Return the next so many."""
        return tuple([await self.next() for _ in range(count)])


@dataclass
class OverMqtt:
    """Requests as messages, to the cloud or to a core."""

    hearing: Hearing
    takes_bodies = True

    async def ask(self, shadow: ShadowId, verb: Verb, body: bytes, notices: int) -> Reply:
        """Keep the promise of `Way`."""
        request = ShadowTopic(shadow.thing_name, verb, "", shadow.shadow_name)
        await self.hearing.client.publish(str(request), body)
        answer = await self.hearing.next()
        assert (answer.topic.shadow, answer.topic.verb) == (shadow, verb)
        assert answer.topic.event in {"accepted", "rejected"}
        status = 200 if answer.topic.event == "accepted" else answer.body["code"]
        # Of an update and a deletion the answer is one of the notices.
        told = () if verb == "get" or status != _OK else (answer,)
        return Reply(status, answer.body, (*told, *await self.hearing.all(notices - len(told))))


@dataclass
class OverHttps:
    """Requests on the data plane with a client certificate; notices come over MQTT."""

    https: DeviceHttps
    hearing: Hearing
    takes_bodies = True

    async def ask(self, shadow: ShadowId, verb: Verb, body: bytes, notices: int) -> Reply:
        """Keep the promise of `Way`."""
        path = shadow_http_path(shadow.thing_name, shadow.shadow_name)
        answer = await self.https.request(_METHODS[verb], path, body)
        return Reply(answer.status, answer.json, await self.hearing.all(notices))


@dataclass
class OverBoto3:
    """Calls of `iot-data`; notices come over MQTT."""

    cloud: RunningCloud
    hearing: Hearing
    takes_bodies = False

    async def ask(self, shadow: ShadowId, verb: Verb, body: bytes, notices: int) -> Reply:
        """Keep the promise of `Way`."""
        members: dict[str, Any] = {"thingName": shadow.thing_name}
        if shadow.shadow_name:
            members["shadowName"] = shadow.shadow_name
        if verb == "update":
            members["payload"] = body
        try:
            answer = await self.cloud.call("iot-data", f"{verb}_thing_shadow", **members)
        except ClientError as error:
            facts: Any = error.response
            return Reply(
                facts["ResponseMetadata"]["HTTPStatusCode"],
                {"message": facts["Error"]["Message"]},
                await self.hearing.all(notices),
            )
        payload = msgspec.json.decode(answer["payload"].read())
        return Reply(_OK, payload, await self.hearing.all(notices))


@dataclass
class ByCalls:
    """Plain calls of a core's shadows, as functions will make them."""

    shadows: Shadows
    takes_bodies = True

    async def ask(self, shadow: ShadowId, verb: Verb, body: bytes, notices: int) -> Reply:
        """Keep the promise of `Way`."""
        del notices
        local = self.shadows.local
        self.shadows.published.clear()
        try:
            if verb == "get":
                answer = local.get(shadow.thing_name, shadow.shadow_name, body)
            elif verb == "update":
                answer = local.update(shadow.thing_name, shadow.shadow_name, body)
            else:
                answer = local.delete(shadow.thing_name, shadow.shadow_name, body)
        except ShadowError as error:
            return Reply(error.status, msgspec.json.decode(error.payload(0)), ())
        told = [(parse_shadow_topic(topic), told) for topic, told in self.shadows.published]
        return Reply(
            _OK, msgspec.json.decode(answer), tuple(Told(t, b) for t, b in told if t is not None)
        )


@asynccontextmanager
async def to_the_cloud(folder: Path, kind: str) -> AsyncIterator[Way]:
    """Open a way to a whole cloud: `mqtt`, `https` or `boto3`."""
    async with running_cloud(folder) as cloud, AsyncExitStack() as held:
        device = await cloud.enrol("observer", _EVERYTHING)
        context = client_context(
            cloud.roots_pem, device.identity.key, device.identity.certificate_pem
        )
        client = await held.enter_async_context(
            await MqttClient.open(
                "127.0.0.1",
                cloud.endpoints.device_mqtt_port,
                tls=context,
                server_hostname="localhost",
                version=ProtocolVersion.V5,
            )
        )
        assert (await client.connect("observer")).reason == 0
        await client.subscribe(EVERY_SHADOW)
        hearing = Hearing(client)
        if kind == "mqtt":
            yield OverMqtt(hearing)
        elif kind == "https":
            yield OverHttps(await held.enter_async_context(cloud.https(device.identity)), hearing)
        else:
            yield OverBoto3(cloud, hearing)


@asynccontextmanager
async def to_a_core(folder: Path, kind: str, things: Sequence[str]) -> AsyncIterator[Way]:
    """Open a way to the shadows of these members of a core's group: `mqtt` or `calls`."""
    with shadows_in(folder, group_of(*things)) as shadows:
        if kind == "calls":
            yield ByCalls(shadows)
            return
        requests = ShadowRequests(shadows.local)
        rows = [
            ("observer", EVERY_SHADOW, SHADOW_SERVICE),
            (SHADOW_SERVICE, EVERY_SHADOW, "observer"),
        ]
        async with local_server("observer", rows=rows, to_shadows=requests.take) as local:
            shadows.local._publish = local.server.publish_from_shadows
            task = asyncio.get_running_loop().create_task(requests.run())
            try:
                async with await local.connected(local.double.devices[0]) as client:
                    await client.subscribe(EVERY_SHADOW)
                    yield OverMqtt(Hearing(client))
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)


_EVERYTHING = (
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:*","Resource":"*"}]}'
)
