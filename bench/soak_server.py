"""The broker of the soak: `python -m bench.soak_server FOLDER NAME…` serves until SIGTERM.

It is a `Broker` with everything on, behind mutual TLS, with sessions kept in files. It writes the
keys and certificates of the named clients into the folder, then `server.json`.
"""

import asyncio
import json
import signal
import sys
from pathlib import Path

import uvloop

from bench.conformance.open_door import open_door
from hedgerow.kernel import SystemClock
from hedgerow.mqtt import Limits
from hedgerow.mqtt.keeping import FileKeeper

_LIMITS = Limits(
    maximum_qos=2,
    retain_available=True,
    session_expiry_s=3600,
    shared_subscriptions=True,
    in_flight=1000,
    waiting_messages=20_000,
    outgoing_bytes=8 * 1024 * 1024,
    waiting_bytes=64 * 1024 * 1024,
)


def main(folder: Path, names: list[str]) -> None:
    """Serve."""
    uvloop.run(_serve(folder, names))


async def _serve(folder: Path, names: list[str]) -> None:
    told = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
    keeper = FileKeeper(folder / "sessions", seal=None, clock=SystemClock())
    keeper.open()
    try:
        async with open_door(_LIMITS, keeper=keeper) as door:
            for name, identity in zip(names, door.identities(names), strict=True):
                identity.write(folder / "clients", name)
            (folder / "roots.pem").write_text(door.root_pem)
            # A rename, so that whoever waits for the file finds it whole.
            (folder / "server.new").write_text(json.dumps({"port": door.listener.port}))
            (folder / "server.new").rename(folder / "server.json")
            await told.wait()
            counters = door.broker.counters
            left = {
                "received": counters.messages_received,
                "delivered": counters.messages_delivered,
                "dropped": counters.messages_dropped,
                "connections": counters.connections,
                "refusals": dict(counters.refusals),
            }
            (folder / "counters.json").write_text(json.dumps(left))
    finally:
        keeper.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
