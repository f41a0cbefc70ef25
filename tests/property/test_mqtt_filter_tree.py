"""The subscription index against the definition of matching."""

from hypothesis import given
from hypothesis import strategies as st

from hedgerow.mqtt import FilterTree, matches, valid_filter, valid_topic

_level = st.sampled_from(["", "a", "b", "$s"])
_topics = st.lists(_level, min_size=1, max_size=4).map("/".join).filter(valid_topic)
_filters = (
    st.tuples(st.lists(_level | st.just("+"), max_size=4), st.sampled_from(["", "#", "+", "a"]))
    .map(lambda parts: "/".join((*parts[0], parts[1])))
    .filter(valid_filter)
)


@given(
    st.lists(st.tuples(_filters, st.integers(0, 3), st.booleans()), max_size=20),
    st.lists(_topics, min_size=1, max_size=6),
)
def test_the_tree_finds_what_a_list_of_filters_finds(
    changes: list[tuple[str, int, bool]], topics: list[str]
) -> None:
    tree: FilterTree[int, tuple[str, int]] = FilterTree()
    naive: dict[tuple[str, int], tuple[str, int]] = {}
    for topic_filter, key, added in changes:
        if added:
            tree.add(topic_filter, key, (topic_filter, key))
            naive[topic_filter, key] = (topic_filter, key)
        else:
            was_there = naive.pop((topic_filter, key), None) is not None
            assert tree.remove(topic_filter, key) == was_there
    for topic in topics:
        wanted = sorted(value for value in naive.values() if matches(value[0], topic))
        assert sorted(tree.find(topic)) == wanted
