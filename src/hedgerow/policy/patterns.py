"""A text of a policy that is matched with one of a request.

`*` is any text, `?` any one character, `${key}` the request's value, everything else is itself.
Patterns of resources are read part by part: AWS's guide says that wildcards stand within one of
the six parts of an ARN, so that a `*` for the region cannot reach into the name of a topic. It
leaves open whether some star can go further. Where that matters, the stricter reading counts: an
allow statement is read part by part, a deny statement as one text (`broad`).
"""

from collections.abc import Iterable, Sequence
from typing import Final, cast

import msgspec

from hedgerow.policy.context import Context
from hedgerow.policy.segments import Segment, cut, cut_text, least_length, match
from hedgerow.policy.tokens import Token, Variable, Wildcard, tokens

_ARN_PARTS: Final = 6
_Bound = tuple[tuple[Segment, ...], int]
_Simple = tuple[str, tuple[str | Variable, ...], bool]


class Reading(msgspec.Struct, frozen=True, gc=False):
    """How a text is read.

    `arn` is for texts that are read part by part, `folded` for those whose case does not count,
    and `device` for AWS IoT's rules about variables.
    """

    wildcards: bool = True
    variables: bool = False
    folded: bool = False
    arn: bool = False
    device: bool = False


class Pattern(msgspec.Struct, frozen=True, eq=False):
    """A pattern; `source` is the text it was made from. `make_pattern` makes these.

    `exact` is the whole text if nothing in it stands for something else, `prefix` what comes
    before a single star at the end, `ends` what is around a single star elsewhere; all are None
    for any other pattern. Patterns with equal text that are read alike are equal.
    """

    source: str
    reading: Reading
    exact: str | None = None
    prefix: str | None = None
    ends: tuple[str, str, int] | None = None
    """Both ends, and how long they are together."""
    variables: tuple[Variable, ...] = ()
    form: "Form | None" = None

    @property
    def folded(self) -> bool:
        """Whether case does not count."""
        return self.reading.folded

    @property
    def tokens(self) -> tuple[Token, ...]:
        """The pattern's pieces, in lower case if case does not count."""
        return self._compiled().tokens

    @property
    def lead(self) -> str:
        """The plain text that every match begins with."""
        if self.prefix is not None:
            return self.prefix
        if self.ends is not None:
            return self.ends[0]
        first = self.tokens[0] if self.tokens else ""
        return first if isinstance(first, str) else ""

    def matches(self, subject: str, variables: Context, *, broad: bool = False) -> bool:
        """Tell whether the pattern matches, with the variables' values put in.

        Where a variable has no value, the pattern matches nothing. If `broad`, it matches
        whatever some reading of it would match, and a device's unknown value is any value.
        """
        if self.reading.folded:
            subject = subject.lower()
        if self.exact is not None:
            return subject == self.exact
        if self.prefix is not None:
            return subject.startswith(self.prefix)
        if self.ends is not None:
            head, tail, least = self.ends
            return subject.startswith(head) and subject.endswith(tail) and len(subject) >= least
        return self._compiled().matches(subject, variables, broad=broad)

    def compares(self, subject: str, variables: Context) -> bool | None:
        """Tell whether a condition's value matches; None if a variable in it has no value."""
        if self.variables and self.without_value(variables):
            return None
        return self.matches(subject, variables)

    def without_value(self, variables: Context) -> tuple[str, ...]:
        """Return the names, as written, of the variables that have no value that may be put in."""
        device = self.reading.device
        return tuple(
            one.shown for one in self.variables if one.value(variables, device=device) is None
        )

    def could_match(self, subject: str, variables: Context) -> bool:
        """Tell whether the pattern would match if variables without a value had some value."""
        if not self.variables:
            return self.matches(subject, variables)
        return self._compiled().could_match(subject, variables)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Pattern)
            and self.source == other.source
            and self.reading == other.reading
        )

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(self.source)

    def __repr__(self) -> str:
        return f"Pattern({self.source!r})"

    def _compiled(self) -> "Form":
        """Return the form, which is made when it is first needed."""
        if self.form is None:
            msgspec.structs.force_setattr(self, "form", Form(self.source, self.reading))
        return cast("Form", self.form)


def make_pattern(source: str, reading: Reading) -> Pattern:
    """Return the pattern that a text is; raises `UnclosedVariableError`."""
    if reading.variables and "${" in source:
        form = Form(source, reading)
        return Pattern(source, reading, form.exact, variables=form.variables, form=form)
    text = source.lower() if reading.folded else source
    if not reading.wildcards or ("*" not in text and "?" not in text):
        return Pattern(source, reading, text)
    if "?" not in text:
        head, _, tail = text.partition("*")
        if not tail:
            return Pattern(source, reading, None, head)
        if "*" not in tail and (not reading.arn or head.count(":") >= _ARN_PARTS - 1):
            return Pattern(source, reading, None, None, (head, tail, len(head) + len(tail)))
    return Pattern(source, reading)


class Form:
    """What a pattern that is neither plain nor a prefix is compiled to, when it is first used."""

    __slots__ = ("_bound", "_bound_parts", "_parts", "_simple", "_source", "_tokens", "exact",
                 "reading", "variables")  # fmt: skip

    def __init__(self, source: str, reading: Reading) -> None:
        self.reading = reading
        self.exact: str | None = None
        self.variables: tuple[Variable, ...] = ()
        self._source = source
        self._tokens: tuple[Token, ...] | None = None
        self._bound: _Bound | None = None
        self._parts: tuple[tuple[Token, ...], ...] | None = None
        self._bound_parts: list[_Bound | None] | None = None
        self._simple: _Simple | None = None
        if reading.variables and "${" in source:
            self._read_variables()
        elif reading.wildcards:
            segments = cut_text(source.lower() if reading.folded else source)
            self._bound = (segments, least_length(segments))

    @property
    def tokens(self) -> tuple[Token, ...]:
        """The pattern's pieces, in lower case if case does not count."""
        if self._tokens is None:
            reading = self.reading
            parts = tokens(self._source, wildcards=reading.wildcards, variables=reading.variables)
            self._tokens = (
                tuple(one.lower() if isinstance(one, str) else one for one in parts)
                if reading.folded
                else tuple(parts)
            )
        return self._tokens

    def _read_variables(self) -> None:
        parts = self.tokens
        self.variables = tuple([one for one in parts if isinstance(one, Variable)])
        texts = [one for one in parts if isinstance(one, str)]
        if len(texts) == len(parts):
            self.exact = "".join(texts)
        elif self.variables:
            self._simple = _simply(parts, self.reading)

    def matches(self, subject: str, variables: Context, *, broad: bool) -> bool:
        """Tell whether the subject matches, as `Pattern.matches` does."""
        if self._simple is not None:
            known = self._matches_simply(self._simple, subject, variables)
            if known is not None:
                return known
        bound = self._bound or self._bind(
            self.tokens, variables, free=broad and self.reading.device
        )
        if bound is None or not match(bound[0], subject, bound[1]):
            return False
        return broad or not self.reading.arn or self._matches_by_part(subject, variables)

    def _matches_simply(self, simple: _Simple, subject: str, variables: Context) -> bool | None:
        lead, parts, open_end = simple
        if not subject.startswith(lead):
            return False
        text = ""
        for part in parts:
            if isinstance(part, str):
                text += part
                continue
            value = part.value(variables, device=self.reading.device)
            if value is None:
                return None
            text += value.lower() if self.reading.folded else value
        return subject.startswith(text) if open_end else subject == text

    def could_match(self, subject: str, variables: Context) -> bool:
        """Tell whether the subject matches if what has no value had some."""
        bound = self._bind(self.tokens, variables, free=True)
        return bound is not None and match(bound[0], subject, bound[1])

    def _bind(self, parts: Sequence[Token], variables: Context, *, free: bool) -> _Bound | None:
        """Put the values in and cut; what has no value is any text if that is left `free`."""
        bound: list[Token] = []
        for part in parts:
            if not isinstance(part, Variable):
                bound.append(part)
                continue
            value = part.value(variables, device=self.reading.device)
            if value is not None:
                bound.append(value.lower() if self.reading.folded else value)
            elif free:
                bound.append(Wildcard.ANY)
            else:
                return None
        segments = cut(bound)
        return segments, least_length(segments)

    def _matches_by_part(self, subject: str, variables: Context) -> bool:
        if self._parts is None:
            self._parts = _by_part(self.tokens)
        if not self._parts:
            return True
        subjects = subject.split(":", _ARN_PARTS - 1)
        if len(subjects) < len(self._parts):
            return False
        bound_parts: Iterable[_Bound | None] | None = self._bound_parts
        if bound_parts is None:
            bound_parts = (self._bind(part, variables, free=False) for part in self._parts)
            if not self.variables:
                bound_parts = self._bound_parts = list(bound_parts)
        for bound, text in zip(bound_parts, subjects, strict=True):
            if bound is None or not match(bound[0], text, bound[1]):
                return False
        return True


def _simply(parts: tuple[Token, ...], reading: Reading) -> _Simple | None:
    """Return the common form: text, variables, and at most one star, which is at the end."""
    lead = parts[0]
    if not isinstance(lead, str) or (reading.arn and lead.count(":") < _ARN_PARTS - 1):
        return None
    open_end = parts[-1] is Wildcard.ANY
    body = parts[:-1] if open_end else parts
    plain = tuple(part for part in body if not isinstance(part, Wildcard))
    return (lead, plain, open_end) if len(plain) == len(body) else None


def _by_part(parts: Sequence[Token]) -> tuple[tuple[Token, ...], ...]:
    """Cut the tokens of an ARN at its first five colons.

    Nothing comes back if there is no need to look at the parts: the head is plain text, or there
    are no six parts, as in `*`.
    """
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
    return tuple(tuple(one) for one in cuts) if len(cuts) == _ARN_PARTS else ()
