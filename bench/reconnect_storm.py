"""A whole fleet that reconnects at once, what others notice of it, and what an idle one costs.

`python -m bench.reconnect_storm [COUNT]` runs it alone.
"""

import json
import ssl
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from bench.brokers import HEDGEROW, LOAD_CORE, MOSQUITTO, SETTING, brokers, pin
from bench.mqtt_client import RecordStream, RunningBroker, device_context, publish
from bench.process import cpu_seconds, pss_mib
from bench.report import Row, Section
from bench.storm_load import FIRST
from bench.table import DEVICE_COUNT, DEVICES, TOPICS

COUNT = DEVICE_COUNT - FIRST
WANTED_SECONDS = 20
WANTED_P99_MS = 100
WANTED_KIB = 60
_PACE_SECONDS = 0.005
_QUIET_SECONDS = 2.0
_SETTLE_SECONDS = 3.0
_PAYLOAD = b"x" * 100

_METHOD = f"""\
{SETTING}

{{count:,}} devices connect at the same moment with full TLS 1.3 handshakes and stay; one that is
turned away tries again after a second. Meanwhile one device sends another a message every
{_PACE_SECONDS * 1000:.0f} ms; its latency is the time from before it is written to after it is
read. The generator shares its core with these two and runs at a lower priority, and does as much
work for a handshake as the broker. The memory of an idle device is the growth of the broker's
proportional set size from before the storm to {_SETTLE_SECONDS:.0f} seconds after it, by device."""


class Watched:
    """A device that sends another one messages, and how long each took."""

    def __init__(self, broker: RunningBroker) -> None:
        self._sender, self._receiver = (
            RecordStream(broker, name, device_context(broker, name, ssl.TLSVersion.TLSv1_3))
            for name in DEVICES[:FIRST]
        )
        self._receiver.subscribe(TOPICS[0])
        self._frame = publish(TOPICS[0], _PAYLOAD)
        self._over = threading.Event()
        self.taken_ms: list[float] = []

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Send messages until the block ends."""
        self._over.clear()
        self.taken_ms = []
        thread = threading.Thread(target=self._send)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()

    def percentile(self, part: float) -> float:
        """Return the latency, in milliseconds, that this part of the messages did not exceed."""
        return sorted(self.taken_ms)[min(int(len(self.taken_ms) * part), len(self.taken_ms) - 1)]

    def close(self) -> None:
        """Leave."""
        self._sender.close()
        self._receiver.close()

    def _send(self) -> None:
        while not self._over.wait(_PACE_SECONDS):
            began = time.perf_counter()
            self._sender.send(self._frame)
            self._receiver.expect(self._frame)
            self.taken_ms.append((time.perf_counter() - began) * 1000)


def measure(count: int = COUNT) -> Section:
    """Storm both brokers in turn."""
    rows: list[Row] = []
    with brokers(HEDGEROW, MOSQUITTO) as running:
        for broker in running.values():
            rows += _storm(broker, count, wanted=broker.name == HEDGEROW)
    return Section("A fleet that reconnects at once", _METHOD.format(count=count), tuple(rows))


def _storm(broker: RunningBroker, count: int, *, wanted: bool) -> Iterator[Row]:
    command = [sys.executable, "-m", "bench.storm_load", *broker.arguments(), str(count)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as fleet:
        assert fleet.stdin is not None
        assert fleet.stdout is not None
        pin(fleet.pid, LOAD_CORE)
        fleet.stdout.readline()
        watched = Watched(broker)
        with watched.watching():
            threading.Event().wait(_QUIET_SECONDS)
        quiet = watched.percentile(0.99)
        before, cpu = pss_mib(broker.pid), cpu_seconds(broker.pid)
        with watched.watching():
            fleet.stdin.write("go\n")
            fleet.stdin.flush()
            told = json.loads(fleet.stdout.readline())
        cpu = cpu_seconds(broker.pid) - cpu
        threading.Event().wait(_SETTLE_SECONDS)
        each_kib = (pss_mib(broker.pid) - before) * 1024 / max(told["admitted"], 1)
        watched.close()
        fleet.stdin.close()
    p99 = watched.percentile(0.99)
    seconds = told["last"] or float("inf")
    all_in = told["admitted"] == count
    yield Row(
        f"{broker.name}: seconds until the last of {told['admitted']:,} was admitted "
        f"(half of them: {told['median']:.1f})",
        f"{seconds:.1f}",
        f"at most {WANTED_SECONDS}, all" if wanted else "",
        (all_in and seconds <= WANTED_SECONDS) if wanted else None,
    )
    yield Row(f"{broker.name}: attempts that failed first", f"{told['failures']:,}")
    yield Row(f"{broker.name}: processor seconds of it", f"{cpu:.1f}")
    yield Row(
        f"{broker.name}: p99 of those connected meanwhile (median "
        f"{statistics.median(watched.taken_ms):.1f} ms, longest {max(watched.taken_ms):.1f} ms, "
        f"p99 before {quiet:.1f} ms)",
        f"{p99:.1f} ms",
        f"at most {WANTED_P99_MS} ms" if wanted else "",
        p99 <= WANTED_P99_MS if wanted else None,
    )
    yield Row(
        f"{broker.name}: memory of an idle device",
        f"{each_kib:.1f} KiB",
        f"at most {WANTED_KIB} KiB" if wanted else "",
        each_kib <= WANTED_KIB if wanted else None,
    )


if __name__ == "__main__":
    for row in measure(int(sys.argv[1]) if len(sys.argv) > 1 else COUNT).rows:
        print(row)
