"""The compiled table against one that tries every row with MQTT's own matching."""

from hypothesis import given
from hypothesis import strategies as st

from hedgerow.contract import SubscriptionRow
from hedgerow.core.switchboard import Switchboard, covering, covers, overlap
from hedgerow.core.switchboard.source_rows import MAX_LOOKED_THROUGH
from hedgerow.mqtt import matches

LEVELS = st.sampled_from(["a", "b", "", "$x"])
PARTIES = st.sampled_from(["A", "B", "cloud", "GGShadowService"])

topics = st.lists(LEVELS, min_size=1, max_size=4).map("/".join).filter(bool)
filters = (
    st.tuples(st.lists(st.one_of(LEVELS, st.just("+")), min_size=1, max_size=4), st.booleans())
    .map(lambda parts: "/".join([*parts[0], *(["#"] if parts[1] else [])]))
    .filter(bool)
)
rows = st.builds(SubscriptionRow, id=st.just("r"), source=PARTIES, subject=filters, target=PARTIES)
crowds = st.lists(filters, min_size=MAX_LOOKED_THROUGH + 1, max_size=MAX_LOOKED_THROUGH + 2).map(
    lambda subjects: [
        SubscriptionRow(id="r", source="A", subject=subject, target=str(number))
        for number, subject in enumerate(subjects)
    ]
)
"""Tables with a source of so many rows that they are indexed."""


@given(st.lists(rows, max_size=12) | crowds, PARTIES, topics)
def test_the_router_delivers_exactly_along_the_rows(
    table: list[SubscriptionRow], source: str, topic: str
) -> None:
    expected = {row.target for row in table if row.source == source and matches(row.subject, topic)}
    switchboard = Switchboard.compile(table)
    assert switchboard.targets(source, topic) == expected
    assert switchboard.may_publish(source, topic).allowed == bool(expected)


@given(filters, filters, topics)
def test_filters_that_share_a_topic_overlap(one: str, other: str, topic: str) -> None:
    if matches(one, topic) and matches(other, topic):
        assert overlap(one, other)
    assert overlap(one, other) == overlap(other, one)


@given(filters, filters, topics)
def test_what_covers_matches_at_least_as_much(wide: str, narrow: str, topic: str) -> None:
    if covers(wide, narrow) and matches(narrow, topic):
        assert matches(wide, topic)


@given(st.lists(filters, max_size=8), topics)
def test_covering_filters_match_the_same_topics(many: list[str], topic: str) -> None:
    few = covering(many)
    assert set(few) <= set(many)
    assert any(matches(f, topic) for f in many) == any(matches(f, topic) for f in few)


@given(st.lists(rows, max_size=12), PARTIES, filters, topics)
def test_a_subscription_that_a_row_serves_is_never_refused(
    table: list[SubscriptionRow], target: str, topic_filter: str, topic: str
) -> None:
    switchboard = Switchboard.compile(table)
    served = any(
        row.target == target and matches(row.subject, topic) and matches(topic_filter, topic)
        for row in table
    )
    if served:
        assert switchboard.may_subscribe(target, topic_filter).allowed
