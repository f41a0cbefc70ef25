"""The subscription table, compiled: who may send what to whom. Pure.

In come the rows of a deployed group; out come answers with the rows that decided: where a
message goes, whether a publication or a subscription could ever be served, what to subscribe to
in the cloud. It imports `kernel`, `contract` and the matching of topics of `mqtt`. What must
never happen here: a target that no row names for exactly this source and a subject that matches.
Its tests are in `tests/unit/core/switchboard` and `tests/property/test_router_*.py`.
"""

from hedgerow.core.switchboard.explain import Explanation, RowFinding, explain
from hedgerow.core.switchboard.filters import covering, covers, overlap
from hedgerow.core.switchboard.table import Decision, Switchboard

__all__ = [
    "Decision",
    "Explanation",
    "RowFinding",
    "Switchboard",
    "covering",
    "covers",
    "explain",
    "overlap",
]
