"""Topics, filters and which belongs to which."""

import pytest

from hedgerow.mqtt import FilterTree, matches, valid_filter, valid_topic

# From the standards' own examples (MQTT 5.0, section 4.7), and the edges around them.
_MATCHES = [
    ("sport/tennis/player1/#", "sport/tennis/player1", True),
    ("sport/tennis/player1/#", "sport/tennis/player1/ranking", True),
    ("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", True),
    ("sport/#", "sport", True),
    ("sport/#", "sport/", True),
    ("sport/#", "sports", False),
    ("#", "a/b", True),
    ("sport/tennis/+", "sport/tennis/player1", True),
    ("sport/tennis/+", "sport/tennis/player1/ranking", False),
    ("sport/+", "sport", False),
    ("sport/+", "sport/", True),
    ("+/+", "/finance", True),
    ("/+", "/finance", True),
    ("+", "/finance", False),
    ("#", "$SYS/x", False),
    ("+/monitor/Clients", "$SYS/monitor/Clients", False),
    ("$SYS/#", "$SYS/x", True),
    ("$SYS/monitor/+", "$SYS/monitor/Clients", True),
    ("a", "a", True),
    ("a", "A", False),
    ("a/b", "a", False),
    ("a", "a/b", False),
    ("a/+/#", "a", False),
    ("a/+/#", "a/", True),
    ("+/b/#", "a/b", True),
]


@pytest.mark.spec("F04")
@pytest.mark.parametrize(("topic_filter", "topic", "wanted"), _MATCHES)
def test_a_filter_matches_as_the_standard_says(
    topic_filter: str, topic: str, *, wanted: bool
) -> None:
    assert matches(topic_filter, topic) is wanted
    tree: FilterTree[int, str] = FilterTree()
    tree.add(topic_filter, 1, "found")
    assert (tree.find(topic) == ["found"]) is wanted


@pytest.mark.parametrize(
    "topic_filter", ["a", "/", "+", "#", "+/+", "a/#", "/#", "a/+/b", "$share/g/#", " ", "ä/☃"]
)
def test_a_filter_has_wildcards_on_levels_of_their_own(topic_filter: str) -> None:
    assert valid_filter(topic_filter)


@pytest.mark.parametrize(
    "topic_filter", ["", "a#", "#a", "#/a", "a/#/b", "a+", "+a/b", "a/+b", "++", "##", "a\0b"]
)
def test_anything_else_is_no_filter(topic_filter: str) -> None:
    assert not valid_filter(topic_filter)


@pytest.mark.spec("F04")
@pytest.mark.parametrize("topic", ["", "+", "a/+", "#", "a#", "a\0"])
def test_a_message_cannot_carry_this_topic(topic: str) -> None:
    assert not valid_topic(topic)


def test_an_emptied_tree_keeps_no_branches() -> None:
    tree: FilterTree[int, int] = FilterTree()
    filters = ["a/+/c", "a/+/d", "a/#", "+/b", "x"]
    for key, topic_filter in enumerate(filters):
        tree.add(topic_filter, key, key)
    for key, topic_filter in enumerate(filters):
        assert tree.remove(topic_filter, key)
        assert not tree.remove(topic_filter, key)
    assert tree.find("a/b/c") == []
    assert not tree._root.children
    assert not tree._exact


def test_a_topic_of_many_levels_costs_no_more_than_the_filters_there_are() -> None:
    """Filters of `+` and names on every level are the worst case for a search that branches."""
    tree: FilterTree[int, int] = FilterTree()
    depth = 12
    for number in range(64):
        levels = ["+" if number >> (level % 6) & 1 else "a" for level in range(depth)]
        tree.add("/".join(levels), number, number)
    assert len(tree.find("/".join("a" * depth))) == 64
    assert tree.find("a/" * 5000) == []
