"""The life of a deployment, as a table: which event takes which state where.

Source: guide pages deployments and reset-deployments-scenario.
"""

from collections.abc import Mapping
from typing import Literal

from hedgerow.cloud.greengrass.documents import DeploymentState
from hedgerow.kernel import CallerError

DeploymentEvent = Literal[
    "built", "cannot-be-built", "overdue", "core-works", "core-succeeded", "core-failed"
]

TRANSITIONS: Mapping[DeploymentState, Mapping[DeploymentEvent, DeploymentState]] = {
    "Building": {"built": "InProgress", "cannot-be-built": "Failure", "overdue": "Failure"},
    "InProgress": {
        "overdue": "Failure",
        "core-works": "InProgress",
        "core-succeeded": "Success",
        "core-failed": "Failure",
    },
    # A core repeats its last report when it did not hear the answer, tries its newest deployment
    # again after it lost its state, and takes one that was overdue when it comes back: what it
    # says last is what is true.
    "Success": {
        "core-works": "Success",
        "core-succeeded": "Success",
        "core-failed": "Failure",
    },
    "Failure": {
        "core-works": "Failure",
        "core-succeeded": "Success",
        "core-failed": "Failure",
    },
}

RUNNING: frozenset[DeploymentState] = frozenset({"Building", "InProgress"})
"""While a deployment is in one of these, no other may start and no reset."""


def after(state: DeploymentState, event: DeploymentEvent) -> DeploymentState:
    """Return the state that follows, or raise `CallerError` if the event has no place now."""
    following = TRANSITIONS[state].get(event)
    if following is None:
        raise CallerError(
            f"a deployment in state {state} does not take '{event}'", code="InvalidTransition"
        )
    return following
