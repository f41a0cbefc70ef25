"""The core's local MQTT server as a process of its own: `python -m bench.local_server SITE READY`.

It is the product's `LocalServer` with the verified group of a site's folder (`bench.site`), and
QoS 1 for devices, which its owner can turn on; without a cloud. It writes its port into the file
READY and serves until SIGTERM.
"""

import asyncio
import json
import signal
import sys
from pathlib import Path

import structlog
import uvloop

from bench import site
from hedgerow.core.server import LocalOffer, LocalServer, Serving
from hedgerow.kernel import SystemClock
from hedgerow.mqtt import Message


def main(folder: Path, ready: Path) -> None:
    """Serve what is in the folder."""
    uvloop.run(_serve(folder, ready))


async def _serve(folder: Path, ready: Path) -> None:
    offer = LocalOffer(qos=1)
    server = LocalServer(
        _to_nobody, _to_nobody, clock=SystemClock(), log=structlog.get_logger(), offer=offer
    )
    await server.start(0)
    server.serve_certificate(site.certificate(folder))
    server.serve(Serving.of(*site.verified(folder)))
    told = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
    # A rename, so that whoever waits for the file finds it whole.
    ready.with_suffix(".new").write_text(json.dumps({"port": server.port}))
    ready.with_suffix(".new").rename(ready)
    await told.wait()
    await server.stop()


def _to_nobody(message: Message) -> None:
    raise RuntimeError(f"no row leads out of the broker, but {message.topic} does")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
