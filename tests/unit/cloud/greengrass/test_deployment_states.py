from typing import get_args

import pytest

from hedgerow.cloud.greengrass.documents import DeploymentState
from hedgerow.cloud.greengrass.states import RUNNING, TRANSITIONS, DeploymentEvent, after
from hedgerow.kernel import CallerError


@pytest.mark.spec("P05")
def test_the_table_knows_the_four_documented_states() -> None:
    assert set(TRANSITIONS) == {"Building", "InProgress", "Success", "Failure"}
    assert set(TRANSITIONS) == set(get_args(DeploymentState))


def test_a_deployment_is_built_then_delivered_then_done() -> None:
    assert after("Building", "built") == "InProgress"
    assert after("InProgress", "core-works") == "InProgress"
    assert after("InProgress", "core-succeeded") == "Success"
    assert after("InProgress", "core-failed") == "Failure"


def test_a_core_says_nothing_of_what_it_cannot_have() -> None:
    said: tuple[DeploymentEvent, ...] = ("core-works", "core-succeeded", "core-failed")
    for event in said:
        with pytest.raises(CallerError):
            after("Building", event)


def test_what_ended_does_not_run_again() -> None:
    ended = set(TRANSITIONS) - RUNNING
    reached = {following for state in ended for following in TRANSITIONS[state].values()}
    assert reached == ended
