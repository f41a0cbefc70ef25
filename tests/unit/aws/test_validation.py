"""Constraints of a model on input of the right types."""

from typing import Any

import pytest
from botocore.model import ShapeResolver

from hedgerow.aws.errors import BrokenConstraintError
from hedgerow.aws.patterns import compile_pattern
from hedgerow.aws.validation import MAX_FAULTS, Checks, validate


def faults(shapes: dict[str, Any], value: Any, root: str = "Root") -> str:
    """Return what is wrong with a value, without the head of the sentence; empty if nothing."""
    shape = ShapeResolver(shapes).get_shape_by_name(root)
    try:
        validate(Checks().check(shape), value)
    except BrokenConstraintError as broken:
        return broken.message.partition("detected: ")[2]
    return ""


def member(**shape: Any) -> dict[str, Any]:
    """Return a structure with one member of this shape."""
    return {"Root": {"type": "structure", "members": {"Size": {"shape": "S"}}}, "S": shape}


def test_a_shape_without_constraints_has_no_check() -> None:
    shapes = {
        "Root": {"type": "structure", "members": {"A": {"shape": "L"}}},
        "L": {"type": "list", "member": {"shape": "T"}},
        "T": {"type": "string"},
    }
    assert Checks().check(ShapeResolver(shapes).get_shape_by_name("Root")) is None


def test_a_required_member_must_be_there() -> None:
    shapes = {
        "Root": {"type": "structure", "required": ["Name"], "members": {"Name": {"shape": "T"}}},
        "T": {"type": "string"},
    }
    assert faults(shapes, {"Name": ""}) == ""
    expected = "Value null at 'name' failed to satisfy constraint: Member must not be null"
    assert faults(shapes, {}) == expected


@pytest.mark.parametrize(
    ("shape", "good", "bad", "words"),
    [
        ({"type": "string", "min": 2}, "ab", "a", "have length greater than or equal to 2"),
        ({"type": "string", "max": 2}, "ab", "abc", "have length less than or equal to 2"),
        ({"type": "integer", "min": 2}, 2, 1, "have value greater than or equal to 2"),
        ({"type": "integer", "max": 2}, 2, 3, "have value less than or equal to 2"),
        ({"type": "blob", "max": 2}, b"ab", b"abc", "have length less than or equal to 2"),
        (
            {"type": "string", "enum": ["UP", "DOWN"]},
            "UP",
            "up",
            "satisfy enum value set: [UP, DOWN]",
        ),
        (
            {"type": "string", "pattern": "[a-z]+"},
            "ab",
            "ab1",
            "satisfy regular expression pattern: [a-z]+",
        ),
    ],
)
def test_each_constraint_has_its_words(
    shape: dict[str, Any], good: Any, bad: Any, words: str
) -> None:
    assert faults(member(**shape), {"Size": good}) == ""
    said = faults(member(**shape), {"Size": bad})
    assert said.startswith("Value ")
    assert said.endswith(f" at 'size' failed to satisfy constraint: Member must {words}")


def test_a_pattern_must_match_the_whole_value() -> None:
    shape = member(type="string", pattern="^[a-z]+$")
    for value in ("ab\n", "\nab", "ab cd", "AB", ""):
        assert "pattern" in faults(shape, {"Size": value})


def test_a_value_that_is_too_long_is_not_matched_against_its_pattern() -> None:
    said = faults(member(type="string", pattern="[a-z]+", max=3), {"Size": "1" * 10_000})
    assert "length" in said
    assert "pattern" not in said
    assert len(said) < 300, "and not shown in full"


def test_sensitive_values_are_not_shown() -> None:
    said = faults(member(type="string", max=3, sensitive=True), {"Size": "the secret"})
    assert said.startswith("Value '***' at")
    assert "the secret" not in faults(member(type="blob", max=3), {"Size": b"the secret"})


def test_the_place_of_a_fault_is_named_down_to_the_item() -> None:
    shapes = {
        "Root": {"type": "structure", "members": {"Tags": {"shape": "Tags"}}},
        "Tags": {"type": "list", "member": {"shape": "Tag"}},
        "Tag": {"type": "structure", "required": ["Key"], "members": {"Key": {"shape": "Key"}}},
        "Key": {"type": "string", "max": 2},
    }
    said = faults(shapes, {"Tags": [{"Key": "ab"}, {}, {"Key": "abc"}]})
    assert "'tags.2.member.key'" in said
    assert "'tags.3.member.key'" in said


def test_keys_and_values_of_maps_are_checked() -> None:
    shapes = {
        "Root": {"type": "structure", "members": {"Labels": {"shape": "Map"}}},
        "Map": {"type": "map", "key": {"shape": "Key"}, "value": {"shape": "Value"}},
        "Key": {"type": "string", "max": 2},
        "Value": {"type": "string", "max": 3},
    }
    assert faults(shapes, {"Labels": {"ab": "abc"}}) == ""
    assert "'labels'" in faults(shapes, {"Labels": {"abc": "a"}})
    assert "'labels.ab.member'" in faults(shapes, {"Labels": {"ab": "abcd"}})


def test_a_shape_inside_itself_is_checked_all_the_way() -> None:
    shapes = {
        "Root": {
            "type": "structure",
            "members": {"Name": {"shape": "Name"}, "Inner": {"shape": "Root"}},
        },
        "Name": {"type": "string", "max": 2},
    }
    value = {"Inner": {"Inner": {"Name": "abc"}}}
    assert "'inner.inner.name'" in faults(shapes, value)


def test_a_union_has_exactly_one_member() -> None:
    shapes = {
        "Root": {
            "type": "structure",
            "union": True,
            "members": {"A": {"shape": "T"}, "B": {"shape": "T"}},
        },
        "T": {"type": "string"},
    }
    assert faults(shapes, {"A": "x"}) == ""
    for value in ({}, {"A": "x", "B": "y"}):
        assert "exactly one" in faults(shapes, value)


def test_there_is_an_end_to_the_faults_that_are_told() -> None:
    shapes = {
        "Root": {"type": "structure", "members": {"Names": {"shape": "L"}}},
        "L": {"type": "list", "member": {"shape": "T"}},
        "T": {"type": "string", "max": 1},
    }
    assert faults(shapes, {"Names": ["ab"] * 1000}).count("Member must") == MAX_FAULTS


@pytest.mark.parametrize(
    ("pattern", "matching", "other"),
    [
        (r"[\p{L}\p{N} _-]+", "Lämpchen ٣", "a/b"),
        (r"[^\p{C}]*", "é ☃", "a\x00"),
        (r"[\p{Graph}\x20]*", "a b~", "a\tb"),
        (r"\p{Lu}+", "ÀB", "àb"),
        (r"\P{L}+", "12", "1a"),
        (r"[\w-_]*", "a-b_c", "a b"),
        (r"\d+", "12", "٣"),
    ],
)
def test_javas_classes_mean_what_java_means(pattern: str, matching: str, other: str) -> None:
    compiled = compile_pattern(pattern)
    assert compiled is not None
    assert compiled.matches(matching)
    assert not compiled.matches(other)


@pytest.mark.parametrize("pattern", [r"\p{NoSuchClass}", "(", r"[\P{L}]"])
def test_what_python_cannot_read_is_not_used(pattern: str) -> None:
    assert compile_pattern(pattern) is None
