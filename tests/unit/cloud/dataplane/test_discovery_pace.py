"""One thing that asks without end is told so, and the others are answered."""

from datetime import timedelta

import pytest
from tests.support.clock import ManualClock

from hedgerow.cloud.dataplane import pace
from hedgerow.cloud.dataplane.answers import refusal
from hedgerow.cloud.dataplane.pace import Pace, TooFastError


def budget_of(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch, at_once: int, a_second: int
) -> Pace:
    """Return budgets that are soon spent."""
    monkeypatch.setattr(pace, "AT_ONCE", at_once)
    monkeypatch.setattr(pace, "A_SECOND", a_second)
    return Pace(clock)


def test_a_budget_is_spent_and_fills_up_again(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = ManualClock()
    budget = budget_of(clock, monkeypatch, 3, 2)
    for _ in range(3):
        budget.spend("sensor")
    with pytest.raises(TooFastError, match="'sensor' asks more than 2 times a second") as caught:
        budget.spend("sensor")
    assert refusal(caught.value).status == 429
    budget.spend("lamp")
    clock.advance(timedelta(seconds=0.5))
    budget.spend("sensor")
    with pytest.raises(TooFastError):
        budget.spend("sensor")
    clock.advance(timedelta(hours=1))
    for _ in range(3):
        budget.spend("sensor")
    with pytest.raises(TooFastError):
        budget.spend("sensor")


def test_what_is_kept_of_things_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "THINGS_KEPT", 2)
    budget = budget_of(ManualClock(), monkeypatch, 1, 1)
    for thing in ("a", "b", "c"):
        budget.spend(thing)
    with pytest.raises(TooFastError):
        budget.spend("c")
    budget.spend("a")  # its budget was forgotten
