"""The engine decides as an independent one does, which knows nothing of ours.

Thousands of random policies and requests, the same each time, are put to both. Where they differ
we are right by a page of AWS's, or we are wrong: `disagreements.py` of
`tests/support/policy_differential` is the list. The other engine is a process of its own (see
`tools/policy_oracle.py`).
"""

from collections import Counter
from pathlib import Path

import pytest
from tests.support.policy_differential.cases import Case, effect_by_us
from tests.support.policy_differential.disagreements import DISAGREEMENTS, neutral
from tests.support.policy_differential.generator import Generator
from tests.support.policy_differential.oracle import verdicts
from tests.support.policy_differential.trust import TrustGenerator, effect_of_trust
from tools.policy_oracle import OracleAbsentError, oracle_folder

CASES = 6_000
SEEDS = (20261124, 3)


@pytest.fixture(scope="module")
def folder() -> Path:
    try:
        return oracle_folder()
    except OracleAbsentError as absent:
        pytest.skip(f"the oracle cannot be run here: {absent}")


@pytest.mark.parametrize("seed", SEEDS)
def test_the_engine_decides_as_the_oracle_or_is_right_by_a_page_of_aws(
    folder: Path, seed: int
) -> None:
    cases = Generator(seed).cases(CASES)
    ours = [effect_by_us(case) for case in cases]
    effects = Counter(ours)
    assert min(effects[one] for one in ("allow", "explicit-deny", "implicit-deny")) > CASES // 20
    pairs = zip(cases, ours, verdicts(folder, cases), strict=True)
    differing = [(case, said) for case, said, theirs in pairs if said != theirs]
    rewritten = [neutral(case)[0] for case, _ in differing]
    open_cases = [
        f"we say {said}, the oracle {theirs} of:\n{case.shown()}"
        for (case, said), theirs in zip(differing, verdicts(folder, rewritten), strict=True)
        if said != theirs
    ]
    assert not open_cases, "\n".join(open_cases[:3])


def test_trust_policies_are_decided_as_by_the_oracle(folder: Path) -> None:
    cases = TrustGenerator(SEEDS[0]).cases(CASES // 2)
    ours = [effect_of_trust(case) for case in cases]
    effects = Counter(ours)
    assert min(effects[one] for one in ("allow", "explicit-deny", "implicit-deny")) > CASES // 40
    differing = [
        f"we say {said}, the oracle {theirs} of:\n{case.shown()}"
        for case, said, theirs in zip(cases, ours, verdicts(folder, cases), strict=True)
        if said != theirs
    ]
    assert not differing, "\n".join(differing[:3])


def test_every_listed_disagreement_is_one(folder: Path) -> None:
    """An entry that excuses nothing alone is out of date: the oracle was mended, or we changed."""
    cases = Generator(SEEDS[0]).cases(CASES)
    told = verdicts(folder, cases)
    differing = [
        (case, said)
        for case, said, theirs in zip(cases, map(effect_by_us, cases), told, strict=True)
        if said != theirs
    ]
    affected = [
        (entry, rewritten, said)
        for entry in DISAGREEMENTS
        for case, said in differing
        if (rewritten := entry.rewritten(case)) != case
    ]
    answers = verdicts(folder, [rewritten for _, rewritten, _ in affected])
    explained = {
        entry.oracle
        for (entry, _, said), theirs in zip(affected, answers, strict=True)
        if said == theirs
    }
    assert explained == {entry.oracle for entry in DISAGREEMENTS}


def test_rewriting_changes_nothing_of_what_we_say() -> None:
    """What an entry puts in place of a case says the same: we decide on both alike."""
    for case in Generator(SEEDS[0]).cases(CASES // 2):
        rewritten, used = neutral(case)
        if used:
            assert effect_by_us(rewritten) == effect_by_us(case), case.shown()


def test_the_generator_reaches_every_element_of_the_grammar() -> None:
    """A comparison proves nothing of what it never tries."""
    text = "".join(Case.shown(case) for case in Generator(SEEDS[0]).cases(CASES // 4))
    families = ("String", "Numeric", "Date", "Bool", "Binary", "IpAddress", "Arn", "Null")
    sets = ("ForAllValues:", "ForAnyValue:", "IfExists")
    elements = ("NotAction", "NotResource", "2008-10-17", "${aws:username, 'a'}", "${$}")
    for part in (*families, *sets, *elements, "NotIpAddress", "ArnNotLike"):
        assert part in text, part
