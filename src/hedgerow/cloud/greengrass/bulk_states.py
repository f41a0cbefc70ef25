"""The life of a bulk deployment, as a table: which event takes which state where.

Source: guide page bulk-deploy-cli.
"""

from collections.abc import Mapping
from typing import Literal

from hedgerow.cloud.greengrass.bulk_documents import BulkState
from hedgerow.kernel import CallerError

BulkEvent = Literal["input-checked", "all-processed", "cannot-go-on", "stop", "halted"]

TRANSITIONS: Mapping[BulkState, Mapping[BulkEvent, BulkState]] = {
    "Initializing": {"input-checked": "Running", "cannot-go-on": "Failed", "stop": "Stopping"},
    "Running": {"all-processed": "Completed", "cannot-go-on": "Failed", "stop": "Stopping"},
    "Stopping": {"stop": "Stopping", "halted": "Stopped", "cannot-go-on": "Stopped"},
    "Completed": {},
    "Stopped": {},
    "Failed": {},
}

UNFINISHED: frozenset[BulkState] = frozenset({"Initializing", "Running", "Stopping"})
"""While a bulk deployment of an account is in one of these, no other may start."""


def bulk_after(state: BulkState, event: BulkEvent) -> BulkState:
    """Return the state that follows, or raise `CallerError` if the event has no place now."""
    following = TRANSITIONS[state].get(event)
    if following is None:
        raise CallerError(
            f"a bulk deployment in state {state} does not take '{event}'", code="InvalidTransition"
        )
    return following
