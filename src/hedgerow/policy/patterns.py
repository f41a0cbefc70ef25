"""A text of a policy that is matched with one of a request.

`*` is any text, `?` any one character, `${key}` the request's value, everything else is itself.
Patterns of resources are read part by part: AWS's guide says that wildcards stand within one of
the six parts of an ARN, so that a `*` for the region cannot reach into the name of a topic. It
leaves open whether some star can go further. Where that matters, the stricter reading counts: an
allow statement is read part by part, a deny statement as one text (`broad`).
"""

from collections.abc import Iterable, Sequence
from typing import Final

from hedgerow.policy.context import Context
from hedgerow.policy.segments import Segment, cut, least_length, match
from hedgerow.policy.tokens import Token, Variable, Wildcard, tokens

_ARN_PARTS: Final = 6
_Bound = tuple[tuple[Segment, ...], int]


class Pattern:
    """A pattern; `source` is the text it was made from.

    `exact` is the whole text if nothing in it stands for something else, `prefix` what comes
    before a single star at the end; both are None for any other pattern. Patterns with equal
    text and equal settings are equal.
    """

    __slots__ = (
        "_bound", "_parts", "_simple", "_tokens",
        "arn", "device", "exact", "folded", "prefix", "source", "variables", "wildcards",
    )  # fmt: skip

    def __init__(
        self,
        source: str,
        *,
        wildcards: bool = True,
        variables: bool = False,
        folded: bool = False,
        arn: bool = False,
        device: bool = False,
    ) -> None:
        self.source = source
        self.wildcards = wildcards
        self.folded = folded
        self.arn = arn
        self.device = device
        self.exact: str | None = None
        self.prefix: str | None = None
        self.variables: tuple[Variable, ...] = ()
        self._tokens: tuple[Token, ...] | None = None
        self._bound: _Bound | None = None
        self._parts: tuple[tuple[Token, ...], ...] | None = None
        self._simple: tuple[str, tuple[str | Variable, ...], bool] | None = None
        if variables and "${" in source:
            self._read_variables()
        elif not (wildcards and ("*" in source or "?" in source)):
            self.exact = source.lower() if folded else source
        elif source.find("*") == len(source) - 1 and "?" not in source:
            self.prefix = source[:-1].lower() if folded else source[:-1]

    @property
    def tokens(self) -> tuple[Token, ...]:
        """The pattern's pieces, in lower case if case does not count."""
        if self._tokens is None:
            self._tokens = self._folded(
                tokens(self.source, wildcards=self.wildcards, variables=False)
            )
        return self._tokens

    @property
    def lead(self) -> str:
        """The plain text that every match begins with."""
        first = self.tokens[0] if self.tokens else ""
        return first if isinstance(first, str) else ""

    def matches(self, subject: str, variables: Context, *, broad: bool = False) -> bool:
        """Tell whether the pattern matches, with the variables' values put in.

        Where a variable has no value, the pattern matches nothing. If `broad`, it matches
        whatever some reading of it would match, and a device's unknown value is any value.
        """
        if self.folded:
            subject = subject.lower()
        if self.exact is not None:
            return subject == self.exact
        if self.prefix is not None:
            return subject.startswith(self.prefix)
        if self._simple is not None:
            known = self._matches_simply(subject, variables)
            if known is not None:
                return known
        bound = self._bind(self.tokens, variables, broad=broad)
        if bound is None or not match(bound[0], subject, bound[1]):
            return False
        return broad or not self.arn or self._matches_by_part(subject, variables)

    def compares(self, subject: str, variables: Context) -> bool | None:
        """Tell whether a condition's value matches; None if a variable in it has no value."""
        if self.folded:
            subject = subject.lower()
        if self.exact is not None:
            return subject == self.exact
        if self.prefix is not None:
            return subject.startswith(self.prefix)
        bound = self._bind(self.tokens, variables, broad=False)
        return None if bound is None else match(bound[0], subject, bound[1])

    def without_value(self, variables: Context) -> tuple[str, ...]:
        """Return the names, as written, of the variables that have no value that may be put in."""
        return tuple(
            one.shown for one in self.variables if one.value(variables, device=self.device) is None
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Pattern) and self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash(self.source)

    def __repr__(self) -> str:
        return f"Pattern({self.source!r})"

    def _identity(self) -> tuple[object, ...]:
        return (
            self.source, self.wildcards, self.folded, self.arn, self.device, self.variables,
        )  # fmt: skip

    def _folded(self, parts: Iterable[Token]) -> tuple[Token, ...]:
        if not self.folded:
            return tuple(parts)
        return tuple(part.lower() if isinstance(part, str) else part for part in parts)

    def _read_variables(self) -> None:
        parts = self._folded(tokens(self.source, wildcards=self.wildcards))
        self._tokens = parts
        self.variables = tuple(part for part in parts if isinstance(part, Variable))
        if not self.variables and all(isinstance(part, str) for part in parts):
            self.exact = "".join(part for part in parts if isinstance(part, str))
        elif self.variables and isinstance(parts[0], str):
            self._read_simply(parts[0], parts)

    def _read_simply(self, lead: str, parts: tuple[Token, ...]) -> None:
        """Note the common form: text, variables, and at most one star, which is at the end."""
        open_end = parts[-1] is Wildcard.ANY
        body = parts[:-1] if open_end else parts
        plain = tuple(part for part in body if not isinstance(part, Wildcard))
        if len(plain) == len(body) and (not self.arn or lead.count(":") >= _ARN_PARTS - 1):
            self._simple = (lead, plain, open_end)

    def _matches_simply(self, subject: str, variables: Context) -> bool | None:
        """Match the common form; None if a variable has no value."""
        if self._simple is None:
            return None
        lead, parts, open_end = self._simple
        if not subject.startswith(lead):
            return False
        text = ""
        for part in parts:
            if isinstance(part, str):
                text += part
                continue
            value = part.value(variables, device=self.device)
            if value is None:
                return None
            text += value.lower() if self.folded else value
        return subject.startswith(text) if open_end else subject == text

    def _bind(
        self, parts: Sequence[Token], variables: Context, *, broad: bool, whole: bool = True
    ) -> _Bound | None:
        if whole and self._bound is not None:
            return self._bound
        bound: list[Token] = []
        for part in parts:
            if not isinstance(part, Variable):
                bound.append(part)
                continue
            value = part.value(variables, device=self.device)
            if value is not None:
                bound.append(value.lower() if self.folded else value)
            elif broad and self.device:
                bound.append(Wildcard.ANY)
            else:
                return None
        segments = cut(bound)
        made = (segments, least_length(segments))
        if whole and not self.variables:
            self._bound = made
        return made

    def _matches_by_part(self, subject: str, variables: Context) -> bool:
        if self._parts is None:
            self._parts = _by_part(self.tokens)
        if len(self._parts) < _ARN_PARTS:
            return True
        subjects = subject.split(":", _ARN_PARTS - 1)
        if len(subjects) < _ARN_PARTS:
            return False
        for part, text in zip(self._parts, subjects, strict=True):
            bound = self._bind(part, variables, broad=False, whole=False)
            if bound is None or not match(bound[0], text, bound[1]):
                return False
        return True


def _by_part(parts: Sequence[Token]) -> tuple[tuple[Token, ...], ...]:
    """Cut the tokens of an ARN at its first five colons; nothing if its head is plain text."""
    if isinstance(parts[0], str) and parts[0].count(":") >= _ARN_PARTS - 1:
        return ()
    cuts: list[list[Token]] = [[]]
    for part in parts:
        if not isinstance(part, str):
            cuts[-1].append(part)
            continue
        head, *rest = part.split(":", _ARN_PARTS - len(cuts))
        cuts[-1].append(head)
        cuts.extend([one] for one in rest)
    return tuple(tuple(one) for one in cuts)
