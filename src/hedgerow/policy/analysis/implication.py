"""Conditions side by side: whether with this one that one is met as well, or cannot be.

True is certain; where it is not, the answer is False. Conditions of allow statements are judged as
for an allow, those of deny statements as for a deny: what cannot be judged counts for neither.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from hedgerow.policy.analysis.containment import contains
from hedgerow.policy.comparisons import BytesTest, MomentTest, NetworkTest, NumberTest, Relation
from hedgerow.policy.conditions import Condition, Effect, Value
from hedgerow.policy.patterns import Pattern

_SAMPLE: Final = "x"


class Held(msgspec.Struct, frozen=True):
    """A condition, and the effect of the statement it stands in."""

    condition: Condition
    effect: Effect


def implied(wanted: Held, given: Iterable[Held]) -> bool:
    """Tell whether one of the given conditions makes the wanted one hold."""
    return any(_implies(one, wanted) for one in given)


def excluded(unwanted: Held, given: Iterable[Held]) -> bool:
    """Tell whether one of the given conditions keeps the unwanted one from holding."""
    return any(_excludes(one, unwanted) for one in given)


def _implies(given: Held, wanted: Held) -> bool:
    ours, theirs = given.condition, wanted.condition
    if ours.key != theirs.key or (given.effect == "Deny" and wanted.effect == "Allow"):
        return False
    if ours == theirs:
        return True
    if not _alike(ours, theirs) or (_holds_without(given) and not _holds_without(wanted)):
        return False
    if "presence" in (ours.operator.kind, theirs.operator.kind):
        return theirs.operator.kind == "presence" and (
            _holds_with(wanted) or not _holds_with(given)
        )
    same_values = ours.each == theirs.each or (
        given.effect == "Allow" and (ours.each, theirs.each) == ("one", "all")
    )
    return same_values and _narrower(ours, theirs, given.effect, wanted.effect)


def _excludes(given: Held, unwanted: Held) -> bool:
    ours, theirs = given.condition, unwanted.condition
    if ours.key != theirs.key or given.effect != "Allow" or not _alike(ours, theirs):
        return False
    if _holds_without(given) and _holds_without(unwanted):
        return False
    if "presence" in (ours.operator.kind, theirs.operator.kind):
        return not (_holds_with(given) and _holds_with(unwanted))
    if "all" in (ours.each, theirs.each) or ours.each == "any":
        return False
    if theirs.device and any(map(_has_variables, theirs.values)):
        return False
    opposite = msgspec.structs.replace(theirs.operator, negated=not theirs.operator.negated)
    turned = msgspec.structs.replace(theirs, operator=opposite)
    return _narrower(ours, turned, "Allow", "Deny")


def _alike(ours: Condition, theirs: Condition) -> bool:
    """Tell whether variables in both take the same values: a device's rules exclude some."""
    values = (*ours.values, *theirs.values)
    return ours.device == theirs.device or not any(map(_has_variables, values))


def _holds_without(held: Held) -> bool:
    return held.condition.holds({}, held.effect)


def _holds_with(held: Held) -> bool:
    """Tell whether the condition can hold with a value; of most conditions we take it so."""
    condition = held.condition
    if condition.operator.kind != "presence":
        return True
    return condition.holds({condition.key: _SAMPLE}, held.effect)


def _narrower(ours: Condition, theirs: Condition, given: Effect, wanted: Effect) -> bool:
    """Tell whether each single value that meets our condition meets theirs."""
    kind = ours.operator.kind
    if kind != theirs.operator.kind:
        return False
    if kind in ("number", "moment"):
        return _narrower_range(ours, theirs)
    negated = (ours.operator.negated, theirs.operator.negated)
    if negated == (True, False):
        return False
    if negated == (False, True):
        return all(_apart(one, two) for one in ours.values for two in theirs.values)
    if negated == (True, True):
        ours, theirs = theirs, ours
        careful = wanted == "Allow"
    else:
        careful = given == "Deny"
    return all(
        any(_within(one, two, careful=careful and ours.device) for two in theirs.values)
        for one in ours.values
    )


def _within(smaller: Value, larger: Value, *, careful: bool) -> bool:
    """Tell whether what equals the smaller equals the larger.

    `careful` where a variable without a value would leave the larger one in doubt.
    """
    if smaller == larger:
        return True
    if isinstance(smaller, Pattern) and isinstance(larger, Pattern):
        if careful and (smaller.variables or larger.variables):
            return False
        return contains(larger, smaller, by_part=larger.reading.arn)
    if isinstance(smaller, NetworkTest) and isinstance(larger, NetworkTest):
        return smaller.network.version == larger.network.version and _subnet(
            smaller.network, larger.network
        )
    if isinstance(smaller, BytesTest) and isinstance(larger, BytesTest):
        return smaller.content == larger.content
    return False


def _apart(one: Value, other: Value) -> bool:
    """Tell whether nothing equals both."""
    if isinstance(one, Pattern) and isinstance(other, Pattern):
        if one.exact is None or other.variables or (one.folded and not other.folded):
            return False
        return other.compares(one.exact, {}) is False
    if isinstance(one, NetworkTest) and isinstance(other, NetworkTest):
        return one.network.version != other.network.version or not one.network.overlaps(
            other.network
        )
    if isinstance(one, BytesTest) and isinstance(other, BytesTest):
        return one.content != other.content
    return False


def _subnet(smaller: Any, larger: Any) -> bool:
    return bool(smaller.subnet_of(larger))


def _has_variables(value: Value) -> bool:
    return isinstance(value, Pattern) and bool(value.variables)


# --- numbers and moments: between two neighbouring bounds nothing changes


def _narrower_range(ours: Condition, theirs: Condition) -> bool:
    bounds = sorted({_bound(value) for value in (*ours.values, *theirs.values)})
    places = range(2 * len(bounds) + 1)
    return all(_meets(theirs, place, bounds) for place in places if _meets(ours, place, bounds))


def _meets(condition: Condition, place: int, bounds: list[Any]) -> bool:
    """Tell whether a value meets the condition: odd places are bounds, even ones between them."""
    found = any(
        _RELATED[_relation(value)](place, 2 * bounds.index(_bound(value)) + 1)
        for value in condition.values
    )
    return found is not condition.operator.negated


_RELATED: Final[Mapping[Relation, Any]] = {
    "=": int.__eq__,
    "<": int.__lt__,
    "<=": int.__le__,
    ">": int.__gt__,
    ">=": int.__ge__,
}


def _bound(value: Value) -> Any:
    if isinstance(value, NumberTest):
        return value.number
    if isinstance(value, MomentTest):
        return value.moment
    raise TypeError("a number or a moment was expected")


def _relation(value: Value) -> Relation:
    if isinstance(value, NumberTest | MomentTest):
        return value.relation
    raise TypeError("a number or a moment was expected")
