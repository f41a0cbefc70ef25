"""Memory over time, in short; the long form is `python -m bench.soak`."""

import os

from bench.soak import measure

_SECONDS = float(os.environ.get("HEDGEROW_SOAK_SECONDS", "1.5"))


def test_a_short_soak_loses_nothing_of_qos_1() -> None:
    """Whether memory is flat takes minutes to see; that nothing is lost does not."""
    soaked = measure(_SECONDS, 4_000)
    assert (soaked.lost, soaked.unacknowledged, soaked.never_ended) == (0, 0, 0)
    assert soaked.resumptions > 0
    assert soaked.passed_by > 0
    assert soaked.counters["dropped"] == 0
    assert soaked.published > 1_500 * _SECONDS
