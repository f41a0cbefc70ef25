"""A host of several interfaces that come and go, told by a real kernel.

`unshare -rn python -m tests.support.flapping_host` runs the detector in a network of its own and
prints what it published, one list a line.
"""

import asyncio
import json
import sys

import structlog
from tests.support.core import until

from hedgerow.contract import ConnectivityEntry, ConnectivityInfo
from hedgerow.core.addresses import AddressDetector
from hedgerow.kernel import SystemClock

FIRST, SECOND, SIXTH = "10.9.9.1/32", "192.168.77.5/32", "2001:db8::1/128"


class Cloud:
    """Takes what is published, once the server has a certificate for it."""

    def __init__(self) -> None:
        self.served: list[str] = []
        self.lists: list[list[str]] = []

    async def serve_for(self, announced: tuple[ConnectivityEntry, ...]) -> None:
        """Serve a certificate that names these."""
        self.served = [entry.host_address for entry in announced]

    def published(self) -> None:
        """Take note of nothing."""

    async def update_connectivity(self, info: ConnectivityInfo) -> None:
        """Keep a list; one whose certificate does not serve is a fault."""
        addresses = [entry.host_address for entry in info.connectivity_info]
        if addresses != self.served:
            raise RuntimeError("published before it is served")
        self.lists.append(addresses)


async def ip(*arguments: str) -> None:
    """Run the host's `ip`."""
    process = await asyncio.create_subprocess_exec("ip", *arguments)
    if await process.wait() != 0:
        raise RuntimeError(f"ip {arguments} failed")


async def main() -> None:
    """Bring addresses up, let one flap, and see what is published."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    await ip("link", "set", "lo", "up")
    cloud = Cloud()
    detector = AddressDetector(
        cloud, structlog.get_logger(), server=cloud, clock=SystemClock(), pause_seconds=0
    )
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(detector.run())
        detector.switch_on(8883)
        await until(lambda: len(cloud.lists) == 1)
        for address in (FIRST, SIXTH):
            lists = len(cloud.lists)
            await ip("addr", "add", address, "dev", "lo")
            await until(lambda before=lists: len(cloud.lists) > before)  # type: ignore[misc]
        for _ in range(5):
            await ip("addr", "del", FIRST, "dev", "lo")
            await ip("addr", "add", FIRST, "dev", "lo")
        await ip("addr", "add", SECOND, "dev", "lo")
        await until(lambda: "192.168.77.5" in cloud.lists[-1])
        running.cancel()
    for each in cloud.lists:
        sys.stdout.write(json.dumps(each) + "\n")


if __name__ == "__main__":
    asyncio.run(main())
