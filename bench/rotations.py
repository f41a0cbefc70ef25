"""A hundred rotations of the certificate under load: `python -m bench.rotations [DEVICES]`."""

import sys
import tempfile
from pathlib import Path

import uvloop
from tests.support.rotations import Outcome, rotate_under_load

from bench.report import Row, Section

DEVICES = 1000
ROTATIONS = 100
MESSAGES_PER_S = 1000.0
PAUSE_S = 0.3

_METHOD = """\
A core's local server with its certificate keeper, which makes a new RSA key and gets a new
certificate each time, is a process of its own. Devices with certificates of their own are connected
in a ring and send each other QoS 1 messages (`localQos` 1), about a thousand a second in all, while
two more connect anew all the time and look at the certificate that they are shown: it may never be
one older than the newest that served when they began."""


def measure(devices: int = DEVICES, rotations: int = ROTATIONS) -> Section:
    """Rotate, and count what must not happen."""
    with tempfile.TemporaryDirectory(prefix="hedgerow-rotations-") as folder:
        outcome = uvloop.run(
            rotate_under_load(
                Path(folder),
                devices=devices,
                rotations=rotations,
                pause_s=PAUSE_S,
                messages_per_s=MESSAGES_PER_S,
            )
        )
    return Section("Rotations of the server certificate", _METHOD, _rows(outcome))


def _rows(done: Outcome) -> tuple[Row, ...]:
    return (
        Row("devices connected", f"{done.devices}"),
        Row("rotations", f"{done.rotations} in {done.seconds:.0f} s"),
        Row("slowest, key and certificate included", f"{done.slowest_rotation_s:.2f} s"),
        Row("disconnected", f"{done.disconnected}", "0", done.disconnected == 0),
        Row(
            "acknowledged QoS 1 messages that were lost",
            f"{done.lost} of {done.acknowledged}",
            "0",
            done.lost == 0,
        ),
        Row("delivered twice", f"{done.repeated} of {done.delivered}"),
        Row(
            "new connections that saw an old certificate",
            f"{done.old_certificates} of {done.newcomers}",
            "0",
            done.old_certificates == 0,
        ),
    )


if __name__ == "__main__":
    section = measure(*map(int, sys.argv[1:]))
    for row in section.rows:
        print(row.what, row.value, row.wanted, sep=" | ")
    sys.exit(0 if section.met else 1)
