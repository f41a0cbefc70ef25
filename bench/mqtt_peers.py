"""Other MQTT brokers with the same devices: messages, and what an idle device costs."""

import shutil
import statistics
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import peers
from bench.brokers import (
    HEDGEROW,
    MOSQUITTO,
    background,
    brokers,
    free_port,
    generate,
    listening,
    median_ratio,
    running,
)
from bench.mqtt_client import RunningBroker
from bench.mqtt_load import Load
from bench.process import pss_mib
from bench.report import Row, Section
from bench.site import site
from bench.table import DEVICES, TOPICS

ROUNDS = 3
SECONDS = 0.8
IDLE = 300
WANTED_KIB = 60
_WARM_UP = 30
_SETTLE_SECONDS = 3.0
_FIRST_IDLE = 400
_PAIR = (DEVICES[:1], DEVICES[1:2], TOPICS[:1], SECONDS)
# What is under way at the end of a turn has to come out, from the slowest of them too.
LOADS = {
    "QoS 0, one to one": Load(*_PAIR, ahead=5_000),
    "QoS 1, 20 in flight": Load(*_PAIR, qos=1, in_flight=20),
}

_METHOD = f"""\
Hedgerow and mosquitto as above, PyPI's `amqtt` and npm's `aedes`, each with mutual TLS, the same
keys and the same rows as far as it can hold them: aedes by a few lines of JavaScript that look rows
up by the name in the certificate; amqtt with what everybody may send together and without a check
of names or receivers, since its lists go by passwords and filters. Messages as above, {ROUNDS}
rounds of {SECONDS:.1f} seconds, at most {LOADS["QoS 0, one to one"].ahead:,} messages under way.
The memory of an idle
device is the growth of the process's proportional set size by {IDLE} devices that have connected
and subscribed, {_SETTLE_SECONDS:.0f} seconds after the last, by device; {_WARM_UP} others came
before them."""


def measure() -> Section:
    """See what idle devices cost while the brokers are fresh, then let them take turns."""
    rows: list[Row] = []
    absent: list[str] = []
    with brokers(HEDGEROW, MOSQUITTO) as taking_part, ExitStack() as stack:
        for name, start in _PEERS.items():
            try:
                taking_part[name] = stack.enter_context(start())
            except peers.PeerMissingError as missing:
                absent.append(f"{name} is not measured here: {missing}.")
        rows += [_idle(broker) for broker in taking_part.values()]
        for name, load in LOADS.items():
            rows += _rows(name, load, taking_part)
    method = " ".join([_METHOD, *absent])
    return Section("Messages and idle devices beside other brokers", method, tuple(rows))


def _rows(kind: str, load: Load, taking_part: dict[str, RunningBroker]) -> Iterator[Row]:
    rates: dict[str, list[float]] = defaultdict(list)
    astray: dict[str, int] = defaultdict(int)
    for _ in range(ROUNDS):
        for name, broker in taking_part.items():
            measured = generate("bench.mqtt_load", broker, load.text())
            rates[name].append(measured["delivered"] / measured["cpu"])
            astray[name] += measured["sent"] - measured["delivered"]
    for name, values in rates.items():
        lost = f", {astray[name]:,} not delivered" if astray[name] else ""
        yield Row(
            f"{kind}: {name}, delivered per second of processor time{lost}",
            f"{statistics.median(values):,.0f}",
        )
    for name in taking_part:
        if name != HEDGEROW:
            yield Row(f"{kind}: times {name}", f"{median_ratio(rates[HEDGEROW], rates[name]):.2f}")


def _idle(broker: RunningBroker) -> Row:
    with background("bench.idle_load", broker, str(_FIRST_IDLE), str(_WARM_UP)):
        before = pss_mib(broker.pid)
        with background("bench.idle_load", broker, str(_FIRST_IDLE + _WARM_UP), str(IDLE)):
            threading.Event().wait(_SETTLE_SECONDS)
            each_kib = (pss_mib(broker.pid) - before) * 1024 / IDLE
    is_ours = broker.name == HEDGEROW
    return Row(
        f"an idle device: {broker.name}",
        f"{each_kib:.0f} KiB",
        f"at most {WANTED_KIB} KiB" if is_ours else "",
        each_kib <= WANTED_KIB if is_ours else None,
    )


@contextmanager
def _amqtt() -> Iterator[RunningBroker]:
    script = Path(__file__).with_name("amqtt_broker.py")
    with _peer("amqtt", str(peers.python()), str(script), str(site())) as broker:
        yield broker


@contextmanager
def _aedes() -> Iterator[RunningBroker]:
    node = shutil.which("node")
    if node is None:
        raise peers.PeerMissingError("node is not installed")
    script = Path(__file__).with_name("aedes_broker.cjs")
    with _peer("aedes", node, str(script), str(peers.node_folder()), str(site())) as broker:
        yield broker


@contextmanager
def _peer(title: str, *command: str) -> Iterator[RunningBroker]:
    port = free_port()
    with (
        TemporaryDirectory(prefix="hedgerow-bench-") as name,
        running([*command, str(port)], Path(name)) as process,
    ):
        yield listening(title, process, port, Path(name))


_PEERS: dict[str, Callable[[], AbstractContextManager[RunningBroker]]] = {
    "amqtt": _amqtt,
    "aedes": _aedes,
}


if __name__ == "__main__":
    for row in measure().rows:
        print(row)
