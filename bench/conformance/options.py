"""What of mosquitto's command line and configuration file the stand-in understands."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from hedgerow.mqtt import Limits

_DEFAULT_PORT: Final = 1883
_NO_LIMIT: Final = 65535
_FOREVER: Final = 0xFFFFFFFF

MOSQUITTO_LIKE: Final = Limits(
    payload_bytes=1024 * 1024,
    topic_bytes=_NO_LIMIT,
    topic_slashes=200,
    client_id_bytes=_NO_LIMIT,
    assign_client_ids=True,
    subscriptions=10_000,
    maximum_qos=2,
    retain_available=True,
    topic_aliases=10,
    in_flight=20,
    waiting_messages=1000,
    keep_alive_s=_NO_LIMIT,
    session_expiry_s=_FOREVER,
    shared_subscriptions=True,
    receive_maximum=20,
)
"""Everything the engine can do, with mosquitto's default numbers."""


def _number(name: str, at_most: int = 1 << 30) -> Callable[[Limits, str], Limits]:
    def applied(limits: Limits, value: str) -> Limits:
        number: Any = min(int(value) or at_most, at_most)
        return replace(limits, **{name: number})

    return applied


def _switch(name: str) -> Callable[[Limits, str], Limits]:
    def applied(limits: Limits, value: str) -> Limits:
        return replace(limits, **{name: value == "true"})

    return applied


def _window(limits: Limits, value: str) -> Limits:
    """Limit both directions, as mosquitto does."""
    window = min(int(value) or _NO_LIMIT, _NO_LIMIT)
    return replace(limits, in_flight=window, receive_maximum=window)


def _maximum_qos(limits: Limits, value: str) -> Limits:
    return replace(limits, maximum_qos=int(value))


_OPTIONS: Final = MappingProxyType(
    {
        "message_size_limit": _number("payload_bytes"),
        "max_inflight_messages": _window,
        "max_queued_messages": _number("waiting_messages"),
        "max_keepalive": _number("keep_alive_s", _NO_LIMIT),
        "retain_available": _switch("retain_available"),
        "allow_zero_length_clientid": _switch("assign_client_ids"),
        "maximum_qos": _maximum_qos,
    }
)


@dataclass(frozen=True, slots=True)
class Options:
    """How one stand-in is to be."""

    ports: tuple[int, ...] = ()
    limits: Limits = MOSQUITTO_LIKE
    persistence: Path | None = None
    as_mosquitto_writes: bool = False
    ignored: frozenset[str] = field(default_factory=frozenset)

    @property
    def persistence_marker(self) -> Path:
        """Return the file that mosquitto would have written."""
        if self.persistence is None:
            raise ValueError("nothing is to be kept")
        return self.persistence.with_suffix("")


def read(arguments: Sequence[str]) -> Options:
    """Return what `-p PORT`, `-c FILE` and `-v` ask for."""
    options = Options()
    for flag, value in zip(arguments, [*arguments[1:], ""], strict=True):
        if flag == "-p":
            options = replace(options, ports=(*options.ports, int(value)))
        elif flag == "-c":
            options = _from_file(options, Path(value))
        elif flag == "--as-mosquitto-writes":
            options = replace(options, as_mosquitto_writes=True)
    return options if options.ports else replace(options, ports=(_DEFAULT_PORT,))


def _from_file(options: Options, path: Path) -> Options:
    for line in path.read_text().splitlines():
        name, _, value = line.strip().partition(" ")
        if name in {"port", "listener"}:
            options = replace(options, ports=(*options.ports, int(value.split()[0])))
        elif name == "persistence_file":
            options = replace(options, persistence=path.parent / f"{value}.folder")
        elif name in _OPTIONS:
            options = replace(options, limits=_OPTIONS[name](options.limits, value.strip()))
        elif name and not name.startswith("#"):
            options = replace(options, ignored=options.ignored | {name})
    return options
