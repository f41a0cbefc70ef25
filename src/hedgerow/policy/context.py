"""What is known of a request: keys in lower case, each with one value or several."""

from collections.abc import Mapping, Sequence
from typing import Final

Values = str | tuple[str, ...]
Context = Mapping[str, Values]


class Facts(dict[str, Values]):
    """A context whose keys are in lower case. INVARIANT: only `context` makes these."""

    __slots__ = ()


NOTHING: Final[Context] = Facts()


def context(given: Mapping[str, str | Sequence[str]]) -> Context:
    """Return the context of a request; names of keys count in any case.

    A list is for keys that hold several values, as `aws:TagKeys` does, and only for those.

    Two names that differ in case only are one key with the values of both, so that neither can
    hide the other.
    """
    if type(given) is Facts:
        return given
    facts = Facts()
    for name, value in given.items():
        key = name.lower()
        held: Values = value if isinstance(value, str) else tuple(value)
        if key in facts and facts[key] != held:
            held = tuple(dict.fromkeys((*values_of(facts[key]), *values_of(held))))
        facts[key] = held
    return facts


def values_of(value: Values | None) -> tuple[str, ...]:
    """Return the values of a key, none if it is absent."""
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else value
