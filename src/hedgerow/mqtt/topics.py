"""Topic names and topic filters (MQTT 5.0, section 4.7): pure functions, linear in their input."""

from typing import Final

_SHARED: Final = "$share/"


def valid_topic(topic: str) -> bool:
    """Return whether a message may carry this topic: not empty, no wildcard, no NUL."""
    return bool(topic) and "+" not in topic and "#" not in topic and "\0" not in topic


def valid_filter(topic_filter: str) -> bool:
    """Return whether it is a filter: `+` alone on its level, `#` alone on the last one, no NUL."""
    if not topic_filter or "\0" in topic_filter:
        return False
    levels = topic_filter.split("/")
    for level in levels[:-1]:
        if "#" in level or ("+" in level and level != "+"):
            return False
    last = levels[-1]
    return last in ("+", "#") or ("+" not in last and "#" not in last)


def has_wildcard(topic_filter: str) -> bool:
    """Return whether a filter stands for more than one topic."""
    return "+" in topic_filter or "#" in topic_filter


def is_shared(topic_filter: str) -> bool:
    """Return whether a filter asks for MQTT 5's shared subscription (`$share/group/filter`)."""
    return topic_filter.startswith(_SHARED)


def split_shared(topic_filter: str) -> tuple[str, str]:
    """Return the group and the filter of a shared subscription; the group of others is empty."""
    if not is_shared(topic_filter):
        return "", topic_filter
    group, _, rest = topic_filter.removeprefix(_SHARED).partition("/")
    return group, rest


def valid_shared(topic_filter: str) -> bool:
    """Return whether `$share/group/filter` has both parts, and no wildcard in the group.

    [MQTT-4.8.2-1] [MQTT-4.8.2-2]
    """
    group, rest = split_shared(topic_filter)
    return bool(group) and "+" not in group and "#" not in group and valid_filter(rest)


def matches(topic_filter: str, topic: str) -> bool:
    """Return whether a message with this topic goes to a subscription with this filter.

    `#` also stands for nothing (`sport/#` matches `sport`), and a wildcard on the first level
    does not match a topic that begins with `$` [MQTT-4.7.2-1].
    """
    if topic.startswith("$") and topic_filter[:1] in ("+", "#"):
        return False
    wanted = topic_filter.split("/")
    given = topic.split("/")
    for index, level in enumerate(wanted):
        if level == "#":
            return True
        if index >= len(given) or level not in ("+", given[index]):
            return False
    return len(wanted) == len(given)
