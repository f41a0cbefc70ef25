"""A request's context: keys in any case, one value or several."""

from hedgerow.policy import context
from hedgerow.policy.context import values_of


def test_keys_are_in_lower_case_and_lists_are_tuples() -> None:
    facts = context({"aws:SourceIp": "10.0.0.1", "aws:TagKeys": ["a", "b"]})
    assert facts == {"aws:sourceip": "10.0.0.1", "aws:tagkeys": ("a", "b")}
    assert context(facts) is facts


def test_two_spellings_of_a_key_hide_nothing_of_each_other() -> None:
    assert context({"iot:Site": "a", "iot:site": "b"}) == {"iot:site": ("a", "b")}
    assert context({"iot:Site": "a", "iot:site": "a"}) == {"iot:site": "a"}
    assert context({"K": ["a", "b"], "k": ["b", "c"]}) == {"k": ("a", "b", "c")}


def test_the_values_of_a_key() -> None:
    assert values_of(None) == ()
    assert values_of("a") == ("a",)
    assert values_of(("a", "b")) == ("a", "b")
