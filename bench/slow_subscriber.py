"""A publisher that is faster than its subscriber: what it costs in memory, and what is lost."""

from bench.brokers import HEDGEROW, MOSQUITTO, SETTING, brokers, generate
from bench.mqtt_client import RunningBroker
from bench.mqtt_load import Load
from bench.process import PeakMemory
from bench.report import Row, Section
from bench.table import COLLECTOR, DEVICES, METERING, METERS, TOPICS

SECONDS = 4.0
PACE = 5_000
WANTED_MIB = 64

_UNLIMITED = 1_000_000_000
CASES = {
    "QoS 1, one publisher": Load(
        *(DEVICES[:1], DEVICES[1:2], TOPICS[:1], SECONDS), qos=1, pace=PACE, ahead=_UNLIMITED
    ),
    "QoS 0, one publisher": Load(
        DEVICES[:1], DEVICES[1:2], TOPICS[:1], SECONDS, pace=PACE, ahead=_UNLIMITED
    ),
    "QoS 0, fifty publishers": Load(
        METERS, [COLLECTOR], [METERING], SECONDS, pace=PACE * 10, ahead=_UNLIMITED
    ),
}

_METHOD = f"""\
{SETTING}

Publishers send as fast as the broker takes it, for {SECONDS:.0f} seconds, to a subscriber that
reads {PACE:,} messages a second ({PACE * 10:,} of fifty publishers), and after that as fast as it
can. Peak memory is the largest proportional set size of the broker's process, looked at fifty
times a second: program, table and certificates included. At QoS 1 everything that was sent has to
arrive once; at QoS 0 a
broker may drop what it has no room for, which this row then says."""


def measure() -> Section:
    """Run each load on each broker once, Hedgerow first."""
    rows: list[Row] = []
    for name, load in CASES.items():
        with brokers(HEDGEROW, MOSQUITTO) as running:
            for broker in running.values():
                rows += _rows(name, load, broker)
    return Section("A publisher faster than its subscriber", _METHOD, tuple(rows))


def _rows(name: str, load: Load, broker: RunningBroker) -> list[Row]:
    with PeakMemory(broker.pid) as memory:
        measured = generate("bench.mqtt_load", broker, load.text())
    missing = measured["sent"] - measured["delivered"]
    is_ours = broker.name == HEDGEROW
    has_limit = is_ours and len(load.publishers) == 1
    return [
        Row(
            f"{name}: {broker.name}, peak memory (before: {memory.before_mib:.0f} MiB)",
            f"{memory.mib:.0f} MiB",
            f"under {WANTED_MIB} MiB" if has_limit else "",
            memory.mib < WANTED_MIB if has_limit else None,
        ),
        Row(
            f"{name}: {broker.name}, not delivered of {measured['sent']:,}",
            f"{missing:,}",
            "0" if is_ours and load.qos else "",
            not missing if is_ours and load.qos else None,
        ),
    ]


if __name__ == "__main__":
    for row in measure().rows:
        print(row)
