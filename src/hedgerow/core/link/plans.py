"""Which connections a core has to the cloud, and which of them hears what. Pure.

Source: guide page gg-core. A connection holds at most 50 subscriptions, so there are
1 + (2 + cloud topics + synchronised shadows) / 50 of them. The first one carries the core's own
notices, which are the 2; topics and shadows share the others, unless the topics are in a
persistent session, which nothing else may be part of.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from hedgerow.core.switchboard import overlap

SUBSCRIPTIONS_PER_CONNECTION = 50
"""AWS IoT's limit."""

_QOS_OF_SHADOWS = 1


@dataclass(frozen=True, slots=True)
class ConnectionPlan:
    """What a connection is for: the client ids to try in turn, and what to subscribe to.

    INVARIANT: no filter of `subjects` overlaps one of `shadows`, so it is plain from its topic for
    whom a message is, and nothing comes twice.
    """

    client_ids: tuple[str, ...]
    subjects: tuple[str, ...] = ()
    subjects_qos: int = 0
    shadows: tuple[str, ...] = ()
    persistent: bool = False

    @property
    def filters(self) -> Mapping[str, int]:
        """All filters, with the QoS to ask for."""
        return dict.fromkeys(self.subjects, self.subjects_qos) | dict.fromkeys(
            self.shadows, _QOS_OF_SHADOWS
        )


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the core wants to hear from the cloud, apart from its own notices."""

    subjects: tuple[str, ...] = ()
    persistent: bool = False
    shadows: tuple[str, ...] = ()


@dataclass(slots=True)
class _Draft:
    """A connection in the making."""

    subjects: list[str] = field(default_factory=list)
    shadows: list[str] = field(default_factory=list)

    @property
    def room(self) -> int:
        return SUBSCRIPTIONS_PER_CONNECTION - len(self.subjects) - len(self.shadows)


def plan(
    wanted: Wanted, client_ids: Callable[[int], str], standing: Sequence[ConnectionPlan] = ()
) -> tuple[ConnectionPlan, ...]:
    """Divide what is wanted over as few connections as hold it; `client_ids` names the nth.

    What `standing` connections hear already stays with them, as long as no more of them are needed
    for that than if all were divided anew.
    """
    anew = _drafts(wanted, ())
    kept = _drafts(wanted, standing)
    drafts = kept if len(kept) <= len(anew) else anew
    return tuple(
        ConnectionPlan(
            client_ids=(client_ids(number),),
            subjects=tuple(draft.subjects),
            subjects_qos=1 if wanted.persistent else 0,
            shadows=tuple(draft.shadows),
            persistent=wanted.persistent and bool(draft.subjects),
        )
        for number, draft in enumerate(drafts)
    )


def _drafts(wanted: Wanted, standing: Sequence[ConnectionPlan]) -> list[_Draft]:
    drafts = [_Draft() for _ in standing]
    homes = {f: draft for old, draft in zip(standing, drafts, strict=True) for f in old.filters}
    items = [(f, False) for f in dict.fromkeys(wanted.subjects)]
    items += [(f, True) for f in dict.fromkeys(wanted.shadows)]
    homeless = []
    for topic_filter, of_shadow in items:
        home = homes.get(topic_filter)
        if home is not None and _takes(home, topic_filter, wanted, of_shadow=of_shadow):
            _put(home, topic_filter, of_shadow=of_shadow)
        else:
            homeless.append((topic_filter, of_shadow))
    _house(drafts, homeless, wanted)
    while drafts and drafts[-1].room == SUBSCRIPTIONS_PER_CONNECTION:
        drafts.pop()
    return drafts


def _house(drafts: list[_Draft], homeless: Sequence[tuple[str, bool]], wanted: Wanted) -> None:
    """Put each into the first connection that takes it, or into a new one."""
    with_room = [draft for draft in drafts if draft.room]
    for topic_filter, of_shadow in homeless:
        for draft in with_room:
            if _takes(draft, topic_filter, wanted, of_shadow=of_shadow):
                break
        else:
            draft = _Draft()
            drafts.append(draft)
            with_room.append(draft)
        _put(draft, topic_filter, of_shadow=of_shadow)
        if not draft.room:
            with_room.remove(draft)


def _takes(draft: _Draft, topic_filter: str, wanted: Wanted, *, of_shadow: bool) -> bool:
    """Tell whether the connection has room, and nothing that must not be beside this filter."""
    others = draft.subjects if of_shadow else draft.shadows
    if not draft.room or (wanted.persistent and others):
        return False
    return not any(overlap(topic_filter, other) for other in others)


def _put(draft: _Draft, topic_filter: str, *, of_shadow: bool) -> None:
    (draft.shadows if of_shadow else draft.subjects).append(topic_filter)
