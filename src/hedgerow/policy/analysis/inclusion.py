"""Whether this policy is at most as permissive as that one, and the request that tells if not.

Yes is said only where it is certain. No comes with a request that the smaller policy allows and
the larger does not; where neither can be shown, the answer is no without such a request, and says
why.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

import msgspec

from hedgerow.policy.analysis.automaton import Kind, Placeholder
from hedgerow.policy.analysis.comparison import Comparison, Doubt, Piece
from hedgerow.policy.analysis.grants import Grant, Granter
from hedgerow.policy.analysis.pairwise import within_pairwise
from hedgerow.policy.analysis.situations import contexts, requesters, shortest_match
from hedgerow.policy.conditions import Effect
from hedgerow.policy.context import Context
from hedgerow.policy.decisions import shown
from hedgerow.policy.documents import Policy, Statement
from hedgerow.policy.patterns import Pattern
from hedgerow.policy.requests import AccessRequest
from hedgerow.policy.tokens import Wildcard

_EVERYDAY_RESOURCES: Final = ("*", "arn:aws:iot:us-east-1:111122223333:thing/something-else")
_ANYTHING: Final = ("zq", "")
"""What takes the place of stars in a first guess."""

_GUESSES_EACH: Final = 6
_GUESSES: Final = 96
_TRIED_EACH: Final = 600
_TRIED: Final = 6_000
"""Requests that are tried as witnesses: for one piece or doubt, and for all of them."""


@dataclass(frozen=True, slots=True)
class Inclusion:
    """The answer. `witness` is a request that the smaller policy allows and the larger does not.

    Without one, if `holds` is false, it could not be shown either way; `reason` says why.
    """

    holds: bool
    witness: AccessRequest | None
    reason: str


_INCLUDED: Final = Inclusion(holds=True, witness=None, reason="everything is included")


def includes(smaller: Policy, larger: Policy) -> Inclusion:
    """Tell whether every request that `smaller` allows is allowed by `larger` as well."""
    if _unlabelled(smaller, "Allow") <= _unlabelled(larger, "Allow") and (
        _unlabelled(larger, "Deny") <= _unlabelled(smaller, "Deny")
    ):
        return _INCLUDED
    comparison = Comparison(smaller, larger)
    search = _Search(smaller, larger)
    pieces = comparison.open_pieces()
    witness = search.first(_guesses(comparison, pieces), _GUESSES_EACH, _GUESSES)
    doubts: list[Doubt] = []
    for piece in pieces:
        if witness is None:
            found = list(comparison.doubts(piece))
            doubts += found
            witness = search.first(found, _GUESSES_EACH, _GUESSES)
    if not (witness or comparison.complete) and within_pairwise(smaller, larger):
        return _INCLUDED
    witness = witness or search.first(
        sorted(doubts, key=lambda one: one.unknowns), _TRIED_EACH, _TRIED
    )
    return _answer(witness, doubts, complete=comparison.complete)


def _answer(witness: AccessRequest | None, doubts: Sequence[Doubt], *, complete: bool) -> Inclusion:
    if witness is not None:
        what = f"{witness.action} on {shown(witness.resource)}"
        return Inclusion(holds=False, witness=witness, reason=f"only the smaller allows {what}")
    if doubts:
        labels = ", ".join(dict.fromkeys(one.allow.label for one in doubts[:3]))
        reason = f"whether what {labels} allows is included could not be shown"
        return Inclusion(holds=False, witness=None, reason=reason)
    if not complete:
        return Inclusion(
            holds=False, witness=None, reason="the policies have too many wildcards to compare"
        )
    return _INCLUDED


def _unlabelled(policy: Policy, effect: Effect) -> set[Statement]:
    return {
        msgspec.structs.replace(one, label="") for one in policy.statements if one.effect == effect
    }


def _guesses(comparison: Comparison, pieces: Sequence[Piece]) -> Iterator[Doubt]:
    """Yield what a first look shows: some text of each piece's own pattern."""
    for anything in _ANYTHING:
        for piece in pieces:
            if piece.pattern is not None:
                text = _some_text(piece.pattern, anything)
                others = comparison.nearby(piece)
                yield Doubt(piece.action, Kind(text, 0), piece.allow, others)


def _some_text(pattern: Pattern, anything: str) -> tuple[str | Placeholder, ...]:
    device = pattern.reading.device
    letters: list[str | Placeholder] = []
    for token in pattern.tokens:
        if isinstance(token, str):
            letters.append(token)
        elif isinstance(token, Wildcard):
            letters.append(anything if token is Wildcard.ANY else "z")
        else:
            letters.append(Placeholder(token, device, whole=True))
    return tuple(letters)


class _Search:
    """Looks for a request that one policy allows and the other does not."""

    def __init__(self, smaller: Policy, larger: Policy) -> None:
        self._statements = (*smaller.statements, *larger.statements)
        self._ours = Granter(smaller)
        self._theirs = Granter(larger)

    def first(self, doubts: Iterable[Doubt], each: int, limit: int) -> AccessRequest | None:
        """Return a witness if one turns up, with so many tries for each doubt and in all."""
        tried = 0
        for doubt in doubts:
            for request in islice(self._requests(doubt), each):
                if self._separates(request):
                    return self._plainer(request)
                tried += 1
            if tried >= limit:
                return None
        return None

    def _requests(self, doubt: Doubt) -> Iterator[AccessRequest]:
        involved = (doubt.allow, *doubt.others)
        patterns = [one for each in involved for one in each.resources if one.variables]
        variables = [variable for one in patterns for variable in one.variables]
        others = [condition for one in doubt.others for condition in one.conditions]
        hints = _hints(involved) if variables else []
        named = [one.principals for one in involved if one.principals is not None]
        action = self._spelled("".join(map(str, doubt.action.text)))
        for facts in contexts(doubt.allow.conditions, others, variables, hints):
            for resource in _resources_for(doubt, patterns, facts):
                for requester in requesters(named):
                    yield AccessRequest(action, resource, facts, requester)

    def _spelled(self, action: str) -> str:
        """Return the action as one of the policies spells it."""
        for statement in self._statements:
            for pattern in statement.actions:
                if pattern.exact == action:
                    return pattern.source
        return action

    def _separates(self, request: AccessRequest) -> bool:
        ours = self._ours.grant(request)
        return ours is not Grant.NONE and ours > self._theirs.grant(request)

    def _plainer(self, witness: AccessRequest) -> AccessRequest:
        """Return a witness with an everyday resource if one is as good."""
        for resource in _EVERYDAY_RESOURCES:
            request = msgspec.structs.replace(witness, resource=resource)
            if self._separates(request):
                return request
        return witness


def _resources_for(doubt: Doubt, patterns: Sequence[Pattern], facts: Context) -> list[str]:
    """Return a resource of the kind, and such as the patterns match with the variables' values."""
    found = [_filled(doubt.resource, facts), *(shortest_match(one, facts) for one in patterns)]
    return list(dict.fromkeys(one for one in found if one is not None))


def _filled(kind: Kind, facts: Context) -> str | None:
    """Return the text with the variables' values, None if one has no value."""
    pieces: list[str] = []
    for letter in kind.text:
        if isinstance(letter, Placeholder):
            value = letter.variable.value(facts, device=letter.device)
            if value is None:
                return None
            pieces.append(value)
        else:
            pieces.append(letter)
    return "".join(pieces)


def _hints(statements: Sequence[Statement]) -> list[str]:
    """Return pieces of resources that a variable's value might be equal to."""
    hints: dict[str, None] = {}
    for statement in statements:
        for pattern in statement.resources:
            for token in pattern.tokens:
                if isinstance(token, str):
                    pieces = token.rpartition(":")[2].split("/")
                    hints.update(dict.fromkeys(piece for piece in pieces if piece))
    return list(hints)[:16]
