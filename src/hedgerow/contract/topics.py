"""Reserved topics: the shadows of a thing, and the things a core hears its notices on."""

from dataclasses import dataclass
from typing import Final, Literal, get_args

ShadowVerb = Literal["get", "update", "delete"]
ShadowEvent = Literal["", "accepted", "rejected", "delta", "documents"]

CLASSIC: Final = ""
"""The name of a thing's unnamed shadow, wherever names of shadows stand."""

_PREFIX = "$aws/things/"
_NAMED = "name/"
_VERBS: frozenset[str] = frozenset(get_args(ShadowVerb))
_EVENTS: frozenset[str] = frozenset(get_args(ShadowEvent))
_UPDATE_ONLY = frozenset({"delta", "documents"})


@dataclass(frozen=True, slots=True, order=True)
class ShadowId:
    """Which shadow: a thing's classic one, or one of its named ones.

    It prints as policies name it behind `thing/`: `<thing>` or `<thing>/<shadow>`.
    """

    thing_name: str
    shadow_name: str = CLASSIC

    def __str__(self) -> str:
        return f"{self.thing_name}/{self.shadow_name}" if self.shadow_name else self.thing_name


@dataclass(frozen=True, slots=True)
class ShadowTopic:
    """A topic of a thing's shadow; `event` is empty for a request."""

    thing_name: str
    verb: ShadowVerb
    event: ShadowEvent = ""
    shadow_name: str = CLASSIC

    @property
    def shadow(self) -> ShadowId:
        """Return which shadow it is a topic of."""
        return ShadowId(self.thing_name, self.shadow_name)

    def __str__(self) -> str:
        name = f"{_NAMED}{self.shadow_name}/" if self.shadow_name else ""
        base = f"{_PREFIX}{self.thing_name}/shadow/{name}{self.verb}"
        return f"{base}/{self.event}" if self.event else base


def shadow_topic(
    thing_name: str, verb: ShadowVerb, event: ShadowEvent = "", *, shadow_name: str = CLASSIC
) -> str:
    """Return e.g. `$aws/things/<thing>/shadow/update/delta`."""
    return str(ShadowTopic(thing_name, verb, event, shadow_name))


def parse_shadow_topic(topic: str) -> ShadowTopic | None:
    """Return the parts of a shadow topic, or None for any other topic."""
    if not topic.startswith(_PREFIX):
        return None
    thing_name, marker, rest = topic[len(_PREFIX) :].partition("/shadow/")
    shadow_name = CLASSIC
    if rest.startswith(_NAMED):
        shadow_name, _, rest = rest[len(_NAMED) :].partition("/")
        if not shadow_name:
            return None
    verb, _, event = rest.partition("/")
    if not thing_name or not marker or "/" in thing_name or verb not in _VERBS:
        return None
    if event not in _EVENTS or (rest != verb and not event):
        return None
    if event in _UPDATE_ONLY and verb != "update":
        return None
    return ShadowTopic(thing_name, verb, event, shadow_name)  # type: ignore[arg-type]  # looked up


def deployment_thing(core_thing_name: str) -> str:
    """Return the name whose shadow carries deployment notices: `<core>-gda`."""
    return f"{core_thing_name}-gda"


def connectivity_thing(core_thing_name: str) -> str:
    """Return the name that stands for a core's addresses in policies: `<core>-gci`."""
    return f"{core_thing_name}-gci"


def configuration_thing(core_thing_name: str) -> str:
    """Return the name whose shadow carries a core's runtime configuration: `<core>-gcm`."""
    return f"{core_thing_name}-gcm"
