"""Two patterns side by side: whether one is within the other, whether both can match one text."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final

import msgspec

from hedgerow.policy.documents import Statement
from hedgerow.policy.patterns import Pattern
from hedgerow.policy.tokens import Token, Variable, Wildcard

_STAR: Final = Wildcard.ANY
_ONE: Final = Wildcard.ONE
_COLON: Final = ":"
_ARN_COLONS: Final = 5
_REMEMBERED: Final = 1024

Symbol = str | Wildcard | Variable
"""A single letter, a wildcard or a variable."""


def contains(larger: Pattern, smaller: Pattern, *, by_part: bool = False) -> bool:
    """Tell whether each text that `smaller` matches is matched by `larger`, whatever the values.

    True is certain. `by_part` if both are matched within the parts of an ARN.
    """
    folded = larger.folded or smaller.folded
    if larger.folded == smaller.folded:
        if larger == smaller:
            return True
        if not _lead(smaller).startswith(_lead(larger)):
            return False
    elif smaller.folded and any(map(_has_case, larger.tokens)):
        return False
    wide, narrow = _symbols_of(larger, folded=folded), _symbols_of(smaller, folded=folded)
    if not by_part or wide.count(_COLON) < _ARN_COLONS:
        return _within(wide, narrow)
    if narrow.count(_COLON) < _ARN_COLONS:
        return wide == narrow
    pairs = zip(_parts(wide), _parts(narrow), strict=True)
    return all(_within(one, other) for one, other in pairs)


def _has_case(token: Token) -> bool:
    return isinstance(token, Variable) or (
        isinstance(token, str) and token.lower() != token.upper()
    )


def _parts(symbols: Sequence[Symbol]) -> list[list[Symbol]]:
    """Cut at the first five colons."""
    parts: list[list[Symbol]] = [[]]
    for symbol in symbols:
        if symbol == _COLON and len(parts) <= _ARN_COLONS:
            parts.append([])
        else:
            parts[-1].append(symbol)
    return parts


def speaks_of_all(larger: Statement, smaller: Statement) -> bool:
    """Tell whether each resource that `smaller` speaks of, `larger` speaks of, whatever the values.

    True is certain. Both statements have the same effect, and so are read alike.
    """
    if not larger.resources:
        return True
    if larger.not_resources != smaller.not_resources or not smaller.resources:
        return False
    by_part = (larger.effect == "Allow") is not larger.not_resources
    wide, narrow = larger.resources, smaller.resources
    if larger.not_resources:
        wide, narrow = narrow, wide
        if larger.effect == "Allow" and not values_needed(larger) <= values_needed(smaller):
            return False
    return all(any(contains(one, other, by_part=by_part) for one in wide) for other in narrow)


def values_needed(statement: Statement) -> set[Variable]:
    """Return the variables without whose values a statement with NotResource allows nothing."""
    if not statement.not_resources:
        return set()
    return {unspelled(one) for pattern in statement.resources for one in pattern.variables}


def may_overlap(one: Pattern, other: Pattern) -> bool:
    """Tell whether some text could be matched by both, for some values. False is certain."""
    folded = one.folded or other.folded
    ours, theirs = _opened_symbols(one, folded=folded), _opened_symbols(other, folded=folded)
    if one.folded != other.folded:
        return _meet(ours, theirs)
    lead, other_lead = _lead(one), _lead(other)
    if not (lead.startswith(other_lead) or other_lead.startswith(lead)):
        return False
    alike = min(len(lead), len(other_lead))
    return _meet(ours[alike:], theirs[alike:])


def _meet(ours: Sequence[Symbol], theirs: Sequence[Symbol]) -> bool:
    reached = _beyond_stars({0}, ours)
    for symbol in theirs:
        if symbol is _STAR:
            first = min(reached, default=len(ours) + 1)
            reached = set(range(first, len(ours) + 1))
            continue
        stepped: set[int] = set()
        for place in reached:
            if place == len(ours):
                continue
            here = ours[place]
            if here is _STAR:
                stepped.add(place)
            elif symbol is _ONE or here is _ONE or here == symbol:
                stepped.add(place + 1)
        reached = _beyond_stars(stepped, ours)
    return len(ours) in reached


@lru_cache(_REMEMBERED)
def _opened_symbols(pattern: Pattern, *, folded: bool) -> tuple[Symbol, ...]:
    """Return the symbols, with any text in place of a variable."""
    symbols = _symbols_of(pattern, folded=folded)
    return tuple(_STAR if isinstance(one, Variable) else one for one in symbols)


@lru_cache(_REMEMBERED)
def _lead(pattern: Pattern) -> str:
    return pattern.lead


def _beyond_stars(places: set[int], symbols: Sequence[Symbol]) -> set[int]:
    """Add the places behind stars, which may stand for nothing."""
    found = set(places)
    for place in places:
        following = place
        while following < len(symbols) and symbols[following] is _STAR:
            following += 1
            found.add(following)
    return found


@lru_cache(_REMEMBERED)
def _symbols_of(pattern: Pattern, *, folded: bool) -> tuple[Symbol, ...]:
    return tuple(_symbols(pattern.tokens, folded=folded))


def _symbols(tokens: Iterable[Token], *, folded: bool) -> list[Symbol]:
    """Return the tokens as single symbols; of wildcards in a row, `?` come first and one `*`."""
    symbols: list[Symbol] = []
    for token in tokens:
        if isinstance(token, str):
            symbols += token.lower() if folded else token
        elif token is _STAR and symbols and symbols[-1] is _STAR:
            continue
        elif token is _ONE and symbols and symbols[-1] is _STAR:
            symbols.insert(-1, _ONE)
        else:
            symbols.append(unspelled(token) if isinstance(token, Variable) else token)
    return symbols


def unspelled(variable: Variable) -> Variable:
    """Return the variable without the spelling of its name, in which case does not count."""
    return msgspec.structs.replace(variable, shown="")


def _within(larger: Sequence[Symbol], smaller: Sequence[Symbol]) -> bool:
    """Match the smaller pattern's symbols as if they were letters; only a star takes a star.

    INVARIANT: the last star can always give way, so going back to it alone loses no match.
    """
    place = at = 0
    star, star_at = -1, 0
    while at < len(smaller):
        here = larger[place] if place < len(larger) else None
        symbol = smaller[at]
        if here is _STAR:
            star, star_at = place, at
            place += 1
        elif here is not None and (here == symbol or (here is _ONE and isinstance(symbol, str))):
            place += 1
            at += 1
        elif star >= 0:
            star_at += 1
            place, at = star + 1, star_at
        else:
            return False
    while place < len(larger) and larger[place] is _STAR:
        place += 1
    return place == len(larger)
