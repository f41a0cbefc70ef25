"""Two policies side by side: what the smaller gives that the larger may not.

What an allow statement gives is looked at pattern by pattern. Most patterns lie within one of the
larger policy's; what is left is cut into kinds of texts, and for each kind it is a question of a
few statements and their conditions. What is settled is certain; a doubt may be nothing.
"""

import string
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Final

from hedgerow.policy.analysis.automaton import (
    KIND_LIMIT,
    Alphabet,
    Automaton,
    Group,
    Kind,
    Kinds,
    Side,
)
from hedgerow.policy.analysis.containment import (
    contains,
    may_overlap,
    speaks_of_all,
    values_needed,
)
from hedgerow.policy.analysis.implication import Held, excluded, implied
from hedgerow.policy.analysis.naming import names_at_least
from hedgerow.policy.conditions import Effect
from hedgerow.policy.dialects import Dialect
from hedgerow.policy.documents import Policy, Statement
from hedgerow.policy.patterns import Pattern, Reading, make_pattern

_ACTION_FORM: Final = (
    Group((make_pattern("?*:?*", Reading()),), Side.AT_LEAST),
    Group((make_pattern("*:*:*", Reading()),), Side.AT_LEAST, negated=True),
)
_RESOURCE_FORM: Final = (Group((make_pattern("?*", Reading()),), Side.AT_LEAST),)
"""An action has a service and a name; a resource is some text."""

_ACTIONS: Final = Alphabet(
    frozenset(string.ascii_lowercase + string.digits + "-:"), string.ascii_lowercase[::-1]
)
_RESOURCES: Final = Alphabet(None, "xyzw" + string.ascii_lowercase + string.digits + "~^|<>")
_NOBODY: Final = Group((), Side.AT_LEAST)


@dataclass(frozen=True, slots=True)
class Piece:
    """What an allow statement of the smaller policy gives by one pattern, for a kind of actions.

    Without a pattern it is all resources, or all but those in its NotResource. `near` are the
    statements that may speak of some of it, one bit each.
    """

    action: Kind
    number: int
    allow: Statement
    pattern: Pattern | None
    near: int


@dataclass(frozen=True, slots=True)
class Doubt:
    """A kind of resources of which it is not certain that the larger policy allows them."""

    action: Kind
    resource: Kind
    allow: Statement
    others: tuple[Statement, ...]

    @property
    def unknowns(self) -> int:
        """How much there is to find out before it is a witness."""
        conditions = sum(len(one.conditions) for one in self.others)
        return len(self.allow.conditions) + conditions + 4 * (not self.resource.plain)


class Comparison:
    """The statements of both policies, numbered, the smaller's first.

    `complete` is false once there was too much to look at.
    """

    def __init__(self, smaller: Policy, larger: Policy) -> None:
        self.statements = (*smaller.statements, *larger.statements)
        self.complete = True
        self._ours = len(smaller.statements)
        self._trust = Dialect.TRUST in (smaller.dialect, larger.dialect)
        self._left = KIND_LIMIT
        self._covers: dict[tuple[int, int], bool] = {}
        self._takings: dict[tuple[int, int, Pattern | None], bool] = {}
        self._meetings: dict[Pattern, dict[int, tuple[Pattern, ...]]] = {}
        self._leads = [[(each.lead, each) for each in one.resources] for one in self.statements]

    def open_pieces(self) -> list[Piece]:
        """Return the pieces that no single statement settles."""
        actions = self._action_kinds()
        pieces: dict[tuple[int, Pattern | None, int], Piece] = {}
        for number, allow in enumerate(self.statements[: self._ours]):
            if allow.effect == "Deny" or _never(allow, _held(allow)):
                continue
            all_of_it = allow.not_resources or not allow.resources
            for pattern in [None] if all_of_it else dict.fromkeys(allow.resources):
                near = self._near(pattern)
                for action in actions.found:
                    if action.groups >> number & 1:
                        key = (number, pattern, action.groups & near)
                        pieces.setdefault(key, Piece(action, number, allow, pattern, key[2]))
        return [one for one in pieces.values() if not self._settled_simply(one)]

    def nearby(self, piece: Piece) -> tuple[Statement, ...]:
        """Return the statements that may speak of some of the piece."""
        return tuple(self.statements[number] for number in _numbers(piece.near))

    def doubts(self, piece: Piece) -> Iterator[Doubt]:
        """Cut what the piece gives into kinds, and yield those that are not settled."""
        kinds = self._resource_kinds(piece)
        own = 1 << piece.number
        valued = [number for number in _numbers(piece.near) if self._has_values(number)]
        for resource in kinds.found:
            if not resource.groups & own or (piece.pattern is None and not resource.plain):
                continue
            present = list(_numbers(resource.groups & piece.near))
            if not self._settled(piece, present, valued):
                others = tuple(self.statements[number] for number in present)
                yield Doubt(piece.action, resource, piece.allow, others)

    # --- kinds of actions and resources

    def _action_kinds(self) -> Kinds:
        groups = [
            Group(one.actions, self._side(number), one.not_actions)
            for number, one in enumerate(self.statements)
        ]
        return self._kinds(groups, _ACTION_FORM, _ACTIONS)

    def _resource_kinds(self, piece: Piece) -> Kinds:
        groups = [_NOBODY] * len(self.statements)
        for number in _numbers(piece.near):
            one = self.statements[number]
            patterns = one.resources
            if piece.pattern is not None:
                patterns = self._meeting(piece.pattern)[number]
            groups[number] = self._group(number, patterns)
        own = piece.allow.resources if piece.pattern is None else (piece.pattern,)
        groups[piece.number] = self._group(piece.number, own)
        skipped = "" if piece.pattern is None else _common_lead(groups)
        return self._kinds(groups, () if skipped else _RESOURCE_FORM, _RESOURCES, skipped)

    def _group(self, number: int, patterns: tuple[Pattern, ...]) -> Group:
        one = self.statements[number]
        # A statement without resources, of a trust policy, speaks of all: of none not.
        negated = one.not_resources or not one.resources
        broad = (one.effect == "Deny") is not one.not_resources
        return Group(patterns, self._side(number), negated, by_part=not broad)

    def _side(self, number: int) -> Side:
        """Say how patterns are read so that no yes is false.

        The smaller policy may be taken to allow too much, the larger one too little.
        """
        statement = self.statements[number]
        allow = statement.effect == "Allow"
        ours = number < self._ours
        if ours and allow:
            return Side.SOURCE
        little = ours or allow
        return Side.AT_LEAST if little is not statement.not_resources else Side.AT_MOST

    def _kinds(
        self,
        groups: Sequence[Group],
        form: Sequence[Group],
        alphabet: Alphabet,
        skipped: str = "",
    ) -> Kinds:
        """Return the kinds of those texts that are in all groups of `form`."""
        kinds = Automaton([*groups, *form], alphabet, skipped).kinds(self._left)
        self._left -= kinds.looked_at
        self.complete = self.complete and kinds.complete
        first = 1 << len(groups)
        needed = (first << len(form)) - first
        found = tuple(
            Kind(one.text, one.groups & ~needed)
            for one in kinds.found
            if one.groups & needed == needed
        )
        return Kinds(found, kinds.complete, kinds.looked_at)

    def _near(self, pattern: Pattern | None) -> int:
        """Return the statements, but for the smaller policy's allows, that may speak of some."""
        met = None if pattern is None else self._meeting(pattern)
        near = 0
        for number, one in enumerate(self.statements):
            if number < self._ours and one.effect == "Allow":
                continue
            if met is None or met[number] or one.not_resources or not one.resources:
                near |= 1 << number
        return near

    def _meeting(self, pattern: Pattern) -> dict[int, tuple[Pattern, ...]]:
        """Return, for each statement, its patterns that may match a text that this one does."""
        known = self._meetings.get(pattern)
        if known is None:
            lead = pattern.lead
            known = self._meetings[pattern] = {
                number: tuple(
                    other
                    for start, other in leads
                    if (lead.startswith(start) or start.startswith(lead))
                    and may_overlap(other, pattern)
                )
                for number, leads in enumerate(self._leads)
            }
        return known

    # --- what is settled

    def _settled_simply(self, piece: Piece) -> bool:
        """Tell whether one of the larger policy's allows covers the piece, and no deny comes near.

        Or one of the smaller's denies covers it all.
        """
        near = list(_numbers(piece.near))
        given = _held(piece.allow)
        denies = [n for n in self._of(near, ours=True, effect="Deny") if self._takes(n, piece)]
        if any(self._applies(n, given, piece.allow) for n in denies):
            return True
        allows = self._of(near, ours=False, effect="Allow")
        return any(
            self._applies(n, given, piece.allow, directly=self._trust) and self._takes(n, piece)
            for n in allows
        ) and all(
            self._spared(n, piece, given, near) for n in self._of(near, ours=False, effect="Deny")
        )

    def _takes(self, number: int, piece: Piece) -> bool:
        """Tell whether the statement speaks of all of the piece."""
        key = (number, piece.number, piece.pattern)
        known = self._takings.get(key)
        if known is None:
            known = self._takings[key] = self._takes_all(number, piece)
        return known

    def _takes_all(self, number: int, piece: Piece) -> bool:
        one = self.statements[number]
        if not one.resources:
            return True
        if piece.pattern is None:
            return one.effect == piece.allow.effect and self._covers_all(number, piece.number)
        met = self._meeting(piece.pattern)[number]
        if one.not_resources:
            return not met and not values_needed(one)
        by_part = one.effect == "Allow"
        return any(contains(each, piece.pattern, by_part=by_part) for each in met)

    def _spared(
        self, number: int, piece: Piece, given: Sequence[Held], near: Sequence[int]
    ) -> bool:
        """Tell whether a deny of the larger policy takes nothing that the smaller one gives."""
        taken = self.statements[number]
        if _never(taken, given):
            return True
        return self._denied_alike(number, piece, given, [], near)

    def _settled(self, piece: Piece, present: Sequence[int], valued: Sequence[int]) -> bool:
        """Tell whether what the piece gives of this kind is certainly allowed by the larger policy.

        Either the smaller policy denies it, or the larger one has a statement that allows it
        and none that takes it away where the smaller does not. Of `valued` statements, whose
        resources hold variables, more may be known from the patterns as they stand.
        """
        given = _held(piece.allow)
        denies = self._of(present, ours=True, effect="Deny")
        if any(self._applies(n, given, piece.allow) for n in denies):
            return True
        allows = [
            n
            for n in self._of(present, ours=False, effect="Allow")
            if not values_needed(self.statements[n])
        ]
        if not any(
            self._applies(n, given, piece.allow, directly=self._trust) for n in allows
        ) and not any(
            self._applies(n, given, piece.allow, directly=self._trust)
            and self._covers_all(n, piece.number)
            for n in self._of(valued, ours=False, effect="Allow")
        ):
            return False
        return all(
            _never(self.statements[n], given) or self._denied_alike(n, piece, given, denies, valued)
            for n in self._of(present, ours=False, effect="Deny")
        )

    def _denied_alike(
        self,
        number: int,
        piece: Piece,
        given: Sequence[Held],
        present: Sequence[int],
        others: Iterable[int],
    ) -> bool:
        """Tell whether the smaller policy denies whatever this deny of the larger one does.

        Its denies that are `present` speak of the same; of the `others` it has to be seen.
        """
        taken = self.statements[number]
        known = [*given, *_held(taken)]

        def denies(one: int) -> bool:
            return any(self._applies(one, known, asker) for asker in (piece.allow, taken))

        return any(denies(one) for one in present) or any(
            denies(one) and self._covers_all(one, number)
            for one in self._of(others, ours=True, effect="Deny")
        )

    def _applies(
        self, number: int, given: Sequence[Held], asker: Statement, *, directly: bool = False
    ) -> bool:
        wanted = self.statements[number]
        return names_at_least(wanted.principals, asker.principals, directly=directly) and all(
            implied(one, given) for one in _held(wanted)
        )

    def _covers_all(self, larger: int, smaller: int) -> bool:
        """Tell whether one statement speaks of all resources that another does."""
        key = (larger, smaller)
        known = self._covers.get(key)
        if known is None:
            known = speaks_of_all(self.statements[larger], self.statements[smaller])
            self._covers[key] = known
        return known

    def _has_values(self, number: int) -> bool:
        return any(pattern.variables for pattern in self.statements[number].resources)

    def _of(self, numbers: Iterable[int], *, ours: bool, effect: Effect) -> list[int]:
        return [
            number
            for number in numbers
            if (number < self._ours) is ours and self.statements[number].effect == effect
        ]


def _common_lead(groups: Sequence[Group]) -> str:
    """Return the plain text that all patterns begin with."""
    leads = [pattern.lead for group in groups for pattern in group.patterns]
    first, last = min(leads), max(leads)
    alike = takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False))
    return "".join(letter for letter, _ in alike)


def _numbers(mask: int) -> Iterator[int]:
    while mask:
        lowest = mask & -mask
        mask ^= lowest
        yield lowest.bit_length() - 1


def _held(statement: Statement) -> list[Held]:
    return [Held(one, statement.effect) for one in statement.conditions]


def _never(statement: Statement, given: Sequence[Held]) -> bool:
    """Tell whether one of the statement's conditions cannot be met together with those given."""
    return any(excluded(Held(one, "Deny"), given) for one in statement.conditions)
