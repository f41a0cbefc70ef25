"""Questions about a policy as a whole, over the compiled form that decisions are made with.

In come policies; out come values: whether one policy is within another, with a request that tells
them apart if not; what a policy reaches; what is too broad in it; what no request ever needed. It
does no I/O. What must never happen here: a yes that some request refutes.

Tests: `tests/unit/policy/analysis`, `tests/property/test_policy_inclusion.py`.
"""

from hedgerow.policy.analysis.inclusion import Inclusion, includes
from hedgerow.policy.analysis.permissive import (
    CHECK_NAME,
    REASON_CODE,
    BroadGrant,
    overly_permissive,
)
from hedgerow.policy.analysis.reach import Reached, reach
from hedgerow.policy.analysis.usage import UnusedStatement, unused_statements

__all__ = [
    "CHECK_NAME",
    "REASON_CODE",
    "BroadGrant",
    "Inclusion",
    "Reached",
    "UnusedStatement",
    "includes",
    "overly_permissive",
    "reach",
    "unused_statements",
]
