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
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from bench.mqtt_client import RunningBroker
from bench.site import KEYS, site
from bench.table import DEVICE_COUNT, ROW_COUNT
from hedgerow.cli.demo.waiting import until

BROKER_CORE = 0
LOAD_CORE = 1
HEDGEROW = "Hedgerow"
HEDGEROW_RESUMING = "Hedgerow with session tickets"
MOSQUITTO = "mosquitto"
MOSQUITTO_BUFFERED = "mosquitto, without TCP_NODELAY"
_START_SECONDS = 60
_STOP_SECONDS = 10
_LOG = "brokers.log"

SETTING = f"""\
Hedgerow is the core's `LocalServer` (uvloop, `TlsListener`, `Broker`, the compiled table) with a
verified group of {DEVICE_COUNT:,} devices, {ROW_COUNT:,} rows and QoS 1 turned on, in a process of
its own; mosquitto is Debian's, with `require_certificate`, `use_identity_as_username`,
`set_tcp_nodelay true`, an access list of the same rows and `max_queued_messages` far above what is
ever queued. Both have the same RSA-2048 server key and certificate and the same RSA-2048 keys of
devices ({KEYS} keys under {DEVICE_COUNT:,} certificates), and run at the same time, pinned to one
core of the machine; the load generator has another. They take turns, and what counts is the
processor time (user and system) of the broker's process; ratios are the median of each round's
ratio."""

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
def brokers(*names: str) -> Iterator[dict[str, RunningBroker]]:
    """Run Hedgerow, mosquitto, and mosquitto without TCP_NODELAY, its default; or those named."""
    starters: dict[str, Callable[[Path], AbstractContextManager[RunningBroker]]] = {
        HEDGEROW: partial(_hedgerow, title=HEDGEROW),
        HEDGEROW_RESUMING: partial(_hedgerow, title=HEDGEROW_RESUMING, options=("resume",)),
        MOSQUITTO: partial(_mosquitto, title=MOSQUITTO, nodelay=True),
        MOSQUITTO_BUFFERED: partial(_mosquitto, title=MOSQUITTO_BUFFERED, nodelay=False),
    }
    with tempfile.TemporaryDirectory(prefix="hedgerow-bench-") as name, ExitStack() as stack:
        yield {
            title: stack.enter_context(start(Path(name)))
            for title, start in starters.items()
            if title in (names or (HEDGEROW, MOSQUITTO, MOSQUITTO_BUFFERED))
        }


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


@contextmanager
def background(
    module: str, broker: RunningBroker, *arguments: str
) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a load generator on its core, which prints a line when it is ready, and end it."""
    command = [sys.executable, "-m", module, *broker.arguments(), *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("a process has no pipes")
        pin(process.pid, LOAD_CORE)
        process.stdin.write(b"go\n")
        process.stdin.flush()
        if not process.stdout.readline():
            raise RuntimeError(f"{module} failed on {broker.name}")
        try:
            yield process
        finally:
            process.kill()


def pin(pid: int, core: int) -> None:
    """Keep a process on one core, if the machine has so many."""
    if core in os.sched_getaffinity(0):
        os.sched_setaffinity(pid, {core})


def median_ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Return the median of the ratios of measurements that were taken next to each other."""
    return statistics.median(our / their for our, their in zip(ours, theirs, strict=True))


@contextmanager
def _hedgerow(folder: Path, title: str, options: Sequence[str] = ()) -> Iterator[RunningBroker]:
    ready = folder / f"server-{len(options)}.json"
    command = [sys.executable, "-m", "bench.local_server", str(site()), str(ready), *options]
    with running(command, folder) as process:
        until(lambda: ready.exists() or process.poll() is not None, title, _START_SECONDS)
        see_alive(process, title, folder)
        port = json.loads(ready.read_text())["port"]
        yield RunningBroker(title, process.pid, port, site() / "hedgerow", site() / "group.ca.pem")


@contextmanager
def _mosquitto(folder: Path, title: str, *, nodelay: bool) -> Iterator[RunningBroker]:
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
    if program is None:
        raise RuntimeError("mosquitto is not installed (Debian: apt-get install mosquitto)")
    port = free_port()
    configuration = folder / f"mosquitto-{port}.conf"
    configuration.write_text(
        _CONFIGURATION.format(port=port, folder=site(), nodelay=str(nodelay).lower())
    )
    with running([program, "-c", str(configuration)], folder) as process:
        yield listening(title, process, port, folder)


def listening(
    title: str, process: "subprocess.Popen[bytes]", port: int, folder: Path
) -> RunningBroker:
    """Return a broker that knows devices by their certificates' subjects, once it listens."""
    until(lambda: _listens(port) or process.poll() is not None, title, _START_SECONDS)
    see_alive(process, title, folder)
    return RunningBroker(title, process.pid, port, site() / "named", site() / "group.ca.pem")


@contextmanager
def running(command: list[str], folder: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a broker on its core; what it says goes to a file of the folder."""
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


def see_alive(process: "subprocess.Popen[bytes]", title: str, folder: Path) -> None:
    """Raise if a broker has ended."""
    if process.poll() is not None:
        raise RuntimeError(f"{title} ended at once: {(folder / _LOG).read_text()}")


def free_port() -> int:
    """Return a port that nobody uses."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
