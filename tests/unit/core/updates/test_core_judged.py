"""By what a core is judged after an update."""

import pytest

from hedgerow.core.updates.core_process import judge
from hedgerow.core.updates.journal import CoreLook

_BEFORE = CoreLook(version="1.0.0", pid=1, connected=True, deployment_id="d", mqtt_open=True)


def _after(**changes: object) -> CoreLook:
    facts = {
        "version": "1.1.0",
        "pid": 2,
        "connected": True,
        "deployment_id": "d",
        "mqtt_open": True,
        **changes,
    }
    return CoreLook(**facts)  # type: ignore[arg-type]


def test_a_core_that_is_as_well_as_before_has_no_faults() -> None:
    assert judge(_BEFORE, _after(deployment_id="another"), "1.1.0") == ()


@pytest.mark.parametrize(
    ("now", "fault"),
    [
        (None, "does not come up"),
        (_after(version="1.0.0"), "the core that runs is 1.0.0"),
        (_after(connected=False), "does not reach the cloud"),
        (_after(mqtt_open=False), "does not open"),
        (_after(deployment_id=None), "does not run any more"),
    ],
)
def test_what_it_could_do_before_it_has_to_do_after(now: CoreLook | None, fault: str) -> None:
    (found,) = judge(_BEFORE, now, "1.1.0")
    assert fault in found


def test_a_core_that_did_not_run_before_only_has_to_run() -> None:
    now = _after(connected=False, mqtt_open=False, deployment_id=None)
    assert judge(None, now, "1.1.0") == ()
    assert judge(None, now, None) == ()
