"""`hedgerow why` names the right cause at the first try, for every fault of a list."""

from collections.abc import Iterator

import pytest
from tests.support.why.fault import Fault
from tests.support.why.faults import FAULTS
from tests.support.why.plant import Plant, running_plant

pytestmark = [pytest.mark.timeout(120), pytest.mark.xdist_group("why")]


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    with running_plant(tmp_path_factory.mktemp("why")) as made:
        yield made


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.id)
def test_the_cause_of_a_fault_is_named(plant: Plant, fault: Fault) -> None:
    """The sound state is answered with yes; with this one fault in it the cause is the fault."""
    seeding = fault.seed(plant)
    try:
        before = plant.ask(next(seeding))
        assert before["allowed"], before
        after = plant.ask(next(seeding))
    finally:
        next(seeding, None)
    assert not after["allowed"]
    cause = after["cause"]
    assert (cause["name"], cause["code"]) == (fault.step, fault.code), after
    assert cause["says"]
    assert "*" not in cause["change"]
