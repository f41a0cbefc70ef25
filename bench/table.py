"""The devices and the subscription table of the measured local server."""

from dataclasses import dataclass

DEVICES = tuple(f"device-{n}" for n in range(10))
ROWS_EACH = 10
TOPICS = tuple(f"site/line-{n}/temperature" for n in range(ROWS_EACH))
"""What the first device publishes and the second receives."""


@dataclass(frozen=True, slots=True)
class TableRow:
    """One row of the subscription table, with names of devices for their ARNs."""

    source: str
    subject: str
    target: str


def table() -> list[TableRow]:
    """Return 100 rows: each device may send on ten subjects to the next one."""
    return [
        TableRow(source, f"site/line-{n}/#", DEVICES[(number + 1) % len(DEVICES)])
        for number, source in enumerate(DEVICES)
        for n in range(ROWS_EACH)
    ]


def access_list() -> str:
    """Return the same rows as mosquitto's access list: the source writes, the target reads."""
    lines: list[str] = []
    for device in DEVICES:
        lines.append(f"user {device}")
        lines += [f"topic write {row.subject}" for row in table() if row.source == device]
        lines += [f"topic read {row.subject}" for row in table() if row.target == device]
    return "\n".join(lines) + "\n"
