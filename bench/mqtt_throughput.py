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
from bench.mqtt_load import PAYLOAD, RECORDS_PER_SEND
from bench.report import Row, Section

ROUNDS = 5
SECONDS = 0.8
WANTED_RATIO = 3.0
QUIET_RATE = 20_000
QUIET_SECONDS = 2.0

_METHOD = f"""\
{SETTING}

One publisher, one subscriber, mutual TLS 1.3, QoS 0, {len(PAYLOAD)}-byte payloads, a table of 100
rows. Every message is a TLS record of its own, encrypted one by one and handed to the kernel
{RECORDS_PER_SEND} at a time, which keeps the generator cheap; it publishes as fast as TCP lets it
for {SECONDS:.1f} seconds a turn after a warm-up, then waits until the last message is out. Only
what arrives at the subscriber counts, by its bytes; what was sent and did not arrive is a row of
its own. {ROUNDS} rounds. With ten topics in turn, neighbouring messages differ. At ease, the
publisher sends {QUIET_RATE:,} messages a second, each by itself, for {QUIET_SECONDS:.1f} seconds a
turn: the broker finds one at a time and has nothing to batch."""


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of load, and against what mosquitto it is held."""

    name: str
    topics: int
    rate: int
    beside: tuple[str, ...]
    wanted: float | None = None
    seconds: float = SECONDS


CASES = (
    Case("one topic", 1, 0, (MOSQUITTO, MOSQUITTO_BUFFERED), WANTED_RATIO),
    Case("ten topics in turn", 10, 0, (MOSQUITTO,)),
    Case("at ease", 1, QUIET_RATE, (MOSQUITTO,), seconds=QUIET_SECONDS),
)


@dataclass(frozen=True, slots=True)
class Turn:
    """What one broker did in one turn."""

    sent: int
    delivered: int
    rate: float
    """Delivered messages per second of the broker's processor time."""
    load: float
    """The generator's processor time, in parts of the broker's."""


def measure() -> Section:
    """Run both brokers, let them take turns, and compare."""
    rows: list[Row] = []
    lost: dict[str, int] = defaultdict(int)
    with brokers() as running:
        for case in CASES:
            names = (HEDGEROW, *case.beside)
            turns = _turns(case, [running[name] for name in names])
            rows += _rows(case, turns)
            for name in names:
                lost[name] += sum(turn.sent - turn.delivered for turn in turns[name])
    rows += [Row(f"sent but not delivered, {name}", f"{count:,}") for name, count in lost.items()]
    return Section("Messages through the local MQTT server", _METHOD, tuple(rows))


def _turns(case: Case, taking_part: Iterable[RunningBroker]) -> dict[str, list[Turn]]:
    turns: dict[str, list[Turn]] = defaultdict(list)
    for _ in range(ROUNDS):
        for broker in taking_part:
            turns[broker.name].append(_turn(case, broker))
    return turns


def _turn(case: Case, broker: RunningBroker) -> Turn:
    load = (str(case.topics), str(case.rate), str(case.seconds))
    measured = generate("bench.mqtt_load", broker, *load)
    delivered, cpu = measured["delivered"], measured["cpu"]
    return Turn(measured["sent"], delivered, delivered / cpu, measured["own_cpu"] / cpu)


def _rows(case: Case, turns: dict[str, list[Turn]]) -> Iterable[Row]:
    rates = {name: [turn.rate for turn in taken] for name, taken in turns.items()}
    for name, values in rates.items():
        yield Row(
            f"{case.name}: {name}, delivered per second of processor time",
            f"{statistics.median(values):,.0f}",
        )
    if not case.rate:
        share = statistics.median(turn.load for turn in turns[HEDGEROW])
        yield Row(f"{case.name}: the generator's time, of Hedgerow's", f"{share:.0%}")
    for name in case.beside:
        ratio = median_ratio(rates[HEDGEROW], rates[name])
        wanted = f"at least {case.wanted:.1f}" if case.wanted else ""
        met = ratio >= case.wanted if case.wanted else None
        yield Row(f"{case.name}: times {name}", f"{ratio:.2f}", wanted, met)


if __name__ == "__main__":
    for row in measure().rows:
        print(row)
