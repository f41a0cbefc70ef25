"""The core's queue and link under load, over a network that is cut at random moments."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import structlog
from tests.support.cloud_double import CloudDouble, cloud_double
from tests.support.core import until
from tests.support.link_cutter import Cutter, cutter

from hedgerow.core.config import load_config
from hedgerow.core.link import Backoff, CloudLink, CloudMessage, LinkHandlers, LinkIdentity
from hedgerow.core.spool import CloudQueue, SpoolSettings
from hedgerow.kernel import SystemClock
from hedgerow.mqtt import Limits, Message

TOPICS = 10
_QUEUE_BYTES = 64 * 1_048_576
_BATCH = 5
_PAUSE_SECONDS = 0.005
_PATIENCE_SECONDS = 120.0


@dataclass(frozen=True)
class CutsReport:
    """What came of it. `out_of_order` is counted after duplicates are taken out."""

    cuts: int
    connections: int
    sent: int
    received: int
    duplicates: int
    lost: int
    invented: int
    out_of_order: int
    seconds: float
    problem: str | None
    """What the link said was wrong when all was over."""


async def run_cuts(folder: Path, *, cuts: int, seed: int = 0, window: int = 20) -> CutsReport:
    """Publish to several topics until the network was cut so often, then let everything arrive."""
    received: list[tuple[str, bytes]] = []
    loop, clock, log = asyncio.get_running_loop(), SystemClock(), structlog.get_logger()

    def take(message: Message) -> None:
        received.append((message.topic, message.payload))

    async with cloud_double() as cloud, cutter(cloud.mqtt_port, seed=seed) as network:
        cloud.authority.tapped.append(("load/#", take))
        link = core_link(cloud, folder, network.port)
        queue = CloudQueue(
            folder / "spool", clock=clock, log=log, retry=Backoff(60.0, 1.0), window=window
        )
        queue.open(SpoolSettings(storage="FileSystem", max_size_bytes=_QUEUE_BYTES))
        began = loop.time()
        tasks = [loop.create_task(link.run()), loop.create_task(queue.run(link))]
        try:
            network.cutting = True
            sent = await _publish_until_cut(queue.put, lambda: network.cuts >= cuts, seed)
            network.cutting = False
            await until(lambda: not queue.counters.waiting, _PATIENCE_SECONDS)
            seconds = loop.time() - began
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            queue.close()
        return _judged(sent, received, network, seconds, link.problem)


async def run_cuts_from_cloud(folder: Path, *, cuts: int, seed: int = 0) -> CutsReport:
    """Go the other way: a program publishes to a core with AtLeastOncePersistent."""
    received: list[tuple[str, bytes]] = []
    distinct: set[tuple[str, bytes]] = set()
    loop = asyncio.get_running_loop()

    def take(message: CloudMessage) -> None:
        received.append((message.topic, message.payload))
        distinct.add((message.topic, message.payload))

    # What the cloud does not keep cannot come, so it keeps all.
    limits = Limits(
        session_expiry_s=3600, waiting_messages=1_000_000, outgoing_bytes=2**28, waiting_bytes=2**28
    )
    async with (
        cloud_double(limits=limits) as cloud,
        cutter(cloud.mqtt_port, seed=seed) as network,
    ):
        link = core_link(cloud, folder, network.port, take)
        began = loop.time()
        task = loop.create_task(link.run())
        try:
            link.listen_to(["load/#"], persistent=True)
            await until(lambda: cloud.broker.subscriptions_of("core-1-c00") == ("load/#",))
            network.cutting = True

            def publish(topic: str, body: bytes) -> None:
                cloud.broker.publish("program", topic, body, qos=1)

            sent = await _publish_until_cut(publish, lambda: network.cuts >= cuts, seed)
            network.cutting = False
            await until(lambda: len(distinct) >= sent.total(), _PATIENCE_SECONDS)
            seconds = loop.time() - began
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        return _judged(sent, received, network, seconds, link.problem)


def core_link(
    cloud: CloudDouble,
    folder: Path,
    port: int,
    take: Callable[[CloudMessage], None] = lambda _message: None,
) -> CloudLink:
    """Return the link of a core that reaches its cloud by this port."""
    config = load_config(cloud.root(folder, iotMqttPort=port))
    ignoring = LinkHandlers(
        notice=lambda _message: None,
        message=take,
        connected=lambda: None,
        shadow=lambda _message: None,
        shadows_heard=lambda _filters: None,
    )
    return CloudLink(
        config,
        LinkIdentity.load(config),
        ("notice/t",),
        ignoring,
        clock=SystemClock(),
        log=structlog.get_logger(),
    )


async def _publish_until_cut(
    publish: Callable[[str, bytes], None], enough: Callable[[], bool], seed: int
) -> Counter[str]:
    """Publish numbered messages of random size; return how many there are of each topic."""
    chance = random.Random(seed)  # noqa: S311 - dice of a test
    sent: Counter[str] = Counter()
    async with asyncio.timeout(_PATIENCE_SECONDS * 5):
        while not enough():
            for _ in range(_BATCH):
                topic = f"load/{chance.randrange(TOPICS)}"
                body = b"%d " % sent[topic] + b"x" * chance.randrange(300)
                publish(topic, body)
                sent[topic] += 1
            await asyncio.sleep(_PAUSE_SECONDS)
    return sent


def _judged(
    sent: Counter[str],
    received: list[tuple[str, bytes]],
    network: Cutter,
    seconds: float,
    problem: str | None,
) -> CutsReport:
    seen: dict[str, dict[int, None]] = {topic: {} for topic in sent}
    invented = 0
    for topic, body in received:
        number = int(body.split(b" ", 1)[0])
        if topic not in seen or number >= sent[topic]:
            invented += 1
        else:
            seen[topic].setdefault(number)
    distinct = sum(len(numbers) for numbers in seen.values())
    return CutsReport(
        cuts=network.cuts,
        connections=network.connections,
        sent=sent.total(),
        received=len(received),
        duplicates=len(received) - distinct - invented,
        lost=sent.total() - distinct,
        invented=invented,
        out_of_order=sum(list(numbers) != sorted(numbers) for numbers in seen.values()),
        seconds=seconds,
        problem=problem,
    )
