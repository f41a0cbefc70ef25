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


class Variable(msgspec.Struct, frozen=True, gc=False):
    """A place that a value of the request takes.

    `name` is the key in lower case, `shown` as it was written; `default` takes the place of a
    value that is not there.
    """

    name: str
    shown: str
    default: str | None = None

    def value(self, variables: Context, *, device: bool) -> str | None:
        """Return what takes this place, None if nothing does.

        A key with several values cannot be a variable (IAM User Guide, "Single-valued vs.
        multivalued context keys"). An empty text, as the value of a tag may be, is no value:
        `${aws:PrincipalTag/team}*` must never be `*`. A device chooses its own client id: if
        `+` could take the place of `${iot:ClientId}` in a topic filter, a client named `+`
        could listen to everybody.
        """
        value = variables.get(self.name)
        if not value:
            return self.default
        if isinstance(value, tuple):
            return None
        if device and ("+" in value or "#" in value):
            return None
        return value


Token = str | Wildcard | Variable

_PLAIN: Final = {"*", "?", "$"}


class UnclosedVariableError(ValueError):
    """A `${` has no `}`."""


def tokens(text: str, *, wildcards: bool = True, variables: bool = True) -> Iterator[Token]:
    """Cut the text of a pattern into plain text, wildcards and variables.

    `${*}`, `${?}` and `${$}` are those characters themselves. Raises `UnclosedVariableError`.
    """
    plain = ""
    for piece in _pieces(text, wildcards=wildcards, variables=variables):
        if isinstance(piece, str):
            plain += piece
            continue
        if plain:
            yield plain
            plain = ""
        yield piece
    if plain:
        yield plain


def _pieces(text: str, *, wildcards: bool, variables: bool) -> Iterator[Token]:
    """Cut likewise; what is plain may come in several pieces, some of them empty."""
    position = 0
    start = text.find("${") if variables else -1
    while start >= 0:
        yield from _at_wildcards(text[position:start], wildcards=wildcards)
        end = _end_of_variable(text, start)
        name = text[start + 2 : end]
        yield name if name in _PLAIN else _variable(name)
        position = end + 1
        start = text.find("${", position)
    yield from _at_wildcards(text[position:], wildcards=wildcards)


def _at_wildcards(text: str, *, wildcards: bool) -> Iterator[Token]:
    if not wildcards:
        yield text
        return
    for number, piece in enumerate(text.split("*")):
        if number:
            yield Wildcard.ANY
        if "?" not in piece:
            yield piece
            continue
        for place, part in enumerate(piece.split("?")):
            if place:
                yield Wildcard.ONE
            yield part


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
