"""Policy decisions and inclusion beside peers: `python -m bench.policy_peers`.

The peers are npm's `@cloud-copilot/iam-simulate` and PyPI's `cedarpy`, each a process of its own,
on the same policies and requests in the same run. They have to answer as we do.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tools.policy_oracle import OracleAbsentError, oracle_folder

from bench import peers
from bench.machine import describe
from bench.policy_cases import CASES, FACTS, IOT, Case, documents, requests
from bench.report import Row, Section, render
from hedgerow.policy import AccessRequest, Dialect, NamedPolicy, Policy, decide, parse_policy
from hedgerow.policy.analysis import includes

ROUNDS = 3
STATEMENTS_A_ROUND = 20_000
FEWEST = 100
TEXT_LIMIT = 131_072
PEER_SECONDS = 240
WANTED_INCLUSION_MS = 50.0
_HERE = Path(__file__).parent

METHOD = f"""\
Processor time of decisions, best of {ROUNDS} rounds of requests not seen before, on the same
policies and requests in the same run: `@cloud-copilot/iam-simulate` (npm), which reads the
documents at every decision, and `cedarpy` (PyPI), which has read its policies, written in Cedar to
say the same, and is asked in batches. Each answer has to be ours. Inclusion asks whether a policy
of 10 statements, with 10 actions and 10 resources each, is within another of as many: once it is,
and once it is not and the witness is found; the slower of both, best of {ROUNDS} rounds."""


def measure() -> Section:
    """Measure and return the figures."""
    rows: list[Row] = []
    absent: dict[str, None] = {}
    with tempfile.TemporaryDirectory(prefix="hedgerow-bench-") as folder:
        for case in CASES:
            work = Path(folder) / "work.json"
            rounds = _rounds(case)
            work.write_text(json.dumps(_work(case, rounds)), encoding="utf-8")
            rows += _rows_of(case, rounds, work, absent)
    rows.append(_inclusion_row())
    method = " ".join([METHOD, *absent])
    return Section("Policy decisions beside peers", method, tuple(rows))


def _rows_of(
    case: Case, rounds: list[list[AccessRequest]], work: Path, absent: dict[str, None]
) -> list[Row]:
    ours, allowed = _ours(case, rounds)
    rows = [Row(f"{case}: decisions a second of processor time", f"{ours:,.0f} /s")]
    for name, run in _PEERS.items():
        try:
            answer = run(work)
        except (OracleAbsentError, peers.PeerMissingError) as missing:
            absent[f"{name} is not measured here: {missing}."] = None
            continue
        if answer["allowed"] != allowed:
            raise AssertionError(f"{name} does not decide as we do")
        rate = len(allowed) / answer["seconds"]
        ratio = ours / rate
        rows.append(
            Row(f"… times {name} ({rate:,.0f} /s)", f"{ratio:,.1f}", "more than 1", ratio > 1)
        )
    return rows


def _rounds(case: Case) -> list[list[AccessRequest]]:
    count = max(FEWEST, STATEMENTS_A_ROUND // (case.policies * case.statements))
    return [requests(case, count, first=count * turn) for turn in range(1, ROUNDS + 1)]


def _work(case: Case, rounds: list[list[AccessRequest]]) -> dict[str, Any]:
    return {
        "account": "111122223333",
        "principal": "arn:aws:iam::111122223333:user/alice",
        "documents": [json.loads(text) for text in documents(case)],
        "context": dict(FACTS),
        "rounds": [
            [{"action": one.action, "resource": one.resource} for one in asked] for asked in rounds
        ],
    }


def _ours(case: Case, rounds: list[list[AccessRequest]]) -> tuple[float, list[bool]]:
    policies = tuple(
        NamedPolicy(f"policy-{number}", parse_policy(text, Dialect.IDENTITY, limit=TEXT_LIMIT))
        for number, text in enumerate(documents(case))
    )
    for request in requests(case, FEWEST):
        decide(policies, request)
    best = float("inf")
    allowed: list[bool] = []
    for asked in rounds:
        started = time.process_time()
        answers = [decide(policies, request) for request in asked]
        best = min(best, time.process_time() - started)
        allowed = [answer.allowed for answer in answers]
    return len(allowed) / best, allowed


def _iam_simulate(work: Path) -> Any:
    return _run("node", str(_HERE / "policy_peer.cjs"), str(oracle_folder()), str(work))


def _cedarpy(work: Path) -> Any:
    return _run(str(peers.python()), str(_HERE / "policy_peer_cedar.py"), str(work))


_PEERS: dict[str, Callable[[Path], Any]] = {
    "iam-simulate": _iam_simulate,
    "cedarpy": _cedarpy,
}


def _run(*command: str) -> Any:
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=PEER_SECONDS
    )
    if done.returncode != 0:
        last = done.stderr.strip().splitlines()[-1:] or ["it said nothing"]
        raise peers.PeerMissingError(f"{Path(command[0]).name} failed: {last[0]}")
    return json.loads(done.stdout)


def _inclusion_row() -> Row:
    smaller, larger = _ten_by_ten(4), _ten_by_ten(2)
    slowest: list[float] = []
    for _ in range(ROUNDS):
        times: list[float] = []
        for one, other, holds in ((smaller, larger, True), (larger, smaller, False)):
            started = time.process_time()
            answer = includes(one, other)
            times.append((time.process_time() - started) * 1e3)
            assert answer.holds is holds
            assert holds or answer.witness is not None
        slowest.append(max(times))
    return Row(
        "inclusion of 10 x 10 in 10 x 10, with a witness if not",
        f"{min(slowest):.1f} ms",
        f"<= {WANTED_INCLUSION_MS:.0f} ms",
        min(slowest) <= WANTED_INCLUSION_MS,
    )


def _ten_by_ten(star: int) -> Policy:
    """Return ten statements of ten actions, some with a wildcard, on ten resources each."""
    statements = [
        {
            "Effect": "Allow",
            "Action": [f"iot:Do{row}{n}{'' if n % star else '*'}" for n in range(10)],
            "Resource": [f"{IOT}topic/site-{row}/line-{n}/*" for n in range(10)],
        }
        for row in range(10)
    ]
    text = json.dumps({"Version": "2012-10-17", "Statement": statements})
    return parse_policy(text, Dialect.IDENTITY, limit=TEXT_LIMIT)


if __name__ == "__main__":
    print(render(describe(), [measure()]))
    sys.exit(0)
