"""The text of a pattern, cut into plain text, wildcards and variables."""

from collections.abc import Iterator
from enum import Enum
from typing import Final

import msgspec

from hedgerow.policy.context import Context


class Wildcard(Enum):
    """A character of a pattern that stands for others."""

    ANY = "*"
    ONE = "?"


class Variable(msgspec.Struct, frozen=True):
    """A place that a value of the request takes.

    `name` is the key in lower case, `shown` as it was written; `default` takes the place of a
    value that is not there.
    """

    name: str
    shown: str
    default: str | None = None

    def value(self, variables: Context, *, device: bool) -> str | None:
        """Return what takes this place, None if nothing does.

        A key with several values has no one value to put in. A device chooses its own client
        id: if `+` could take the place of `${iot:ClientId}` in a topic filter, a client named
        `+` could listen to everybody.
        """
        value = variables.get(self.name)
        if isinstance(value, tuple):
            value = value[0] if len(value) == 1 else None
        if value is None:
            return self.default
        if device and (not value or "+" in value or "#" in value):
            return None
        return value


Token = str | Wildcard | Variable

_PLAIN: Final = {"*", "?", "$"}
_WILDCARDS: Final = {"*": Wildcard.ANY, "?": Wildcard.ONE}


class UnclosedVariableError(ValueError):
    """A `${` has no `}`."""


def tokens(text: str, *, wildcards: bool = True, variables: bool = True) -> Iterator[Token]:
    """Cut the text of a pattern into plain text, wildcards and variables.

    `${*}`, `${?}` and `${$}` are those characters themselves. Raises `UnclosedVariableError`.
    """
    plain = ""
    position = 0
    while position < len(text):
        character = text[position]
        token: Token
        if variables and text.startswith("${", position):
            end = _end_of_variable(text, position)
            name = text[position + 2 : end]
            token = name if name in _PLAIN else _variable(name)
            position = end + 1
        else:
            token = _WILDCARDS.get(character, character) if wildcards else character
            position += 1
        if isinstance(token, str):
            plain += token
            continue
        if plain:
            yield plain
            plain = ""
        yield token
    if plain:
        yield plain


def _end_of_variable(text: str, start: int) -> int:
    """Return where the closing brace is; a default in quotes may hold one itself."""
    end = text.find("}", start)
    quote = text.find("'", start)
    if 0 <= quote < end:
        end = text.find("'}", quote + 1) + 1
    if end <= 0:
        raise UnclosedVariableError(text[start:])
    return end


def _variable(written: str) -> Variable:
    """Read `key` or `key, 'default'`."""
    name, comma, rest = written.partition(",")
    rest = rest.strip(" ")
    if comma and len(rest) > 1 and rest[0] == rest[-1] == "'":
        name = name.strip(" ")
        return Variable(name.lower(), name, rest[1:-1])
    return Variable(written.lower(), written)
