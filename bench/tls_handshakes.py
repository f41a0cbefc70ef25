"""New connections that the local MQTT server takes, beside mosquitto, by processor time."""

import statistics
from collections import defaultdict
from collections.abc import Iterable

from bench.brokers import (
    HEDGEROW,
    HEDGEROW_RESUMING,
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
WANTED_RATIOS = {HEDGEROW: 1.1, HEDGEROW_RESUMING: 0.9}
VERSIONS = {"TLSv1_3": "TLS 1.3", "TLSv1_2": "TLS 1.2"}

_RESUMED = "Hedgerow, resumed"

_METHOD = f"""\
{SETTING}

{AT_ONCE} devices, each of which makes a full handshake with its certificate, sends CONNECT, reads
the CONNACK, sends DISCONNECT, reads to the end, and begins again, for {SECONDS:.1f} seconds a turn.
{ROUNDS} rounds, each with both versions of TLS. mosquitto gives out session tickets, Hedgerow only
if its owner says so; where it does, devices also come back with the session of their last
connection, which is compared with full handshakes of the same server."""


def measure() -> Section:
    """Run both brokers, let them take turns, and compare."""
    with brokers(HEDGEROW, HEDGEROW_RESUMING, MOSQUITTO) as running:
        rates: dict[tuple[str, str], list[float]] = defaultdict(list)
        for _ in range(ROUNDS):
            for version in VERSIONS:
                for broker in running.values():
                    rates[version, broker.name].append(_turn(broker, version))
                resumed = _turn(running[HEDGEROW_RESUMING], version, "resumed")
                rates[version, _RESUMED].append(resumed)
    rows = [row for version in VERSIONS for row in _rows(version, rates)]
    return Section("New connections to the local MQTT server", _METHOD, tuple(rows))


def _turn(broker: RunningBroker, version: str, *how: str) -> float:
    measured = generate("bench.handshake_load", broker, version, str(SECONDS), *how)
    rate: float = measured["connections"] / measured["cpu"]
    return rate


def _rows(version: str, rates: dict[tuple[str, str], list[float]]) -> Iterable[Row]:
    for name in (HEDGEROW, HEDGEROW_RESUMING, MOSQUITTO, _RESUMED):
        yield Row(
            f"{VERSIONS[version]}: {name}, connections per second of processor time",
            f"{statistics.median(rates[version, name]):,.0f}",
        )
    for name, wanted in WANTED_RATIOS.items():
        ratio = median_ratio(rates[version, name], rates[version, MOSQUITTO])
        yield Row(
            f"{VERSIONS[version]}: {name}, times mosquitto",
            f"{ratio:.2f}",
            f"at least {wanted}",
            ratio >= wanted,
        )
    more = median_ratio(rates[version, _RESUMED], rates[version, HEDGEROW_RESUMING])
    yield Row(
        f"{VERSIONS[version]}: resumed connections, times full ones",
        f"{more:.2f}",
        "more than 1",
        more > 1,
    )


if __name__ == "__main__":
    for row in measure().rows:
        print(row)
