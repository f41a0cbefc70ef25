"""Requests to shadows from the broker: bounded, in order, and one failure ends no other."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.support.clock import ManualClock
from tests.support.registry import HOME, registry

from hedgerow.cloud.broker import ShadowRequests
from hedgerow.cloud.broker.thing_requests import MAX_WAITING, MAX_WAITING_PER_THING
from hedgerow.cloud.iot_data import ShadowService
from hedgerow.contract import CLASSIC, shadow_topic
from hedgerow.mqtt import Message


class Published:
    """Collects what is published and lets a test wait for it."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()

    def __call__(self, topic: str, payload: bytes) -> None:
        self._queue.put_nowait((topic, msgspec.json.decode(payload)))

    async def next(self) -> tuple[str, Any]:
        async with asyncio.timeout(5):
            return await self._queue.get()

    @property
    def empty(self) -> bool:
        return self._queue.empty()


def message(topic: str, payload: bytes = b"") -> Message:
    return Message(topic, payload, qos=0, source="cloud")


@pytest.fixture
async def shadows(tmp_path: Path) -> AsyncIterator[ShadowService]:
    async with registry(tmp_path) as registrar:
        yield ShadowService(registrar.store, HOME, ManualClock())


async def test_more_requests_than_may_wait_are_answered_with_429(shadows: ShadowService) -> None:
    published = Published()
    requests = ShadowRequests(shadows, published)
    for _ in range(MAX_WAITING_PER_THING + 1):
        requests.take(message(shadow_topic("lamp", "get")))
    topic, answer = await published.next()
    assert (topic, answer["code"]) == (shadow_topic("lamp", "get", "rejected"), 429)
    requests.take(message(shadow_topic("fan", "get")))
    await requests.start()
    for _ in range(MAX_WAITING_PER_THING):
        assert (await published.next())[1]["code"] == 404
    assert (await published.next())[0] == shadow_topic("fan", "get", "rejected")
    requests.take(message(shadow_topic("lamp", "get")))
    assert (await published.next())[1]["code"] == 404
    await requests.stop()
    assert published.empty


async def test_all_things_together_have_a_limit_as_well(shadows: ShadowService) -> None:
    published = Published()
    requests = ShadowRequests(shadows, published)
    for number in range(MAX_WAITING + 1):
        requests.take(message(shadow_topic(f"t{number}", "get")))
    topic, answer = await published.next()
    assert (topic, answer["code"]) == (shadow_topic(f"t{MAX_WAITING}", "get", "rejected"), 429)


@pytest.mark.parametrize(
    "topic", ["a/b", "$aws/things/lamp/shadow/get/accepted", "$aws/things/lamp/shadow/name/n"]
)
async def test_what_is_no_request_is_not_taken(shadows: ShadowService, topic: str) -> None:
    published = Published()
    requests = ShadowRequests(shadows, published)
    requests.take(message(topic))
    requests.take(message(shadow_topic("lamp", "get")))
    await requests.start()
    assert (await published.next())[0] == shadow_topic("lamp", "get", "rejected")
    await requests.stop()
    assert published.empty


async def test_a_will_is_no_request(shadows: ShadowService) -> None:
    published = Published()
    requests = ShadowRequests(shadows, published)
    requests.take(dataclasses.replace(message(shadow_topic("lamp", "delete")), is_will=True))
    requests.take(message(shadow_topic("lamp", "get")))
    await requests.start()
    assert (await published.next())[0] == shadow_topic("lamp", "get", "rejected")
    await requests.stop()
    assert published.empty


class _BrokenOnce(ShadowService):
    """A shadow service with a bug that shows once."""

    broken = True

    async def get(
        self, thing_name: str, payload: bytes = b"", *, shadow_name: str = CLASSIC
    ) -> bytes:
        if self.broken:
            self.broken = False
            raise RuntimeError("secret detail")
        return await super().get(thing_name, payload, shadow_name=shadow_name)


async def test_a_failure_of_ours_is_answered_without_detail_and_ends_nothing(
    tmp_path: Path,
) -> None:
    async with registry(tmp_path) as registrar:
        published = Published()
        requests = ShadowRequests(_BrokenOnce(registrar.store, HOME, ManualClock()), published)
        await requests.start()
        requests.take(message(shadow_topic("lamp", "get")))
        assert (await published.next())[1] == {
            "code": 500,
            "message": "Internal service failure",
            "timestamp": int(ManualClock().now().timestamp()),
        }
        requests.take(message(shadow_topic("lamp", "get")))
        assert (await published.next())[1]["code"] == 404
        await requests.stop()
