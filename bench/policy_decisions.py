"""Policy decisions per second of processor time: `python -m bench.policy_decisions`."""

import gc
import sys
import time
import tracemalloc
from collections.abc import Callable, Sequence
from typing import Any

from bench.machine import describe
from bench.policy_cases import (
    CASES,
    IOT,
    Case,
    documents,
    fleet,
    fleet_document,
    fleet_requests,
    hard_patterns,
    requests,
)
from bench.report import Row, Section, render
from hedgerow.policy import (
    AccessRequest,
    Dialect,
    NamedPolicy,
    context,
    decide,
    explain,
    parse_policy,
)

COUNT = 20_000
REPEATED = 200
ROUNDS = 5
TEXT_LIMIT = 131_072
CONNECTIONS = 500
PATTERN_LENGTH = 2_048
LONGEST_TOPIC = 256
WANTED_FLEET = 300_000
WANTED_BYTES = 1_024
WANTED_PATTERN_US = 1_000.0
WANTED_EXPLAIN_US = 30.0

METHOD = f"""\
Each decision names the statement that decided. Best of {ROUNDS} rounds of processor time. Warm:
policies that were asked before, {COUNT:,} requests none of which was ever asked; repeated: the same
{REPEATED} requests over and over. Cold: documents that were never seen, read from text, validated
and asked once. The fleet is {CONNECTIONS} connections under one policy with thing variables; bytes
are what the policy engine holds more after 20 requests of each. Patterns have
{PATTERN_LENGTH:,} characters and meet topics of {LONGEST_TOPIC}."""


def measure() -> Section:
    """Measure and return the figures."""
    rows: list[Row] = []
    for case in CASES:
        rows += _rows_of(case)
    rows += _fleet_rows()
    rows.append(_pattern_row())
    rows.append(_explain_row())
    return Section("Policy decisions", METHOD, tuple(rows))


def named(texts: Sequence[str]) -> tuple[NamedPolicy, ...]:
    """Return a case's policies, read from their texts."""
    return tuple(
        NamedPolicy(f"policy-{number}", parse_policy(text, Dialect.IDENTITY, limit=TEXT_LIMIT))
        for number, text in enumerate(texts)
    )


def best_rate(run: Callable[[Sequence[Any]], None], rounds: Sequence[Sequence[Any]]) -> float:
    """Return the most items a second of processor time in one of the rounds."""
    rates: list[float] = []
    for items in rounds:
        gc.collect()
        started = time.process_time()
        run(items)
        rates.append(len(items) / (time.process_time() - started))
    return max(rates)


def _rows_of(case: Case) -> list[Row]:
    policies = named(documents(case))

    def ask(asked: Sequence[AccessRequest]) -> None:
        for request in asked:
            decide(policies, request)

    ask(requests(case, 1_000))
    unseen = [requests(case, COUNT, first=COUNT * turn) for turn in range(1, ROUNDS + 1)]
    warm = best_rate(ask, unseen)
    repeated = requests(case, REPEATED) * (COUNT // REPEATED)
    ask(repeated)
    again = best_rate(ask, [repeated] * ROUNDS)
    cold = _cold(case)
    return [
        _rate(f"{case}: warm, requests not seen before", warm, case.wanted_unseen),
        _rate(f"{case}: warm, repeated requests", again, case.wanted_repeated),
        _rate(f"{case}: cold, from text with validation", cold, case.wanted_cold),
    ]


def _cold(case: Case) -> float:
    request = requests(case, 2)[1]
    count = max(10, 5_000 // (case.policies * case.statements))

    def ask(cases: Sequence[list[str]]) -> None:
        for texts in cases:
            decide(named(texts), request)

    rounds = [
        [documents(case, salt=f"-{turn}-{number}") for number in range(count)]
        for turn in range(ROUNDS)
    ]
    return best_rate(ask, rounds)


def _fleet_rows() -> list[Row]:
    policies = (NamedPolicy("fleet", parse_policy(fleet_document())),)
    connections = fleet(CONNECTIONS)

    def ask(asked: Sequence[AccessRequest]) -> None:
        for request in asked:
            assert decide(policies, request).allowed

    rounds = [fleet_requests(connections, COUNT, first=COUNT * turn) for turn in range(ROUNDS)]
    rate = best_rate(ask, rounds)
    return [
        _rate(f"{CONNECTIONS} connections under thing variables", rate, WANTED_FLEET),
        _bytes_row(),
    ]


def _bytes_row() -> Row:
    policies = (NamedPolicy("fleet", parse_policy(fleet_document())),)
    connections = fleet(CONNECTIONS + 1)
    asked = [fleet_requests([one], 20, first=20 * number) for number, one in enumerate(connections)]
    for request in asked[0]:
        decide(policies, request)
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for each in asked[1:]:
        for request in each:
            decide(policies, request)
    gc.collect()
    more = (tracemalloc.get_traced_memory()[0] - before) / CONNECTIONS
    tracemalloc.stop()
    return Row(
        "extra bytes for each connection",
        f"{more:,.0f}",
        f"< {WANTED_BYTES:,}",
        more < WANTED_BYTES,
    )


def _pattern_row() -> Row:
    """Take the slowest pattern and topic; the first use, which compiles the pattern, counts."""
    worst = 0.0
    topics = ("a" * LONGEST_TOPIC, "a" * (LONGEST_TOPIC - 1) + "b", "ab" * (LONGEST_TOPIC // 2))
    for pattern in hard_patterns(PATTERN_LENGTH):
        text = (
            '{"Version":"2012-10-17","Statement":'
            f'{{"Effect":"Allow","Action":"iot:Publish","Resource":"{pattern}"}}}}'
        )
        for topic in topics:
            request = AccessRequest("iot:Publish", f"{IOT}topic/{topic}", context({}))
            times: list[float] = []
            for _ in range(ROUNDS):
                policies = named([text])
                started = time.process_time()
                decide(policies, request)
                times.append(time.process_time() - started)
            worst = max(worst, min(times))
    return Row(
        f"slowest pattern of {PATTERN_LENGTH:,} characters, compiled and matched",
        f"{worst * 1e6:,.0f} us",
        f"<= {WANTED_PATTERN_US:,.0f} us",
        worst * 1e6 <= WANTED_PATTERN_US,
    )


def _explain_row() -> Row:
    case = CASES[0]
    policies = named(documents(case))

    def ask(asked: Sequence[AccessRequest]) -> None:
        for request in asked:
            explain(policies, request)

    rounds = [requests(case, 3_000, first=3_000 * turn) for turn in range(ROUNDS)]
    each = 1e6 / best_rate(ask, rounds)
    return Row(
        f"full explanation, {case}",
        f"{each:.1f} us",
        f"<= {WANTED_EXPLAIN_US:.0f} us",
        each <= WANTED_EXPLAIN_US,
    )


def _rate(what: str, rate: float, wanted: int) -> Row:
    return Row(what, f"{rate:,.0f} /s", f">= {wanted:,} /s", rate >= wanted)


if __name__ == "__main__":
    print(render(describe(), [measure()]))
    sys.exit(0)
