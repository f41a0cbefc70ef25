"""The fleet of `bench.reconnect_storm`: devices that all connect at once, and stay.

`python -m bench.storm_load BROKER… COUNT` waits for a line when it is ready, prints what it
measured when all are in, and ends when it is told to by the end of its input. A device whose
attempt fails tries again after a second, as device SDKs do.
"""

import asyncio
import json
import os
import ssl
import sys
import time
from dataclasses import dataclass, field

import uvloop

from bench.mqtt_client import ACCEPTED, RunningBroker, connect, device_context
from bench.table import DEVICES

FIRST = 2
"""The first two devices are those whose messages are watched meanwhile."""
_RETRY_SECONDS = 1.0
_GIVE_UP_SECONDS = 60.0


@dataclass
class Fleet:
    """What became of it."""

    began: float = 0.0
    admitted: list[float] = field(default_factory=list)
    failures: int = 0
    streams: list[asyncio.StreamWriter] = field(default_factory=list)

    def told(self) -> str:
        """Return it as JSON."""
        taken = sorted(moment - self.began for moment in self.admitted)
        return json.dumps(
            {
                "admitted": len(taken),
                "failures": self.failures,
                "median": taken[len(taken) // 2] if taken else None,
                "last": taken[-1] if taken else None,
            }
        )


async def come_back(
    broker: RunningBroker, context: ssl.SSLContext, name: str, fleet: Fleet
) -> None:
    """Connect until admitted."""
    while time.monotonic() - fleet.began < _GIVE_UP_SECONDS:
        try:
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", broker.port, ssl=context, ssl_handshake_timeout=_GIVE_UP_SECONDS
            )
            writer.write(connect(name))
            answer = await reader.readexactly(len(ACCEPTED))
        except (OSError, asyncio.IncompleteReadError):
            fleet.failures += 1
            await asyncio.sleep(_RETRY_SECONDS)
            continue
        if answer != ACCEPTED:
            raise RuntimeError(f"the broker answered {answer!r} to CONNECT")
        fleet.admitted.append(time.monotonic())
        fleet.streams.append(writer)
        return


async def storm(broker: RunningBroker, count: int) -> None:
    """Let `count` devices connect at once when told."""
    names = DEVICES[FIRST : FIRST + count]
    contexts = [(device_context(broker, name, ssl.TLSVersion.TLSv1_3), name) for name in names]
    fleet = Fleet()
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    fleet.began = time.monotonic()
    async with asyncio.TaskGroup() as tasks:
        for context, name in contexts:
            tasks.create_task(come_back(broker, context, name, fleet))
    print(fleet.told(), flush=True)
    await asyncio.to_thread(sys.stdin.readline)


def main(arguments: list[str]) -> None:
    """Storm one broker once."""
    os.nice(10)  # those whose messages are watched are on the same core, and come first
    uvloop.run(storm(RunningBroker.from_arguments(arguments[:4]), int(arguments[4])))


if __name__ == "__main__":
    main(sys.argv[1:])
