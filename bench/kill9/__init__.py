"""Kill -9 at random moments, many times: nothing acknowledged is lost, nothing is invented.

    python -m bench.kill9 [--cycles N] [--seed S] [--folder DIR] [sessions] [spool] [store]

The full count is 10,000 cycles over all subjects; CI runs a few hundred. Each cycle forks a child
from a process that has everything imported, so a cycle takes milliseconds; the child opens what
the last one left, compares it with what clients know, works, and is killed with SIGKILL, a third of
them while they start. One subject is one run of cycles on one folder that is never repaired.
"""
