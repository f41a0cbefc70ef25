"""The full count as one of the benchmarks."""

import subprocess
import sys

import msgspec

from bench.kill9 import CYCLES
from bench.kill9.zygote import Tally
from bench.report import Row, Section

_METHOD = (
    "`python -m bench.kill9`: a child process is killed with SIGKILL at a random moment, and the "
    "next one opens what it left, {} times for each subject. Sessions: QoS 1 and 2 through a real "
    "broker with persistent sessions and retained messages, sealed; acknowledged are messages that "
    "their publisher got a PUBACK or PUBREC for. Spool: queued messages. Store: committed "
    "transactions."
)
_PLURAL = {"sessions": "messages", "spool": "messages", "store": "transactions"}


def measure() -> Section:
    """Run it in a process of its own, which must have one thread."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.kill9", "--json", "--cycles", str(CYCLES)],
        stdout=subprocess.PIPE,
        check=False,
    )
    tallies = msgspec.json.decode(done.stdout or b"[]", type=list[Tally])
    rows = [Row("kills, everything right each time", "failed", f"{CYCLES} each", met=False)]
    if done.returncode == 0:
        rows = [
            Row(
                f"{tally.name}: kills ({tally.early} during the start)",
                f"{tally.cycles}; {tally.acknowledged} {_PLURAL[tally.name]} acknowledged",
                "0 lost, 0 invented",
                met=True,
            )
            for tally in tallies
        ]
    return Section("Kill -9", _METHOD.format(f"{CYCLES:,}"), tuple(rows))
