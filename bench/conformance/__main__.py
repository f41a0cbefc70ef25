"""Run the suites against both brokers and print a table: `python -m bench.conformance [PART…]`.

A part is `paho-3.1.1`, `paho-5.0`, `mosquitto`, or the beginning of a case's name in mosquitto's
suite. Exits with 1 if Hedgerow fails where mosquitto passes and docs/divergences/mqtt.md does not
say why.
"""

import sys
import tempfile
from pathlib import Path

from bench.conformance.running import BROKERS, HEDGEROW, MOSQUITTO_BROKER, Outcomes, run_all

_DIVERGENCES = Path(__file__).resolve().parents[2] / "docs" / "divergences" / "mqtt.md"


def main(parts: list[str]) -> int:
    """Return 0 if every difference is explained."""
    with tempfile.TemporaryDirectory(prefix="hedgerow-conformance-") as name:
        outcomes = run_all(Path(name), parts)
    print(_table(outcomes))
    left = unexplained(outcomes)
    for line in left:
        print(f"not explained in {_DIVERGENCES.name}: {line}")
    return 1 if left else 0


def unexplained(outcomes: Outcomes) -> list[str]:
    """Return what mosquitto passes, Hedgerow does not, and no line of the document names."""
    explained = _DIVERGENCES.read_text(encoding="utf-8") if _DIVERGENCES.exists() else ""
    return [
        f"{part}: {case}"
        for part, by_case in outcomes.items()
        for case, results in by_case.items()
        if results[MOSQUITTO_BROKER] == "passed"
        and results[HEDGEROW] != "passed"
        and f"`{case}`" not in explained
    ]


def _table(outcomes: Outcomes) -> str:
    lines = ["| suite | cases | " + " | ".join(BROKERS) + " |", "| --- | --- | --- | --- |"]
    for part, by_case in outcomes.items():
        passed = (
            str(sum(results[broker] == "passed" for results in by_case.values()))
            for broker in BROKERS
        )
        lines.append(f"| {part} | {len(by_case)} | {' | '.join(passed)} |")
    lines += ["", "| case | " + " | ".join(BROKERS) + " |", "| --- | --- | --- |"]
    for by_case in outcomes.values():
        for case, results in by_case.items():
            if set(results.values()) != {"passed"}:
                said = " | ".join(results[broker] for broker in BROKERS)
                lines.append(f"| `{case}` | {said} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
