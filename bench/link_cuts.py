"""The link to the cloud, cut a hundred times under load: `python -m bench.link_cuts [CUTS]`."""

import asyncio
import sys
import tempfile
from pathlib import Path

import structlog
from tests.support.link_cuts import CutsReport, run_cuts, run_cuts_from_cloud

from bench.report import Row, Section

CUTS = 100

_METHOD = """\
The core's queue (in files) and link send about a thousand messages a second of 10 topics to a
broker over a network that is cut at random moments, in the middle of packets and of handshakes,
as often as is said; then all has to arrive. What came twice was in flight at a cut. From the cloud
the same goes to a core that subscribes with AtLeastOncePersistent."""


def measure(cuts: int = CUTS) -> Section:
    """Cut, with the window of 20 and with one message in flight as V1 had it."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    rows = []
    for window in (20, 1):
        with tempfile.TemporaryDirectory() as folder:
            report = asyncio.run(run_cuts(Path(folder), cuts=cuts, seed=window, window=window))
        rows += _rows(report, f"{window} in flight")
    with tempfile.TemporaryDirectory() as folder:
        report = asyncio.run(run_cuts_from_cloud(Path(folder), cuts=cuts, seed=3))
    rows += _rows(report, "from the cloud, persistent session")
    return Section("Cloud link, cut", _METHOD, tuple(rows))


def _rows(report: CutsReport, window: str) -> list[Row]:
    wrong = report.lost + report.invented + report.out_of_order
    return [
        Row(
            f"{window}: {report.cuts} cuts",
            f"{report.sent} messages, {report.lost} lost, {report.invented} invented, "
            f"{report.out_of_order} topics out of order, {report.duplicates} twice",
            "none lost, invented or out of order",
            wrong == 0,
        ),
        Row(f"{window}: time", f"{report.seconds:.0f} s, {report.connections} connections"),
    ]


if __name__ == "__main__":
    section = measure(int(sys.argv[1]) if len(sys.argv) > 1 else CUTS)
    for row in section.rows:
        print(row)
    sys.exit(0 if section.met else 1)
