"""Memory over time, in short; the long form is `python -m bench.soak`."""

from bench.soak import measure


def test_a_short_soak_loses_nothing_of_qos_1() -> None:
    """Whether memory is flat takes minutes to see; that nothing is lost does not."""
    soaked = measure(3.0, 4_000)
    assert (soaked.lost, soaked.unacknowledged, soaked.never_ended) == (0, 0, 0)
    assert soaked.resumptions > 0
    assert soaked.passed_by > 0
    assert soaked.counters["dropped"] == 0
    assert soaked.published > 5_000
