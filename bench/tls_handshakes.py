"""New connections that the local MQTT server takes, beside mosquitto, by processor time."""

import statistics
from collections import defaultdict
from collections.abc import Iterable

from bench.brokers import (
    HEDGEROW,
    MOSQUITTO,
    SETTING,
    brokers,
    generate,
    median_ratio,
)
from bench.handshake_load import AT_ONCE
from bench.mqtt_client import RunningBroker
from bench.report import Row, Section

ROUNDS = 5
SECONDS = 0.8
WANTED_RATIO = 0.7
VERSIONS = {"TLSv1_3": "TLS 1.3", "TLSv1_2": "TLS 1.2"}

_METHOD = f"""\
{SETTING}

{AT_ONCE} devices, each of which makes a full handshake with its certificate, sends CONNECT, reads
the CONNACK, sends DISCONNECT, reads to the end, and begins again, for {SECONDS:.1f} seconds a turn.
{ROUNDS} rounds, each with both versions of TLS. No session is resumed."""


def measure() -> Section:
    """Run both brokers, let them take turns, and compare."""
    with brokers() as running:
        taking_part = [running[name] for name in (HEDGEROW, MOSQUITTO)]
        rates: dict[tuple[str, str], list[float]] = defaultdict(list)
        for _ in range(ROUNDS):
            for version in VERSIONS:
                for broker in taking_part:
                    rates[version, broker.name].append(_turn(broker, version))
    rows = [row for version in VERSIONS for row in _rows(version, rates)]
    return Section("New connections to the local MQTT server", _METHOD, tuple(rows))


def _turn(broker: RunningBroker, version: str) -> float:
    measured = generate("bench.handshake_load", broker, version, str(SECONDS))
    rate: float = measured["connections"] / measured["cpu"]
    return rate


def _rows(version: str, rates: dict[tuple[str, str], list[float]]) -> Iterable[Row]:
    for name in (HEDGEROW, MOSQUITTO):
        yield Row(
            f"{VERSIONS[version]}: {name}, connections per second of processor time",
            f"{statistics.median(rates[version, name]):,.0f}",
        )
    ratio = median_ratio(rates[version, HEDGEROW], rates[version, MOSQUITTO])
    yield Row(
        f"{VERSIONS[version]}: times mosquitto",
        f"{ratio:.2f}",
        f"at least {WANTED_RATIO}",
        ratio >= WANTED_RATIO,
    )


if __name__ == "__main__":
    for row in measure().rows:
        print(row)
