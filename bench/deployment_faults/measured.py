"""The full count as one of the benchmarks."""

import subprocess
import sys
from collections import Counter

import msgspec

from bench.deployment_faults import RUNS
from bench.deployment_faults.faults import KINDS
from bench.deployment_faults.story import Report
from bench.report import Row, Section

_SEED = "20261007"
_METHOD = (
    "`python -m bench.deployment_faults`: a cloud, a core and two devices, in processes of their "
    "own; each run deploys, redeploys or resets while one fault strikes, at a step that is drawn. "
    "Right is a run after which the core's disk, what it lets pass, what the cloud says and the "
    "last event agree on the old or the new group, and which did so whenever the core was dead."
)


def measure() -> Section:
    """Run it in a process of its own."""
    done = subprocess.run(
        [
            sys.executable,
            *("-m", "bench.deployment_faults", "--json"),
            *("--runs", str(RUNS), "--seed", _SEED),
        ],
        stdout=subprocess.PIPE,
        check=False,
    )
    reports = msgspec.json.decode(done.stdout or b"[]", type=list[Report])
    rows = [_row(name, [each for each in reports if each.fault.name == name]) for name in KINDS]
    right = sum(not report.wrong for report in reports)
    total = Row("all", f"{right} of {len(reports)} runs right", f"{RUNS}", right == RUNS)
    return Section("Deployments under faults", _METHOD, (total, *rows))


def _row(name: str, reports: list[Report]) -> Row:
    ends = Counter(report.status for report in reports)
    wrong = sum(bool(report.wrong) for report in reports)
    return Row(
        name.replace("-", " "),
        f"{len(reports)} runs: {ends['Success']} Success, {ends['Failure']} Failure, {wrong} wrong",
        "0 wrong",
        wrong == 0,
    )
