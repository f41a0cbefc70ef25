"""Hedgerow's engine where a test suite expects mosquitto: `python -m bench.conformance.stand_in`.

It takes mosquitto's `-p PORT` and `-c FILE`, and serves plaintext there through the adapter; what
the broker itself sees is mutual TLS.
"""

import asyncio
import contextlib
import shutil
import signal
import socket
import sys

import uvloop

from bench.conformance.adapter import Adapter
from bench.conformance.open_door import ListedAuthority, open_door
from bench.conformance.options import Options, read
from hedgerow.kernel import SystemClock
from hedgerow.mqtt import NO_KEEPER
from hedgerow.mqtt.keeping import FileKeeper

_REFUSED_FILTERS = frozenset({"test/nosubscribe"})
"""The filter that paho's suites want to be refused."""


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    options = read(sys.argv[1:])
    listening = [socket.create_server(("127.0.0.1", port)) for port in options.ports]
    uvloop.run(_serve(options, listening))


async def _serve(options: Options, listening: list[socket.socket]) -> None:
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    keeper = None
    if options.persistence is not None:
        if not options.persistence_marker.exists():
            # A suite that wants a fresh start deletes mosquitto's one file.
            shutil.rmtree(options.persistence, ignore_errors=True)
            options.persistence_marker.touch()
        keeper = FileKeeper(options.persistence, seal=None, clock=SystemClock())
        keeper.open()
    with contextlib.ExitStack() as closing:
        if keeper is not None:
            closing.callback(keeper.close)
        authority = ListedAuthority(no_subscribe=_REFUSED_FILTERS)
        async with open_door(
            options.limits, authority=authority, keeper=keeper or NO_KEEPER
        ) as door:
            adapters = [
                Adapter(
                    door.context_of,
                    door.listener.port,
                    as_mosquitto_writes=options.as_mosquitto_writes,
                )
                for _ in listening
            ]
            for adapter, sock in zip(adapters, listening, strict=True):
                await adapter.start(sock)
            await told.wait()
            for adapter in adapters:
                await adapter.stop()


if __name__ == "__main__":
    main()
