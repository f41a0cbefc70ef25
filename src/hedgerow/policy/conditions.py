"""Conditions of a statement, and how missing keys and several values count.

Conditions are joined by AND, values of one condition by OR (a negated operator: none of them).
Sources: IAM User Guide, "Condition operators" (missing keys, IfExists, Null), "Multivalued
context keys" (ForAllValues, ForAnyValue) and "Policy variables with no value".
"""

from typing import Literal, Protocol

import msgspec

from hedgerow.policy.context import Context, values_of
from hedgerow.policy.operators import Operator
from hedgerow.policy.variables import ALWAYS_KNOWN

Effect = Literal["Allow", "Deny"]


class Value(Protocol):
    """What a condition compares the request's values with."""

    @property
    def source(self) -> str:
        """The text as it was written."""

    def compares(self, subject: str, variables: Context) -> bool | None:
        """Tell whether it matches; None if that cannot be judged."""

    def without_value(self, variables: Context) -> tuple[str, ...]:
        """Return the names of the variables in it that have no value."""


class Condition(msgspec.Struct, frozen=True, gc=False):
    """One key compared with some values.

    `name` is the operator and `shown` the key as they were written, `key` the key in lower
    case, `each` which of the request's values must pass, and `device` means AWS IoT's rules.
    """

    name: str
    operator: Operator
    key: str
    shown: str
    values: tuple[Value, ...]
    if_exists: bool = False
    each: Literal["all", "any", "one"] = "one"
    device: bool = False
    plain: frozenset[str] | None = None
    """All the values, if each of them is plain text that is compared as it stands."""

    def holds(self, variables: Context, effect: Effect) -> bool:
        """Tell whether the condition is met, for a statement with this effect.

        What cannot be judged (a number that is none) never helps to allow and never stops a
        deny. So it is for a device with whatever is missing: without a value for the key, or
        for a variable among the values, an allow statement's condition fails, and a deny
        statement's holds if it could hold. For all others AWS's rules count: what has no value
        equals nothing.
        """
        subject = variables.get(self.key)
        if self.operator.kind == "presence":
            return self._presence(subject)
        if subject is None or subject == ():
            return self._holds_without_key(effect)
        if isinstance(subject, str):
            if subject or self.each != "all":
                return self._holds_for(subject, variables, effect)
            subject = ("",)
        return self._holds_for_several(subject, variables, effect)

    def without_value(self, variables: Context) -> tuple[str, ...]:
        """Return the names that the condition asks for and the request has no value of."""
        names = [] if values_of(variables.get(self.key)) else [self.shown]
        for value in self.values:
            names += value.without_value(variables)
        return tuple(dict.fromkeys(names))

    def __str__(self) -> str:
        shown = ", ".join(value.source for value in self.values)
        return f"{self.name} {self.shown}: {shown}"

    def _presence(self, subject: str | tuple[str, ...] | None) -> bool:
        absent = subject is None or subject == ()
        return any((value.source.lower() == "true") is absent for value in self.values)

    def _holds_without_key(self, effect: Effect) -> bool:
        if self.if_exists or self.each == "all":
            return True
        if self.each == "any":
            return False
        if self.device:
            return effect == "Deny" and (self.operator.negated or self.key in ALWAYS_KNOWN)
        return self.operator.negated

    def _holds_for(self, subject: str, variables: Context, effect: Effect) -> bool:
        if self.plain is not None:
            return (subject in self.plain) is not self.operator.negated
        doubtful = False
        for value in self.values:
            answer = value.compares(subject, variables)
            if answer:
                return not self.operator.negated
            if answer is None and (self.device or self.operator.kind not in ("text", "arn")):
                doubtful = True
        return effect == "Deny" if doubtful else self.operator.negated

    def _holds_for_several(
        self, subjects: tuple[str, ...], variables: Context, effect: Effect
    ) -> bool:
        """Judge several values; without a word on which, an allow needs all, a deny any.

        An empty text counts as no value at all where that lets a deny hold.
        """
        if self.each == "all" and effect == "Deny":
            subjects = tuple(one for one in subjects if one)
        answers = (self._holds_for(one, variables, effect) for one in subjects)
        every = self.each == "all" or (self.each == "one" and effect == "Allow")
        return all(answers) if every else any(answers)
