"""Many patterns run over all texts at once, to find which kinds of texts there are.

Two texts are of one kind if they belong to the same groups of patterns. The patterns are states of
one automaton, a bit for every place in every pattern, and it is explored from its start, letter by
letter, each set of places once. So a question about all texts becomes one about a few kinds, each
with a text that shows it.

Values of variables are unknown. The `Side` of a group decides on which side its answer errs.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from hedgerow.policy.analysis.containment import unspelled
from hedgerow.policy.patterns import Pattern
from hedgerow.policy.tokens import Token, Variable, Wildcard

_ARN_COLONS: Final = 5
_COLON: Final = ":"

KIND_LIMIT: Final = 5_000
"""Sets of places looked at; beyond that the answer is incomplete and says so."""


class Side(Enum):
    """How patterns of a group are read where the value of a variable matters."""

    SOURCE = "source"
    """As what texts come from: every text of theirs is explored, values as letters of their own.
    (Of negated patterns: all texts are explored, and the patterns read as `AT_LEAST`.)"""
    AT_LEAST = "at least"
    """Only what they match whatever the values are."""
    AT_MOST = "at most"
    """All they could match for some values."""


@dataclass(frozen=True, slots=True)
class Placeholder:
    """A letter that stands for the value of a variable; `whole` if it may hold colons.

    `device`: it is a value only by AWS IoT's rules, which exclude some.
    """

    variable: Variable
    device: bool
    whole: bool


Letter = str | Placeholder


@dataclass(frozen=True, slots=True)
class Group:
    """Patterns of which a text matches one, or, if `negated`, none.

    `by_part` if the patterns are read within the parts of an ARN.
    """

    patterns: tuple[Pattern, ...]
    side: Side
    negated: bool = False
    by_part: bool = False


@dataclass(frozen=True, slots=True)
class Kind:
    """A text, and the groups it and all of its kind belong to, one bit each."""

    text: tuple[Letter, ...]
    groups: int

    @property
    def plain(self) -> bool:
        """Whether the text holds no value of a variable."""
        return all(isinstance(letter, str) for letter in self.text)


@dataclass(frozen=True, slots=True)
class Kinds:
    """The kinds that were found; all there are only if `complete`.

    `looked_at` is how many sets of places it took.
    """

    found: tuple[Kind, ...]
    complete: bool
    looked_at: int = 0


@dataclass(frozen=True, slots=True)
class Alphabet:
    """The letters texts are made of, None for any, and which to use for 'some other letter'."""

    letters: Collection[str] | None
    others: str


class _Places:
    """Places in patterns, one bit each, while they are laid out."""

    def __init__(self, skipped: str) -> None:
        self.count = 0
        self._skipped = skipped
        self.literals: dict[str, list[int]] = {}
        self.placeholders: dict[Placeholder, list[int]] = {}
        self.ones: list[int] = []
        self.ones_in_part: list[int] = []
        self.loops: list[int] = []
        self.loops_in_part: list[int] = []

    def add(self, pattern: Pattern, *, by_part: bool, open_values: bool) -> None:
        """Lay out a pattern: a place before each of its pieces and one at its end.

        `open_values` if any text at all may take the place of a variable.
        """
        colons = 0
        if by_part and _colons(pattern) >= _ARN_COLONS:
            colons = _ARN_COLONS - self._skipped.count(_COLON)
        for token in self._tokens(pattern):
            if isinstance(token, str):
                for place, letter in enumerate(token, self.count):
                    self.literals.setdefault(letter, []).append(place)
                self.count += len(token)
                colons -= token.count(_COLON)
            elif token is Wildcard.ANY or (open_values and isinstance(token, Variable)):
                (self.loops_in_part if colons > 0 else self.loops).append(self.count)
            elif token is Wildcard.ONE:
                (self.ones_in_part if colons > 0 else self.ones).append(self.count)
                self.count += 1
            elif isinstance(token, Variable):
                value = Placeholder(unspelled(token), pattern.reading.device, whole=colons <= 0)
                self.placeholders.setdefault(value, []).append(self.count)
                self.count += 1
        self.count += 1

    def _tokens(self, pattern: Pattern) -> Sequence[Token]:
        first, *others = pattern.tokens
        if isinstance(first, str) and self._skipped:
            return (first[len(self._skipped) :], *others)
        return pattern.tokens

    def mask(self, places: Iterable[int]) -> int:
        """Return the places as bits."""
        field = bytearray(self.count // 8 + 1)
        for place in places:
            field[place >> 3] |= 1 << (place & 7)
        return int.from_bytes(field, "little")


class Automaton:
    """The patterns of some groups as one automaton.

    All patterns begin with the plain text `skipped`, which is not looked at: texts do as well.
    """

    def __init__(self, groups: Sequence[Group], alphabet: Alphabet, skipped: str = "") -> None:
        layout = _Places(skipped)
        self._skipped = skipped
        self._source = 0
        self._start = 0
        self._at_most: list[int] = []
        self._accepting = [0] * len(groups)
        self._owner: dict[int, int] = {}
        self._places = [0] * len(groups)
        for number, group in enumerate(groups):
            open_values = group.side is Side.AT_MOST
            for pattern in dict.fromkeys(group.patterns):
                first = layout.count
                layout.add(pattern, by_part=group.by_part, open_values=open_values)
                self._note(number, group, first, layout.count)
        self._literals = {one: layout.mask(at) for one, at in layout.literals.items()}
        self._placeholders = {one: layout.mask(at) for one, at in layout.placeholders.items()}
        self._ones = layout.mask(layout.ones)
        self._ones_in_part = layout.mask(layout.ones_in_part)
        self._loops = layout.mask(layout.loops)
        self._loops_in_part = layout.mask(layout.loops_in_part)
        self._certain = [one & self._loops for one in self._accepting]
        self._all_certain = _union(self._certain)
        self._all_accepting = _union(self._accepting)
        self._negated = sum(1 << number for number, one in enumerate(groups) if one.negated)
        self._endless = any(one.side is Side.SOURCE and one.negated for one in groups)
        self._known = {
            letter: mask
            for letter, mask in self._literals.items()
            if alphabet.letters is None or letter in alphabet.letters
        }
        free = [one for one in alphabet.others if one not in self._literals]
        self._other = free[0] if free else None

    def kinds(self, limit: int = KIND_LIMIT) -> Kinds:
        """Return the kinds of texts there are, each with one of the shortest texts."""
        steps: list[tuple[int, Letter]] = [(0, "")]
        states = [self._settled(self._start)]
        seen = {states[0]}
        shown: dict[int, int] = {}
        with_value = [False]
        position = 0
        while position < len(states):
            state = states[position]
            groups = self._members(state)
            held = shown.get(groups)
            if held is None or (with_value[held] and not with_value[position]):
                shown[groups] = position
            for letter in self._next_letters(state):
                reached = self._settled(self._step(state, letter))
                if reached in seen or not (self._endless or reached & self._source):
                    continue
                if len(states) >= limit:
                    return Kinds(self._told(shown, steps), complete=False, looked_at=len(states))
                seen.add(reached)
                states.append(reached)
                steps.append((position, letter))
                with_value.append(with_value[position] or not isinstance(letter, str))
            position += 1
        return Kinds(self._told(shown, steps), complete=True, looked_at=len(states))

    def _note(self, number: int, group: Group, first: int, end: int) -> None:
        """Note whose places these are, the last of which is reached by a whole match."""
        places = (1 << end) - (1 << first)
        self._start |= 1 << first
        self._accepting[number] |= 1 << (end - 1)
        self._owner[end - 1] = number
        self._places[number] |= places
        if group.side is Side.SOURCE and not group.negated:
            self._source |= places
        elif group.side is Side.AT_MOST:
            self._at_most.append(places)

    def _next_letters(self, state: int) -> list[Letter]:
        """Return the letters that lead to different places, one of each sort."""
        letters: list[Letter] = [one for one, mask in self._known.items() if state & mask]
        values = state & self._source
        letters += [one for one, mask in self._placeholders.items() if values & mask]
        in_part = self._ones_in_part | self._loops_in_part
        if state & in_part and not state & self._literals.get(_COLON, 0):
            letters.append(_COLON)
        if self._other is not None and (
            self._endless or state & (in_part | self._ones | self._loops)
        ):
            letters.append(self._other)
        return letters

    def _step(self, state: int, letter: Letter) -> int:
        if isinstance(letter, Placeholder):
            return self._step_over_value(state, letter)
        moving, staying = self._ones, self._loops
        if letter != _COLON:
            moving |= self._ones_in_part
            staying |= self._loops_in_part
        moving |= self._literals.get(letter, 0)
        return (state & moving) << 1 | state & staying

    def _step_over_value(self, state: int, letter: Placeholder) -> int:
        """Take a value whole: as the same variable, or under a star; 'at most' takes any part."""
        staying = self._loops if letter.whole else self._loops | self._loops_in_part
        reached = state & staying & ~self._source
        for other, mask in self._placeholders.items():
            if (other.variable, other.device) == (letter.variable, letter.device):
                reached |= (state & mask) << 1
        for places in self._at_most:
            here = state & places
            if here:
                reached |= places & ~((here & -here) - 1)
        return reached

    def _settled(self, state: int) -> int:
        """Forget where else a group is once it matches whatever follows."""
        certain = state & self._all_certain
        for place in _places_in(certain):
            number = self._owner[place]
            first = self._certain[number] & -self._certain[number]
            if state & self._places[number] != first:
                state = state & ~self._places[number] | first
        return state

    def _members(self, state: int) -> int:
        matched = 0
        for place in _places_in(state & self._all_accepting):
            matched |= 1 << self._owner[place]
        return self._negated ^ matched

    def _told(self, shown: dict[int, int], steps: Sequence[tuple[int, Letter]]) -> tuple[Kind, ...]:
        """Return the kinds with their texts, the shortest first."""
        kinds: list[Kind] = []
        for groups, reached in sorted(shown.items(), key=lambda item: item[1]):
            letters: list[Letter] = []
            position = reached
            while position:
                position, letter = steps[position]
                letters.append(letter)
            kinds.append(Kind((*self._skipped, *reversed(letters)), groups))
        return tuple(kinds)


def _places_in(state: int) -> Iterator[int]:
    while state:
        lowest = state & -state
        state ^= lowest
        yield lowest.bit_length() - 1


def _union(masks: Sequence[int]) -> int:
    union = 0
    for mask in masks:
        union |= mask
    return union


def _colons(pattern: Pattern) -> int:
    return sum(token.count(_COLON) for token in pattern.tokens if isinstance(token, str))
