"""Messages that the local MQTT server delivers, beside mosquitto, by processor time."""

import statistics
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from bench.brokers import (
    HEDGEROW,
    MOSQUITTO,
    MOSQUITTO_BUFFERED,
    SETTING,
    brokers,
    generate,
    median_ratio,
)
from bench.mqtt_client import RunningBroker
from bench.mqtt_load import PAYLOAD, RECORDS_PER_SEND, Load
from bench.report import Row, Section
from bench.table import ALARM, COLLECTOR, DEVICES, HEARERS, METERING, METERS, SIREN, TOPICS

ROUNDS = 3
SECONDS = 0.8
QUIET_RATE = 20_000
QUIET_SECONDS = 1.5
IN_FLIGHT = 20
_PAIR = (DEVICES[:1], DEVICES[1:2])

_METHOD = f"""\
{SETTING}

Mutual TLS 1.3, {len(PAYLOAD)}-byte payloads. Every message, and every acknowledgement of a
subscriber, is a TLS record of its own, encrypted one by one and handed to the kernel up to
{RECORDS_PER_SEND} at a time, which keeps the generator cheap; it publishes as fast as TCP lets it
for {SECONDS:.1f} seconds a turn after a warm-up, then waits until the last message is out. Only
what arrives at the subscribers counts, by its bytes; what was sent and did not arrive is a row of
its own. {ROUNDS} rounds. With ten topics in turn, neighbouring messages differ. With QoS 1 the
publisher has {IN_FLIGHT} messages in flight, and the subscriber takes them with QoS 1. Refused are
messages of a device on a topic without a row for it: the broker has seen all of them when it
answers a PINGREQ after the last. At ease, the publisher sends {QUIET_RATE:,} messages a second,
each by itself, for {QUIET_SECONDS:.1f} seconds a turn: the broker finds one at a time and has
nothing to batch."""


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of load, and against what mosquitto it is held."""

    name: str
    load: Load
    wanted: float | None = None
    beside: tuple[str, ...] = (MOSQUITTO,)

    @property
    def counted(self) -> str:
        """Return what is counted."""
        return "delivered" if self.load.copies else "refused"


CASES = (
    Case(
        "QoS 0, one to one",
        Load(*_PAIR, TOPICS[:1], SECONDS),
        4.0,
        (MOSQUITTO, MOSQUITTO_BUFFERED),
    ),
    Case("QoS 0, ten topics in turn", Load(*_PAIR, TOPICS, SECONDS)),
    Case("QoS 0, one to fifty", Load([SIREN], HEARERS, [ALARM], SECONDS, copies=50), 20.0),
    Case("QoS 0, fifty to one", Load(METERS, [COLLECTOR], [METERING], SECONDS), 3.0),
    Case("QoS 1", Load(*_PAIR, TOPICS[:1], SECONDS, qos=1, in_flight=IN_FLIGHT), 2.0),
    Case("QoS 1, ten topics in turn", Load(*_PAIR, TOPICS, SECONDS, qos=1, in_flight=IN_FLIGHT)),
    Case("refused", Load(*_PAIR, ["no/row/leads/from/here"], SECONDS, copies=0), 1.5),
    Case("QoS 0, at ease", Load(*_PAIR, TOPICS[:1], QUIET_SECONDS, rate=QUIET_RATE)),
    Case("QoS 1, at ease", Load(*_PAIR, TOPICS[:1], QUIET_SECONDS, rate=QUIET_RATE // 4, qos=1)),
)


@dataclass(frozen=True, slots=True)
class Turn:
    """What one broker did in one turn."""

    astray: int
    """Messages that were sent and not delivered, or delivered and should not have been."""
    rate: float
    """Messages per second of the broker's processor time."""
    load: float
    """The generator's processor time, in parts of the broker's."""


def measure() -> Section:
    """Run both brokers, let them take turns, and compare."""
    rows: list[Row] = []
    with brokers() as running:
        for case in CASES:
            names = (HEDGEROW, *case.beside)
            rows += _rows(case, _turns(case, [running[name] for name in names]))
    return Section("Messages through the local MQTT server", _METHOD, tuple(rows))


def _turns(case: Case, taking_part: Iterable[RunningBroker]) -> dict[str, list[Turn]]:
    turns: dict[str, list[Turn]] = defaultdict(list)
    for _ in range(ROUNDS):
        for broker in taking_part:
            turns[broker.name].append(_turn(case, broker))
    return turns


def _turn(case: Case, broker: RunningBroker) -> Turn:
    measured = generate("bench.mqtt_load", broker, case.load.text())
    sent, delivered, cpu = measured["sent"], measured["delivered"], measured["cpu"]
    counted = delivered if case.load.copies else sent
    astray = abs(sent * case.load.copies - delivered)
    return Turn(astray, counted / cpu, measured["own_cpu"] / cpu)


def _rows(case: Case, turns: dict[str, list[Turn]]) -> Iterable[Row]:
    rates = {name: [turn.rate for turn in taken] for name, taken in turns.items()}
    for name, values in rates.items():
        yield Row(
            f"{case.name}: {name}, {case.counted} per second of processor time",
            f"{statistics.median(values):,.0f}",
        )
    if not case.load.rate:
        share = statistics.median(turn.load for turn in turns[HEDGEROW])
        yield Row(f"{case.name}: the generator's time, of Hedgerow's", f"{share:.0%}")
    astray = {name: sum(turn.astray for turn in taken) for name, taken in turns.items()}
    theirs = sum(astray[name] for name in case.beside)
    yield Row(
        f"{case.name}: not delivered, or too often (mosquitto: {theirs:,})",
        f"{astray[HEDGEROW]:,}",
        "0",
        not astray[HEDGEROW],
    )
    for name in case.beside:
        ratio = median_ratio(rates[HEDGEROW], rates[name])
        wanted = f"at least {case.wanted:g}" if case.wanted else ""
        met = ratio >= case.wanted if case.wanted else None
        yield Row(f"{case.name}: times {name}", f"{ratio:.2f}", wanted, met)


if __name__ == "__main__":
    for row in measure().rows:
        print(row)
