"""Hedgerow's local MQTT server and Debian's mosquitto beside it, with the same keys and table."""

import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from bench.mqtt_client import RunningBroker
from hedgerow.cli.demo.waiting import until

BROKER_CORE = 0
LOAD_CORE = 1
HEDGEROW = "Hedgerow"
MOSQUITTO = "mosquitto"
MOSQUITTO_BUFFERED = "mosquitto, without TCP_NODELAY"
_START_SECONDS = 30
_STOP_SECONDS = 10
_LOG = "brokers.log"

SETTING = """\
Hedgerow is the core's `LocalServer` (uvloop, `TlsListener`, `Broker`, the compiled table) with a
verified group, in a process of its own; mosquitto is Debian's, with `require_certificate`,
`use_identity_as_username`, `set_tcp_nodelay true`, an access list of the same 100 rows and
`max_queued_messages` far above what is ever queued. Both have the same RSA-2048 server key and
certificate and the same RSA-2048 keys of devices, and run at the same time, pinned to one core of
the machine; the load generator has another. They take turns, and what counts is the processor
time (user and system) of the broker's process; ratios are the median of each round's ratio."""

_CONFIGURATION = """\
user root
listener {port} 127.0.0.1
cafile {folder}/device.ca.pem
certfile {folder}/server.cert.pem
keyfile {folder}/server.private.key
require_certificate true
use_identity_as_username true
acl_file {folder}/access.list
set_tcp_nodelay {nodelay}
max_queued_messages 10000000
max_inflight_messages 100
persistence false
log_type error
log_type warning
"""


@contextmanager
def brokers() -> Iterator[dict[str, RunningBroker]]:
    """Run Hedgerow, mosquitto, and mosquitto without TCP_NODELAY, its default."""
    with tempfile.TemporaryDirectory(prefix="hedgerow-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        running = {HEDGEROW: stack.enter_context(_hedgerow(folder))}
        for title, nodelay in ((MOSQUITTO, True), (MOSQUITTO_BUFFERED, False)):
            running[title] = stack.enter_context(_mosquitto(folder, title, nodelay=nodelay))
        yield running


def generate(module: str, broker: RunningBroker, *arguments: str) -> dict[str, Any]:
    """Run a load generator to its end on its own core, and return what it measured."""
    command = [sys.executable, "-m", module, *broker.arguments(), *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        pin(process.pid, LOAD_CORE)
        said, _ = process.communicate(b"go\n")
    if process.returncode != 0:
        raise RuntimeError(f"{module} failed on {broker.name}")
    measured: dict[str, Any] = json.loads(said)
    return measured


def pin(pid: int, core: int) -> None:
    """Keep a process on one core, if the machine has so many."""
    if core in os.sched_getaffinity(0):
        os.sched_setaffinity(pid, {core})


def median_ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Return the median of the ratios of measurements that were taken next to each other."""
    return statistics.median(our / their for our, their in zip(ours, theirs, strict=True))


@contextmanager
def _hedgerow(folder: Path) -> Iterator[RunningBroker]:
    ready = folder / "server.json"
    with _process([sys.executable, "-m", "bench.local_server", str(folder)], folder) as process:
        until(lambda: ready.exists() or process.poll() is not None, HEDGEROW, _START_SECONDS)
        _see_alive(process, HEDGEROW, folder)
        port = json.loads(ready.read_text())["port"]
        yield RunningBroker(
            HEDGEROW, process.pid, port, folder / "hedgerow", folder / "group.ca.pem"
        )


@contextmanager
def _mosquitto(folder: Path, title: str, *, nodelay: bool) -> Iterator[RunningBroker]:
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
    if program is None:
        raise RuntimeError("mosquitto is not installed (Debian: apt-get install mosquitto)")
    port = _free_port()
    configuration = folder / f"mosquitto-{port}.conf"
    configuration.write_text(
        _CONFIGURATION.format(port=port, folder=folder, nodelay=str(nodelay).lower())
    )
    with _process([program, "-c", str(configuration)], folder) as process:
        until(lambda: _listens(port) or process.poll() is not None, title, _START_SECONDS)
        _see_alive(process, title, folder)
        yield RunningBroker(title, process.pid, port, folder / "mosquitto", folder / "group.ca.pem")


@contextmanager
def _process(command: list[str], folder: Path) -> Iterator["subprocess.Popen[bytes]"]:
    with (folder / _LOG).open("ab") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        pin(process.pid, BROKER_CORE)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _see_alive(process: "subprocess.Popen[bytes]", title: str, folder: Path) -> None:
    if process.poll() is not None:
        raise RuntimeError(f"{title} ended at once: {(folder / _LOG).read_text()}")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
