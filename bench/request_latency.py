"""How long a request and its answer take through the local MQTT server, beside mosquitto."""

import os
import statistics
import subprocess
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from bench.brokers import HEDGEROW, MOSQUITTO, SETTING, background, brokers, generate
from bench.mqtt_client import RunningBroker
from bench.mqtt_load import Load
from bench.report import Row, Section
from bench.table import DEVICES, TOPICS

ROUNDS = 3
RATE = 500
SECONDS = 2.0
WANTED_RATIO = 1.5
WANTED_P99_MS = 10.0
_FULL_LOAD = Load(DEVICES[:1], DEVICES[1:2], TOPICS[:1], 3600.0, is_background=True)
_LOWEST_PRIORITY = 19
_ALONE, _BESIDE = "alone", "beside full load"

_METHOD = f"""\
{SETTING}

One device asks another {RATE} times a second and gets as many answers, {2 * RATE:,} messages of 100
bytes at QoS 0, for {SECONDS:.0f} seconds a turn. A request's time is from before it is written to
after its answer is read: two ways through the broker. Once alone, and once while another pair of
devices sends and receives as fast as the broker takes it (one to one, QoS 0, as above). The
generator of that load shares the other core with those who ask and runs at the lowest priority.
{ROUNDS} rounds; percentiles are of all rounds together, ratios the median of each round's."""


def measure() -> Section:
    """Let both brokers take turns, alone and under load."""
    taken: dict[tuple[str, str], list[list[float]]] = defaultdict(list)
    unanswered: dict[str, int] = defaultdict(int)
    with brokers(HEDGEROW, MOSQUITTO) as running:
        for _ in range(ROUNDS):
            for kind in (_ALONE, _BESIDE):
                for name, broker in running.items():
                    measured = _turn(broker, kind)
                    taken[kind, name].append(measured["taken_ms"])
                    unanswered[name] += measured["unanswered"]
    rows = [row for kind in (_ALONE, _BESIDE) for row in _rows(kind, taken)]
    lost = unanswered[HEDGEROW]
    rows.append(
        Row(f"never answered (mosquitto: {unanswered[MOSQUITTO]})", str(lost), "0", not lost)
    )
    return Section("Requests and answers through the local MQTT server", _METHOD, tuple(rows))


def _turn(broker: RunningBroker, kind: str) -> dict[str, Any]:
    if kind == _ALONE:
        return generate("bench.latency_load", broker, str(RATE), str(SECONDS))
    with _full_load(broker):
        return generate("bench.latency_load", broker, str(RATE), str(SECONDS))


@contextmanager
def _full_load(broker: RunningBroker) -> Iterator["subprocess.Popen[bytes]"]:
    with background("bench.mqtt_load", broker, _FULL_LOAD.text()) as process:
        os.setpriority(os.PRIO_PROCESS, process.pid, _LOWEST_PRIORITY)
        yield process


def _rows(kind: str, taken: dict[tuple[str, str], list[list[float]]]) -> Iterable[Row]:
    for name in (HEDGEROW, MOSQUITTO):
        together = [one for turn in taken[kind, name] for one in turn]
        p99 = _percentile(together, 0.99)
        yield Row(f"{kind}: {name}, p50", f"{_percentile(together, 0.5):.2f} ms")
        if name == HEDGEROW and kind == _BESIDE:
            wanted = f"at most {WANTED_P99_MS:.0f} ms"
            yield Row(f"{kind}: {name}, p99", f"{p99:.2f} ms", wanted, p99 <= WANTED_P99_MS)
        else:
            yield Row(f"{kind}: {name}, p99", f"{p99:.2f} ms")
    ratio = statistics.median(
        _percentile(ours, 0.5) / _percentile(theirs, 0.5)
        for ours, theirs in zip(taken[kind, HEDGEROW], taken[kind, MOSQUITTO], strict=True)
    )
    wanted = f"at most {WANTED_RATIO}"
    yield Row(f"{kind}: p50, times mosquitto", f"{ratio:.2f}", wanted, ratio <= WANTED_RATIO)


def _percentile(values: list[float], part: float) -> float:
    return sorted(values)[int(len(values) * part)]


if __name__ == "__main__":
    for row in measure().rows:
        print(row)
