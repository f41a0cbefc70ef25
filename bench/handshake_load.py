"""The load generator of `bench.tls_handshakes`: devices that connect, are admitted, and leave.

`python -m bench.handshake_load BROKER… VERSION SECONDS [resumed]` waits for a line, then prints
what it measured. With `resumed`, a device comes back with the session of its last connection.
"""

import json
import socket
import ssl
import sys
import threading
import time

from bench.mqtt_client import ACCEPTED, GOODBYE, RunningBroker, connect, device_context
from bench.process import cpu_seconds
from bench.table import DEVICES

AT_ONCE = 8
_WARM_UP_SECONDS = 0.2
_SETTLE_SECONDS = 0.1


def visit(
    port: int, context: ssl.SSLContext, hello: bytes, session: ssl.SSLSession | None = None
) -> ssl.SSLSession | None:
    """Connect with mutual TLS, be admitted, say goodbye, and read to the end.

    Return the session, to come back with. One that is given has to be resumed.
    """
    with (
        socket.create_connection(("127.0.0.1", port)) as plain,
        context.wrap_socket(plain, session=session) as stream,
    ):
        stream.sendall(hello)
        answer = stream.recv(len(ACCEPTED))
        if answer != ACCEPTED:
            raise RuntimeError(f"the broker answered {answer!r} to CONNECT")
        stream.sendall(GOODBYE)
        while stream.recv(1024):
            pass
        if session is not None and not stream.session_reused:
            raise RuntimeError("the broker did not resume the session")
        return stream.session


class Visitors:
    """Devices, each of which connects again as soon as its last connection has ended."""

    def __init__(
        self, broker: RunningBroker, version: ssl.TLSVersion, *, resume: bool = False
    ) -> None:
        self._port = broker.port
        self._resume = resume
        self._devices = [
            (device_context(broker, name, version), connect(name)) for name in DEVICES[:AT_ONCE]
        ]

    def run(self, seconds: float) -> int:
        """Return how many connections were made and ended in about so many seconds."""
        ends = time.monotonic() + seconds
        made: list[int] = []
        threads = [
            threading.Thread(target=self._visit_until, args=(ends, *device, made))
            for device in self._devices
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if len(made) != len(threads):
            raise RuntimeError("a device could not connect; its error is above")
        return sum(made)

    def _visit_until(
        self, ends: float, context: ssl.SSLContext, hello: bytes, made: list[int]
    ) -> None:
        count, session = 0, None
        while time.monotonic() < ends:
            offered = visit(self._port, context, hello, session)
            session = offered if self._resume else None
            count += 1
        made.append(count)


def main(arguments: list[str]) -> None:
    """Measure one broker once."""
    broker = RunningBroker.from_arguments(arguments[:4])
    version, seconds = ssl.TLSVersion[arguments[4]], float(arguments[5])
    sys.stdin.readline()
    visitors = Visitors(broker, version, resume="resumed" in arguments[6:])
    visitors.run(_WARM_UP_SECONDS)
    cpu, start = cpu_seconds(broker.pid), time.monotonic()
    made = visitors.run(seconds)
    taken = time.monotonic() - start
    threading.Event().wait(_SETTLE_SECONDS)  # the broker's work for the last goodbyes counts too
    cpu = cpu_seconds(broker.pid) - cpu
    print(json.dumps({"connections": made, "cpu": cpu, "seconds": taken}))


if __name__ == "__main__":
    main(sys.argv[1:])
