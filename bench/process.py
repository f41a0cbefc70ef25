"""What the kernel knows of a process: processor time and memory."""

import time
from pathlib import Path

_SCHEDULED = 2


def cpu_seconds(pid: int) -> float:
    """Return the user and system time that a process has used, to the nanosecond."""
    # The number of another process's clock, as clock_getcpuclockid(3) makes it on Linux.
    return time.clock_gettime(~pid << 3 | _SCHEDULED)


def forget_peak(pid: int) -> None:
    """Begin to look for the peak of a process's memory anew (proc(5), clear_refs)."""
    Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="ascii")


def peak_mib(pid: int) -> float:
    """Return the most memory that a process has had in use at once, what is shared included."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise LookupError(f"no VmHWM of process {pid}")


def pss_mib(pid: int) -> float:
    """Return the proportional set size: memory of its own, and its share of what is shared."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    raise LookupError(f"no Pss of process {pid}")


def children(pid: int) -> list[int]:
    """Return the process's own child processes."""
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in text.split()]
