"""The core's local MQTT server as a process of its own: `python -m bench.local_server SITE READY`.

It is the product's `LocalServer` with the verified group of a site's folder (`bench.site`), and
QoS 1 for devices, which its owner can turn on; without a cloud. It writes its port into the file
READY and serves until SIGTERM. With `resume` behind it, devices may resume TLS sessions.
"""

import asyncio
import json
import signal
import sys
from pathlib import Path

import structlog
import uvloop

from bench import site
from hedgerow.core.server import LocalOffer, LocalServer, LocalTls, Serving
from hedgerow.kernel import SystemClock
from hedgerow.mqtt import Message


def main(folder: Path, ready: Path, *, resume: bool) -> None:
    """Serve what is in the folder."""
    uvloop.run(_serve(folder, ready, resume=resume))


async def _serve(folder: Path, ready: Path, *, resume: bool = False) -> None:
    server = LocalServer(
        _to_nobody,
        _to_nobody,
        clock=SystemClock(),
        log=structlog.get_logger(),
        offer=LocalOffer(qos=1),
        tls=LocalTls(resume=resume),
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
    main(Path(sys.argv[1]), Path(sys.argv[2]), resume="resume" in sys.argv[3:])
