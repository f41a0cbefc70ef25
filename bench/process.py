"""What the kernel knows of a process: processor time and memory."""

import threading
import time
from pathlib import Path
from typing import Self

_SCHEDULED = 2
_LOOK_SECONDS = 0.02


def cpu_seconds(pid: int) -> float:
    """Return the user and system time that a process has used, to the nanosecond."""
    # The number of another process's clock, as clock_getcpuclockid(3) makes it on Linux.
    return time.clock_gettime(~pid << 3 | _SCHEDULED)


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


class PeakMemory:
    """Looks at a process's proportional set size all the time, and remembers the largest."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self.before_mib = self.mib = pss_mib(pid)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_raised: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(_LOOK_SECONDS):
            self.mib = max(self.mib, pss_mib(self._pid))
