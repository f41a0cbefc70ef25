"""How much memory the core's daemon takes while it has nothing to do."""

import threading

from bench.place import Place, place
from bench.process import children, cpu_seconds, pss_mib
from bench.report import Row, Section

WANTED_MIB = 100
SETTLE_SECONDS = 5.0

_METHOD = f"""\
`hedgerow core run` with a deployed group, connected to its cloud, without client devices;
the proportional set size (`Pss` of `/proc/PID/smaps_rollup`) of the daemon and its children after
{SETTLE_SECONDS:.0f} quiet seconds, and the processor time it used in them."""


def measure() -> Section:
    """Set a cloud and a core up, and measure."""
    with place() as where:
        return measure_at(where)


def measure_at(where: Place) -> Section:
    """Measure a running core."""
    pid = where.core_pid
    cpu = cpu_seconds(pid)
    threading.Event().wait(SETTLE_SECONDS)  # the quiet is what is measured
    used = cpu_seconds(pid) - cpu
    pss = sum(pss_mib(one) for one in (pid, *children(pid)))
    return Section(
        "Idle core",
        _METHOD,
        (
            Row("PSS", f"{pss:.1f} MiB", f"at most {WANTED_MIB} MiB", pss <= WANTED_MIB),
            Row("processor time", f"{used / SETTLE_SECONDS * 100:.1f} % of a core"),
        ),
    )
