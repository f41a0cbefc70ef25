"""How fast the queue for the cloud empties over a network with a round trip of 50 ms (H02)."""

import asyncio
import tempfile
from pathlib import Path

import structlog
from tests.support.cloud_double import cloud_double
from tests.support.core import until
from tests.support.link_cuts import core_link
from tests.support.link_cutter import cutter

from bench.report import Row, Section
from hedgerow.core.link import Backoff
from hedgerow.core.spool import DEFAULT_WINDOW, CloudQueue, SpoolSettings
from hedgerow.kernel import SystemClock

ROUND_TRIP_SECONDS = 0.05
WINDOWS = {1: 100, DEFAULT_WINDOW: 2000, 100: 5000}
"""Messages that are sent with each window."""

WANTED_RATIO = 15

_METHOD = f"""\
Messages of 100 bytes wait in the queue in memory; the core's link sends them to a broker over a
network in which bytes take {ROUND_TRIP_SECONDS * 500:.0f} ms each way, until all are acknowledged.
One in flight is what V1 did."""


def measure() -> Section:
    """Empty the queue with each window."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    rates = {window: asyncio.run(_rate(window, count)) for window, count in WINDOWS.items()}
    ratio = rates[DEFAULT_WINDOW] / rates[1]
    rows = [Row(f"{window} in flight", f"{rate:.0f} messages/s") for window, rate in rates.items()]
    rows.append(
        Row(
            f"{DEFAULT_WINDOW} beside one",
            f"{ratio:.1f} times",
            f"at least {WANTED_RATIO} times",
            ratio >= WANTED_RATIO,
        )
    )
    return Section("Queue for the cloud, 50 ms away", _METHOD, tuple(rows))


async def _rate(window: int, count: int) -> float:
    clock, log, loop = SystemClock(), structlog.get_logger(), asyncio.get_running_loop()
    with tempfile.TemporaryDirectory() as name:
        async with (
            cloud_double() as cloud,
            cutter(cloud.mqtt_port, delay_s=ROUND_TRIP_SECONDS / 2) as network,
        ):
            folder = Path(name)
            link = core_link(cloud, folder, network.port)
            queue = CloudQueue(
                folder / "spool", clock=clock, log=log, retry=Backoff(60.0, 1.0), window=window
            )
            queue.open(SpoolSettings())
            linking = loop.create_task(link.run())
            await link.wait_connected()
            for _ in range(count):
                queue.put("t", b"x" * 100)
            began = loop.time()
            sending = loop.create_task(queue.run(link))
            await until(lambda: queue.counters.sent == count, 120)
            seconds = loop.time() - began
            for task in (linking, sending):
                task.cancel()
            await asyncio.gather(linking, sending, return_exceptions=True)
            queue.close()
    return count / seconds


if __name__ == "__main__":
    for row in measure().rows:
        print(row)
