"""Faults at every step of a deployment, many times: the core runs the old or the new, and says so.

    python -m bench.deployment_faults [--runs N] [--seed S] [--worlds W] [--fault NAME]

A world is a cloud and a core, each a process of its own, two devices and a network between core
and cloud. It is never repaired: each run deploys (or redeploys, or resets) while one fault strikes,
and begins from what the run before left. Whenever a process dies, and at the end of each run, it is
looked what lies on the core's disk; at the end also what the core says, what the cloud says, which
messages pass between the devices, and what the log of events has. The full count is 1,000 runs; CI
runs a few.
"""

from typing import Final

RUNS: Final = 1_000
"""The full count."""
