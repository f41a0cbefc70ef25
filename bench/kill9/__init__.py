"""Kill -9 at random moments, many times: nothing acknowledged is lost, nothing is invented.

    python -m bench.kill9 [--cycles N] [--seed S] [--folder DIR] [sessions] [spool] [store]

The full count is 10,000 cycles of each subject; CI runs a few dozen. Each cycle forks a child from
a process that has everything imported, so a cycle takes milliseconds; the child opens what the last
one left, compares it with what clients know, works, and is killed with SIGKILL: some of them while
they start, the others up to 30 ms after. A subject is one run of cycles on one folder that is never
repaired. The moments of the kills cannot be repeated, what the children do can (`--seed`).
"""

from typing import Final

CYCLES: Final = 10_000
"""The full count, of each subject."""
