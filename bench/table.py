"""The devices and the subscription table of the measured local server."""

from dataclasses import dataclass

DEVICE_COUNT = 2_500
ROW_COUNT = 10_000
DEVICES = tuple(f"device-{n:04}" for n in range(DEVICE_COUNT))
TOPICS = tuple(f"site/line-{n}/temperature" for n in range(10))
"""What the first device publishes and the second receives."""

ALARM, METERING, ASK, ANSWER = (f"{word}/line-0/it" for word in ("alarm", "meter", "ask", "answer"))
SIREN, HEARERS = DEVICES[100], DEVICES[101:151]
"""One who sends to fifty."""
COLLECTOR, METERS = DEVICES[200], DEVICES[201:251]
"""One who hears fifty."""
ASKER, ANSWERER = DEVICES[300:302]


@dataclass(frozen=True, slots=True)
class TableRow:
    """One row of the subscription table, with names of devices for their ARNs."""

    source: str
    subject: str
    target: str


def table() -> list[TableRow]:
    """Return the rows of those that are measured, and as many of others that 10,000 are full."""
    rows = [TableRow(DEVICES[0], f"site/line-{n}/#", DEVICES[1]) for n in range(len(TOPICS))]
    rows += [TableRow(SIREN, "alarm/#", hearer) for hearer in HEARERS]
    rows += [TableRow(meter, "meter/#", COLLECTOR) for meter in METERS]
    rows += [TableRow(ASKER, "ask/#", ANSWERER), TableRow(ANSWERER, "answer/#", ASKER)]
    for n in range(ROW_COUNT - len(rows)):
        source = n % DEVICE_COUNT
        subject = f"plant/{source}/unit-{n // DEVICE_COUNT}/#"
        rows.append(TableRow(DEVICES[source], subject, DEVICES[(source + 1) % DEVICE_COUNT]))
    return rows


def access_list() -> str:
    """Return the same rows as mosquitto's access list: the source writes, the target reads."""
    lines: list[str] = []
    for device, rights in rights_by_device().items():
        lines.append(f"user {device}")
        lines += [
            f"topic {right} {subject}" for right in ("write", "read") for subject in rights[right]
        ]
    return "\n".join(lines) + "\n"


def rights_by_device() -> dict[str, dict[str, list[str]]]:
    """Return what each device may `write` and `read`, as brokers put it that know no sources."""
    rights: dict[str, dict[str, list[str]]] = {
        device: {"write": [], "read": []} for device in DEVICES
    }
    for row in table():
        rights[row.source]["write"].append(row.subject)
        rights[row.target]["read"].append(row.subject)
    return rights
