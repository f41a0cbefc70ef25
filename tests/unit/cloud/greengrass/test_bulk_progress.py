"""What comes next in a bulk deployment, and what attempts change."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from hedgerow.cloud.greengrass.bulk_documents import BulkDeployment, WaitingRecord
from hedgerow.cloud.greengrass.bulk_progress import (
    MAX_WAITING,
    Attempt,
    Done,
    Outcome,
    Wait,
    after_attempt,
    next_step,
)
from hedgerow.cloud.greengrass.bulk_states import TRANSITIONS, UNFINISHED, bulk_after
from hedgerow.cloud.greengrass.documents import ErrorDetail
from hedgerow.kernel import CallerError

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
BULK = BulkDeployment(input_uri="s3://b/k", execution_role_arn="arn", state="Running")
BUSY = Outcome(error=ErrorDetail(code="ConcurrentDeployment", message="busy"), retryable=True)
WRONG = Outcome(error=ErrorDetail(code="IdNotFoundException", message="none"))


@pytest.mark.spec("P16")
def test_a_record_is_retried_five_times_and_then_given_up() -> None:
    bulk, now, pauses = BULK, NOW, []
    bulk, state = after_attempt(bulk, Attempt(1), BUSY, next_offset=10, now=now)
    while state == "waiting":
        step = next_step(bulk, 10, now)
        assert isinstance(step, Wait)
        pauses.append(step.until - now)
        now = step.until
        again = next_step(bulk, 10, now)
        assert isinstance(again, Attempt)
        bulk, state = after_attempt(bulk, again, BUSY, next_offset=10, now=now)
    assert state == "given-up"
    assert pauses == [SECOND, 2 * SECOND, 4 * SECOND, 8 * SECOND, 16 * SECOND]
    assert (bulk.records_processed, bulk.invalid_input_records, bulk.retry_attempts) == (1, 0, 6)
    assert next_step(bulk, 10, now) == Done()


@pytest.mark.spec("P16")
def test_an_error_that_does_not_pass_is_counted_and_not_tried_again() -> None:
    bulk, state = after_attempt(BULK, Attempt(1), WRONG, next_offset=10, now=NOW)
    assert (state, bulk.invalid_input_records, bulk.waiting) == ("invalid", 1, ())
    assert (bulk.records_processed, bulk.offset) == (1, 10)
    assert next_step(bulk, 20, NOW) == Attempt(2)


def test_a_record_that_waits_lets_the_next_go_first_until_it_is_due() -> None:
    bulk, _ = after_attempt(BULK, Attempt(1), BUSY, next_offset=10, now=NOW)
    assert next_step(bulk, 20, NOW) == Attempt(2)
    due = next_step(bulk, 20, NOW + SECOND)
    assert isinstance(due, Attempt)
    assert due.number == 1
    made = Outcome(deployment_id="d")
    bulk, state = after_attempt(bulk, due, made, next_offset=99, now=NOW)
    assert (state, bulk.waiting, bulk.offset, bulk.records_processed) == ("deployed", (), 10, 1)


def test_not_more_wait_than_can_be_kept() -> None:
    waiting = tuple(
        WaitingRecord(number=number, retries=1, due=NOW + number * SECOND)
        for number in range(1, MAX_WAITING + 1)
    )
    bulk = msgspec.structs.replace(BULK, waiting=waiting)
    assert next_step(bulk, 20, NOW) == Wait(NOW + SECOND)


@pytest.mark.spec("P16")
def test_the_states_and_which_of_them_are_ends() -> None:
    assert set(TRANSITIONS) == {
        *("Initializing", "Running", "Completed", "Stopping", "Stopped", "Failed")
    }
    assert {state for state, events in TRANSITIONS.items() if events} == UNFINISHED
    with pytest.raises(CallerError, match="Completed"):
        bulk_after("Completed", "stop")
