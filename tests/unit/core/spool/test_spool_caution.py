from collections.abc import Sequence
from datetime import timedelta

import pytest
from tests.support.clock import ManualClock

from hedgerow.core.spool.caution import Caution
from hedgerow.core.spool.spool import QueuedMessage
from hedgerow.mqtt import matches

WORDS = "no policy allows iot:Publish on …"
MINUTE = timedelta(minutes=1)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def caution_of(clock: ManualClock, *subjects: str) -> Caution:
    caution = Caution(clock)
    caution.serve(lambda topic: [s for s in subjects if matches(s, topic)])
    return caution


def ends(caution: Caution, topics: Sequence[str]) -> list[int]:
    """Return how many connections each of these topics ends until it is refused."""
    counts = []
    for number, topic in enumerate(topics):
        count = 0
        while caution.refusal_of(topic) is None:
            count += 1
            if caution.is_guilty(QueuedMessage(number, topic, b""), WORDS):
                break
        counts.append(count)
    return counts


def test_of_a_subject_of_which_two_topics_were_refused_none_is_tried(clock: ManualClock) -> None:
    """So a flood of topics ends three connections, and one a minute after that."""
    caution = caution_of(clock, "free/#", "t/#")
    assert ends(caution, [f"free/{number}" for number in range(2000)]) == [2, 1] + [0] * 1998
    assert caution.refused_subjects == ("free/#",)
    assert caution.refusal_of("t/up") is None
    clock.advance(MINUTE)
    assert ends(caution, ["free/x", "free/y"]) == [1, 0]


def test_what_the_cloud_is_known_to_take_of_a_refused_subject_is_sent(clock: ManualClock) -> None:
    caution = caution_of(clock, "t/#")
    caution.answered("t/up", accepted=True)
    ends(caution, ["t/1", "t/2"])
    assert caution.refused_subjects == ("t/#",)
    assert caution.refusal_of("t/up") is None
    caution.answered("t/up", accepted=True)
    assert caution.refusal_of("t/3") is not None, "that it still passes says nothing of others"


def test_a_row_of_its_own_is_not_refused_with_a_wider_one(clock: ManualClock) -> None:
    caution = caution_of(clock, "#", "t/up")
    ends(caution, ["a", "b"])
    assert caution.refusal_of("c") is not None
    assert caution.refusal_of("t/up") is None


def test_a_subject_is_tried_as_before_once_something_new_of_it_passes(clock: ManualClock) -> None:
    caution = caution_of(clock, "t/#")
    ends(caution, ["t/1", "t/2"])
    clock.advance(MINUTE)
    caution.answered("t/3", accepted=True)
    assert ends(caution, ["t/4"]) == [2]


def test_another_table_and_ten_minutes_let_a_subject_be_tried_as_before(
    clock: ManualClock,
) -> None:
    caution = caution_of(clock, "t/#")
    ends(caution, ["t/1", "t/2"])
    caution.serve(lambda _topic: ["t/#"])
    assert ends(caution, ["t/3", "t/4"]) == [2, 1]
    clock.advance(10 * MINUTE)
    assert ends(caution, ["t/5"]) == [2]


def test_what_is_remembered_is_bounded(clock: ManualClock) -> None:
    caution = caution_of(clock)
    caution.serve(lambda topic: [topic])
    for number in range(5000):
        caution.answered(f"t/{number}", accepted=True)
    ends(caution, [f"u/{number}" for number in range(5000)])
    assert len(caution.refused_subjects) <= 100
    assert len(caution._taken) <= 1000
    assert len(caution._topics) <= 1000
