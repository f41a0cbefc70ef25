"""Values from JSON, from text and from forms, and what is said of those that do not fit."""

from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.model import ShapeResolver

from hedgerow.aws.errors import MalformedBodyError
from hedgerow.aws.form_reading import MAX_DEPTH, form_tree, read_form
from hedgerow.aws.json_reading import JsonReaders, decode_json, read_json
from hedgerow.aws.json_writing import JsonWriters
from hedgerow.aws.timestamps import ISO, RFC822, UNIX, read_timestamp, write_timestamp

SHAPES: dict[str, Any] = {
    "Root": {
        "type": "structure",
        "members": {
            "Text": {"shape": "Text"},
            "Count": {"shape": "Count"},
            "Ratio": {"shape": "Ratio"},
            "On": {"shape": "On"},
            "Data": {"shape": "Data"},
            "At": {"shape": "At"},
            "Items": {"shape": "Items"},
            "Labels": {"shape": "Labels"},
            "Free": {"shape": "Free"},
            "Wire": {"shape": "Text", "locationName": "on-the-wire"},
        },
    },
    "Text": {"type": "string"},
    "Count": {"type": "long"},
    "Ratio": {"type": "double"},
    "On": {"type": "boolean"},
    "Data": {"type": "blob"},
    "At": {"type": "timestamp"},
    "Items": {"type": "list", "member": {"shape": "Root"}},
    "Labels": {"type": "map", "key": {"shape": "Text"}, "value": {"shape": "Text"}},
    "Free": {"type": "structure", "members": {}, "document": True},
}
ROOT = ShapeResolver(SHAPES).get_shape_by_name("Root")
MOMENT = datetime(2026, 10, 7, 12, 30, 15, tzinfo=UTC)


def read(value: Any) -> Any:
    return read_json(JsonReaders().reader(ROOT), value)


def test_values_become_the_models_types() -> None:
    assert read(
        {
            "Text": "a",
            "Count": 2.0,
            "Ratio": 1,
            "On": True,
            "Data": "AAH/",
            "At": 1791376215,
            "Items": [{"Text": "b"}, None],
            "Labels": {"a": "b", "c": None},
            "Free": {"any": [1, None]},
            "on-the-wire": "w",
            "Unknown": 1,
            "Wire": "this is not its name on the wire",
        }
    ) == {
        "Text": "a",
        "Count": 2,
        "Ratio": 1.0,
        "On": True,
        "Data": b"\x00\x01\xff",
        "At": MOMENT,
        "Items": [{"Text": "b"}],
        "Labels": {"a": "b"},
        "Free": {"any": [1, None]},
        "Wire": "w",
    }


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], "The value at the body must be a JSON object."),
        ({"Text": 1}, "The value at Text must be a string."),
        ({"Count": True}, "The value at Count must be a whole number."),
        ({"Count": 1.5}, "The value at Count must be a whole number."),
        ({"Ratio": "1"}, "The value at Ratio must be a number."),
        ({"On": 1}, "The value at On must be true or false."),
        ({"Data": "*"}, "The value at Data must be base64 text."),
        ({"Data": 1}, "The value at Data must be a string."),
        ({"At": []}, "The value at At must be a timestamp."),
        ({"At": "yesterday"}, "The value at At must be a timestamp."),
        ({"At": 1e300}, "The value at At must be a timestamp."),
        ({"Items": {}}, "The value at Items must be a JSON array."),
        ({"Items": [{}, {"Items": [{"Text": 1}]}]}, "The value at Items.2.Items.1.Text must be"),
        ({"Labels": []}, "The value at Labels must be a JSON object."),
        ({"Labels": {"a": 1}}, "The value at Labels.a must be a string."),
    ],
)
def test_a_value_of_the_wrong_type_is_named_with_its_place(value: Any, message: str) -> None:
    with pytest.raises(MalformedBodyError) as wrong:
        read(value)
    assert wrong.value.message.startswith(message)


def test_a_body_nested_without_end_is_refused() -> None:
    value: Any = {}
    for _ in range(100_000):
        value = {"Items": [value]}
    with pytest.raises(MalformedBodyError, match="too deeply"):
        read(value)
    with pytest.raises(MalformedBodyError, match=r"deeply|not JSON"):
        decode_json(b"[" * 500_000)


def test_a_member_that_the_model_does_not_have_is_our_bug() -> None:
    with pytest.raises(LookupError, match="Root has no member Nope"):
        JsonWriters().writer(ROOT)({"Nope": 1})


def test_odd_numbers_have_words() -> None:
    written = JsonWriters().writer(ROOT)({"Ratio": float("-inf"), "Items": [{"Ratio": 0.5}]})
    assert written == {"Ratio": "-Infinity", "Items": [{"Ratio": 0.5}]}
    assert read({"Ratio": "-Infinity"}) == {"Ratio": float("-inf")}


@pytest.mark.parametrize(
    ("form", "written"),
    [
        (UNIX, 1791376215),
        (ISO, "2026-10-07T12:30:15Z"),
        (RFC822, "Wed, 07 Oct 2026 12:30:15 GMT"),
    ],
)
def test_a_moment_in_each_of_its_forms(form: str, written: float | str) -> None:
    assert write_timestamp(MOMENT, form) == written
    assert read_timestamp(written, form) == MOMENT


def test_milliseconds_are_kept_where_the_form_has_them() -> None:
    moment = MOMENT.replace(microsecond=250_999)
    assert write_timestamp(moment, UNIX) == pytest.approx(1791376215.251)
    assert write_timestamp(moment, ISO) == "2026-10-07T12:30:15.250Z"
    assert read_timestamp("2026-10-07T14:30:15.25+02:00", ISO) == MOMENT.replace(microsecond=250000)
    assert read_timestamp("2026-10-07T12:30:15", ISO) == MOMENT
    assert read_timestamp("1791376215", UNIX) == MOMENT


@pytest.mark.parametrize("text", ["", "x", "1" * 100, "nan", "inf", "2026-13-01T00:00:00Z"])
def test_what_is_no_moment_is_refused(text: str) -> None:
    for form in (UNIX, ISO, RFC822):
        with pytest.raises(ValueError):  # noqa: PT011 - each form says it in its own words
            read_timestamp(text, form)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ([("Text.member.1", "a")], "Text must be a single value"),
        ([("Items.member.one.Text", "a")], "Items must be a numbered list"),
        ([("Items.member.1.Count", "x")], "Items.1.Count must be a whole number"),
        ([("Labels.entry.1.key", "a")], "Labels must be a map of keys and values"),
        ([("On", "yes")], "On must be true or false"),
        ([("Ratio", "1_0")], "Ratio must be a number"),
        ([("Data", "*")], "Data must be base64 text"),
        ([("At", "soon")], "At must be a timestamp"),
    ],
)
def test_a_field_of_a_form_that_does_not_fit_is_named(
    fields: list[tuple[str, str]], message: str
) -> None:
    with pytest.raises(MalformedBodyError, match=message):
        read_form(ROOT, form_tree(fields))


def test_a_name_in_a_form_has_only_so_many_parts() -> None:
    assert form_tree([(".".join("a" * MAX_DEPTH), "x")]).below
    with pytest.raises(MalformedBodyError, match="too deeply"):
        form_tree([(".".join("a" * (MAX_DEPTH + 1)), "x")])
