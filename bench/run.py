"""Run every benchmark, print the figures and write bench/RESULTS.md.

`python -m bench.run [NAME…]` runs only those named and writes nothing. Long ones run only if they
are named.
"""

import sys
from pathlib import Path

from bench import (
    api_calls,
    bulk_fleet,
    core_idle,
    discovery,
    full_group,
    link_cuts,
    machine,
    membership,
    mqtt_peers,
    mqtt_throughput,
    policy_decisions,
    policy_peers,
    reconnect_storm,
    request_latency,
    rotations,
    slow_subscriber,
    spool_speed,
    tls_handshakes,
)
from bench.deployment_faults import measured as deployment_faults
from bench.kill9 import measured as kill9
from bench.report import Section, render

RESULTS = Path(__file__).with_name("RESULTS.md")

BENCHMARKS = {
    "mqtt": mqtt_throughput.measure,
    "mqtt-peers": mqtt_peers.measure,
    "requests": request_latency.measure,
    "slow-subscriber": slow_subscriber.measure,
    "handshakes": tls_handshakes.measure,
    "storm": reconnect_storm.measure,
    "discovery": discovery.measure,
    "full-group": full_group.measure,
    "bulk": bulk_fleet.measure,
    "idle": core_idle.measure,
    "api": api_calls.measure,
    "policy": policy_decisions.measure,
    "policy-peers": policy_peers.measure,
    "kill9": kill9.measure,
    "spool": spool_speed.measure,
    "link-cuts": link_cuts.measure,
    "rotations": rotations.measure,
    "membership": membership.measure,
    "deployment-faults": deployment_faults.measure,
}

LONG = {"kill9", "link-cuts", "rotations", "membership", "deployment-faults"}
"""Those that take minutes; they run when they are named."""


def main(names: list[str]) -> int:
    """Return 0 if every figure is what it should be."""
    unknown = set(names) - set(BENCHMARKS)
    if unknown:
        print(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}")
        return 2
    sections: list[Section] = []
    for name, measure in BENCHMARKS.items():
        if name in (names or BENCHMARKS.keys() - LONG):
            print(f"measuring {name} …", flush=True)
            sections.append(measure())
    text = render(machine.describe(), sections)
    print(text)
    if not names:
        RESULTS.write_text(text, encoding="utf-8")
    return 0 if all(section.met for section in sections) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
