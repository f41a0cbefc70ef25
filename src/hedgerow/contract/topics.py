"""Reserved topics: the classic shadow of a thing, and the things a core hears its notices on."""

from dataclasses import dataclass
from typing import Literal, get_args

ShadowVerb = Literal["get", "update", "delete"]
ShadowEvent = Literal["", "accepted", "rejected", "delta", "documents"]

_PREFIX = "$aws/things/"
_VERBS: frozenset[str] = frozenset(get_args(ShadowVerb))
_EVENTS: frozenset[str] = frozenset(get_args(ShadowEvent))
_UPDATE_ONLY = frozenset({"delta", "documents"})


@dataclass(frozen=True, slots=True)
class ShadowTopic:
    """A topic of a thing's classic shadow; `event` is empty for a request."""

    thing_name: str
    verb: ShadowVerb
    event: ShadowEvent = ""

    def __str__(self) -> str:
        base = f"{_PREFIX}{self.thing_name}/shadow/{self.verb}"
        return f"{base}/{self.event}" if self.event else base


def shadow_topic(thing_name: str, verb: ShadowVerb, event: ShadowEvent = "") -> str:
    """Return e.g. `$aws/things/<thing>/shadow/update/delta`."""
    return str(ShadowTopic(thing_name, verb, event))


def parse_shadow_topic(topic: str) -> ShadowTopic | None:
    """Return the parts of a classic shadow topic, or None for any other topic."""
    if not topic.startswith(_PREFIX):
        return None
    thing_name, marker, rest = topic[len(_PREFIX) :].partition("/shadow/")
    verb, _, event = rest.partition("/")
    if not thing_name or not marker or "/" in thing_name or verb not in _VERBS:
        return None
    if event not in _EVENTS or (rest != verb and not event):
        return None
    if event in _UPDATE_ONLY and verb != "update":
        return None
    return ShadowTopic(thing_name, verb, event)  # type: ignore[arg-type]  # both were looked up


def deployment_thing(core_thing_name: str) -> str:
    """Return the name whose shadow carries deployment notices: `<core>-gda`."""
    return f"{core_thing_name}-gda"


def connectivity_thing(core_thing_name: str) -> str:
    """Return the name that stands for a core's addresses in policies: `<core>-gci`."""
    return f"{core_thing_name}-gci"
