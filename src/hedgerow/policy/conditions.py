"""Conditions of a statement: operators as a table, and how missing values count.

Conditions are joined by AND, values of one condition by OR (a negated operator: none of them).
Source: IAM User Guide, "Condition operators".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from hedgerow.policy.patterns import Pattern
from hedgerow.policy.variables import ALWAYS_KNOWN

Effect = Literal["Allow", "Deny"]

IF_EXISTS: Final = "IfExists"


@dataclass(frozen=True, slots=True)
class Operator:
    """What an operator does: negate, take wildcards, fold case, or compare truth values."""

    negated: bool = False
    wildcards: bool = False
    folded: bool = False
    boolean: bool = False


OPERATORS: Final[Mapping[str, Operator]] = {
    "StringEquals": Operator(),
    "StringNotEquals": Operator(negated=True),
    "StringEqualsIgnoreCase": Operator(folded=True),
    "StringNotEqualsIgnoreCase": Operator(negated=True, folded=True),
    "StringLike": Operator(wildcards=True),
    "StringNotLike": Operator(negated=True, wildcards=True),
    "Bool": Operator(folded=True, boolean=True),
}


@dataclass(frozen=True, slots=True)
class Condition:
    """One key compared with some values. `name` is the operator as it was written."""

    name: str
    operator: Operator
    if_exists: bool
    key: str
    values: tuple[Pattern, ...]

    def holds(self, variables: Mapping[str, str], effect: Effect) -> bool:
        """Tell whether the condition is met, for a statement with this effect.

        What is not known never helps to allow: without a value for the key, or for a variable
        among the values, an allow statement's condition fails. A deny statement's condition
        holds if it could hold; a key that is rightly absent (a thing's attribute, say) counts
        as IAM says: equal to nothing.
        """
        subject = variables.get(self.key)
        if subject is None:
            return self._holds_without_key(effect)
        if any(value.matches(subject, variables) for value in self.values):
            return not self.operator.negated
        if any(value.without_value(variables) for value in self.values):
            return effect == "Deny"
        return self.operator.negated

    def _holds_without_key(self, effect: Effect) -> bool:
        if self.if_exists:
            return True
        return effect == "Deny" and (self.operator.negated or self.key in ALWAYS_KNOWN)

    def without_value(self, variables: Mapping[str, str]) -> tuple[str, ...]:
        """Return the names that the condition asks for and the request has no value of."""
        names = [self.key] if self.key not in variables else []
        for value in self.values:
            names += value.without_value(variables)
        return tuple(dict.fromkeys(names))

    def __str__(self) -> str:
        shown = ", ".join(value.source for value in self.values)
        return f"{self.name} {self.key}: {shown}"
