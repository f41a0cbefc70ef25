"""Whether this policy is at most as permissive as that one, and the request that tells if not.

All actions fall into a few kinds, by the statements that speak of them, and so do all resources;
for each pair of kinds it is a question of a few statements and their conditions. Yes is said only
where it is certain. No comes with a request that the smaller policy allows and the larger does
not; where neither can be shown, the answer is no without such a request, and says why.
"""

import string
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

import msgspec

from hedgerow.policy.analysis.automaton import (
    Alphabet,
    Automaton,
    Group,
    Kind,
    Kinds,
    Placeholder,
    Side,
)
from hedgerow.policy.analysis.containment import speaks_of_all, values_needed
from hedgerow.policy.analysis.grants import Grant, grant
from hedgerow.policy.analysis.implication import Held, excluded, implied
from hedgerow.policy.analysis.naming import names_at_least
from hedgerow.policy.analysis.pairwise import within_pairwise
from hedgerow.policy.analysis.situations import contexts, requesters, shortest_match
from hedgerow.policy.conditions import Effect
from hedgerow.policy.context import Context
from hedgerow.policy.decisions import shown
from hedgerow.policy.dialects import Dialect
from hedgerow.policy.documents import Policy, Statement
from hedgerow.policy.patterns import Pattern, Reading, make_pattern
from hedgerow.policy.requests import AccessRequest

_ACTION_FORM: Final = Group((make_pattern("?*:?*", Reading()),), Side.AT_LEAST)
_ONE_COLON: Final = Group((make_pattern("*:*:*", Reading()),), Side.AT_LEAST, negated=True)
_RESOURCE_FORM: Final = Group((make_pattern("?*", Reading()),), Side.AT_LEAST)
"""An action has a service and a name; a resource is some text."""

_EVERYDAY_RESOURCES: Final = ("*", "arn:aws:iot:us-east-1:111122223333:thing/something-else")
_ACTIONS: Final = Alphabet(
    frozenset(string.ascii_lowercase + string.digits + "-:"), string.ascii_lowercase[::-1]
)
_RESOURCES: Final = Alphabet(None, "xyzw" + string.ascii_lowercase + string.digits + "~^|<>")
_TRIED_LIMIT: Final = 6_000
_TRIED_EACH: Final = 600
"""Requests that are tried as witnesses, in all and for one pair of kinds."""


@dataclass(frozen=True, slots=True)
class Inclusion:
    """The answer. `witness` is a request that the smaller policy allows and the larger does not.

    Without one, if `holds` is false, it could not be shown either way; `reason` says why.
    """

    holds: bool
    witness: AccessRequest | None
    reason: str


def includes(smaller: Policy, larger: Policy) -> Inclusion:
    """Tell whether every request that `smaller` allows is allowed by `larger` as well."""
    return _Comparison(smaller, larger).answer()


_INCLUDED: Final = Inclusion(holds=True, witness=None, reason="everything is included")


@dataclass(frozen=True, slots=True)
class _Doubt:
    """A pair of kinds for which it is not certain that the larger policy allows."""

    action: Kind
    resource: Kind
    allow: Statement
    others: tuple[Statement, ...]

    @property
    def unknowns(self) -> int:
        """How much there is to find out before it is a witness."""
        conditions = sum(len(one.conditions) for one in self.others)
        return len(self.allow.conditions) + conditions + 4 * (not self.resource.plain)


_Sided = tuple[bool, Statement]
"""A statement, and whether it is the smaller policy's."""


class _Comparison:
    """Two policies side by side; their statements are numbered, the smaller's first."""

    def __init__(self, smaller: Policy, larger: Policy) -> None:
        self._smaller = smaller
        self._larger = larger
        self._statements = (*smaller.statements, *larger.statements)
        self._ours = len(smaller.statements)
        self._trust = Dialect.TRUST in (smaller.dialect, larger.dialect)

    def answer(self) -> Inclusion:
        """Return what can be shown."""
        if _unlabelled(self._smaller, "Allow") <= _unlabelled(self._larger, "Allow") and (
            _unlabelled(self._larger, "Deny") <= _unlabelled(self._smaller, "Deny")
        ):
            return _INCLUDED
        actions = self._action_kinds()
        resources = self._resource_kinds()
        complete = actions.complete and resources.complete
        if not complete and within_pairwise(self._smaller, self._larger):
            return _INCLUDED
        doubts = sorted(self._doubts(actions, resources), key=lambda one: one.unknowns)
        tried = 0
        for doubt in doubts:
            for request in islice(self._requests(doubt), _TRIED_EACH):
                if self._separates(request):
                    return self._told_apart(self._plainer(request))
                tried += 1
            if tried >= _TRIED_LIMIT:
                break
        if doubts:
            labels = ", ".join(dict.fromkeys(one.allow.label for one in doubts[:3]))
            return Inclusion(
                holds=False,
                witness=None,
                reason=f"whether what {labels} allows is included could not be shown",
            )
        if not complete:
            return Inclusion(
                holds=False, witness=None, reason="the policies have too many wildcards to compare"
            )
        return _INCLUDED

    def _told_apart(self, witness: AccessRequest) -> Inclusion:
        what = f"{witness.action} on {shown(witness.resource)}"
        return Inclusion(holds=False, witness=witness, reason=f"only the smaller allows {what}")

    def _plainer(self, witness: AccessRequest) -> AccessRequest:
        """Return a witness with an everyday resource if one is as good."""
        for resource in _EVERYDAY_RESOURCES:
            request = msgspec.structs.replace(witness, resource=resource)
            if self._separates(request):
                return request
        return witness

    # --- kinds of actions and resources

    def _action_kinds(self) -> Kinds:
        groups = [
            Group(one.actions, self._side(number), one.not_actions)
            for number, one in enumerate(self._statements)
        ]
        return _kinds(groups, [_ACTION_FORM, _ONE_COLON], _ACTIONS)

    def _resource_kinds(self) -> Kinds:
        groups: list[Group] = []
        for number, one in enumerate(self._statements):
            # A statement without resources, of a trust policy, speaks of all: of none not.
            negated = one.not_resources or not one.resources
            broad = (one.effect == "Deny") is not one.not_resources
            groups.append(Group(one.resources, self._side(number), negated, by_part=not broad))
        return _kinds(groups, [_RESOURCE_FORM], _RESOURCES)

    def _side(self, number: int) -> Side:
        """Say how patterns are read so that no yes is false.

        The smaller policy may be taken to allow too much, the larger one too little.
        """
        statement = self._statements[number]
        allow = statement.effect == "Allow"
        if number < self._ours:
            return Side.SOURCE if allow else self._turned(Side.AT_LEAST, statement)
        return self._turned(Side.AT_LEAST if allow else Side.AT_MOST, statement)

    @staticmethod
    def _turned(side: Side, statement: Statement) -> Side:
        if not statement.not_resources:
            return side
        return Side.AT_MOST if side is Side.AT_LEAST else Side.AT_LEAST

    # --- doubts

    def _doubts(self, actions: Kinds, resources: Kinds) -> Iterator[_Doubt]:
        seen: set[tuple[int, int]] = set()
        allows = self._mask(lambda number, one: number < self._ours and one.effect == "Allow")
        valued = self._mask(lambda _, one: any(pattern.variables for pattern in one.resources))
        for resource in resources.found:
            if not resource.groups & allows:
                continue
            for action in actions.found:
                both = action.groups & resource.groups
                key = (both, action.groups & valued)
                if both & allows and key not in seen:
                    seen.add(key)
                    yield from self._doubts_of(key, action, resource)

    def _mask(self, chosen: Callable[[int, Statement], bool]) -> int:
        return sum(
            1 << number for number, one in enumerate(self._statements) if chosen(number, one)
        )

    def _doubts_of(self, key: tuple[int, int], action: Kind, resource: Kind) -> Iterator[_Doubt]:
        present = self._chosen(key[0])
        valued = self._chosen(key[1])
        for ours, statement in present:
            if not ours or statement.effect == "Deny":
                continue
            if statement.not_resources and not resource.plain:
                continue  # What it allows is explored by plain texts.
            if not self._settled(statement, present, valued):
                others = tuple(one for _, one in present if one is not statement)
                yield _Doubt(action, resource, statement, others)

    def _chosen(self, mask: int) -> list[_Sided]:
        chosen: list[_Sided] = []
        while mask:
            lowest = mask & -mask
            mask ^= lowest
            number = lowest.bit_length() - 1
            chosen.append((number < self._ours, self._statements[number]))
        return chosen

    def _settled(
        self, allow: Statement, present: Sequence[_Sided], valued: Sequence[_Sided]
    ) -> bool:
        """Tell whether what the statement allows here is certainly allowed by the larger policy.

        Either the smaller policy denies it, or the larger one has a statement that allows it
        and none that takes it away where the smaller does not. Of `valued` statements, whose
        resources hold variables, more may be known from the patterns as they stand.
        """
        given = _held(allow)
        if _never(allow, given):
            return True
        denies = _of(present, ours=True, effect="Deny")
        if any(self._applies(one, given, allow) for one in denies):
            return True
        allows = [one for one in _of(present, ours=False, effect="Allow") if not values_needed(one)]
        allows += _covering(_of(valued, ours=False, effect="Allow"), allow)
        if not any(self._applies(one, given, allow, directly=self._trust) for one in allows):
            return False
        valued_denies = _of(valued, ours=True, effect="Deny")
        return all(
            _never(taken, given)
            or any(
                self._applies(ours, [*given, *_held(taken)], asker)
                for ours in [*denies, *_covering(valued_denies, taken)]
                for asker in (allow, taken)
            )
            for taken in _of(present, ours=False, effect="Deny")
        )

    @staticmethod
    def _applies(
        wanted: Statement, given: Sequence[Held], asker: Statement, *, directly: bool = False
    ) -> bool:
        return names_at_least(wanted.principals, asker.principals, directly=directly) and all(
            implied(one, given) for one in _held(wanted)
        )

    # --- witnesses

    def _requests(self, doubt: _Doubt) -> Iterator[AccessRequest]:
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
        ours = grant(self._smaller, request)
        return ours is not Grant.NONE and ours > grant(self._larger, request)


def _unlabelled(policy: Policy, effect: Effect) -> set[Statement]:
    return {
        msgspec.structs.replace(one, label="") for one in policy.statements if one.effect == effect
    }


def _of(statements: Sequence[_Sided], *, ours: bool, effect: Effect) -> list[Statement]:
    return [one for mine, one in statements if mine is ours and one.effect == effect]


def _covering(statements: Sequence[Statement], smaller: Statement) -> list[Statement]:
    return [one for one in statements if speaks_of_all(one, smaller)]


def _kinds(groups: Sequence[Group], form: Sequence[Group], alphabet: Alphabet) -> Kinds:
    """Return the kinds of those texts that are in all groups of `form`."""
    kinds = Automaton([*groups, *form], alphabet).kinds()
    first = 1 << len(groups)
    needed = (first << len(form)) - first
    found = tuple(
        Kind(one.text, one.groups & ~needed) for one in kinds.found if one.groups & needed == needed
    )
    return Kinds(found, kinds.complete)


def _held(statement: Statement) -> list[Held]:
    return [Held(one, statement.effect) for one in statement.conditions]


def _never(statement: Statement, given: Sequence[Held]) -> bool:
    """Tell whether one of the statement's conditions cannot be met together with those given."""
    return any(excluded(Held(one, "Deny"), given) for one in statement.conditions)


def _resources_for(doubt: _Doubt, patterns: Sequence[Pattern], facts: Context) -> list[str]:
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
