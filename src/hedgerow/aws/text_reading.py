"""From the text in a path, a query string, a header or a form to a model's scalar types."""

from collections.abc import Callable
from typing import Any

from botocore.model import Shape
from botocore.utils import is_json_value_header

from hedgerow.aws.json_reading import FLOAT_WORDS, WrongTypeError, decode_json, read_blob
from hedgerow.aws.timestamps import read_timestamp

TextReader = Callable[[str], Any]
MAX_NUMBER_CHARACTERS = 40


def text_reader(shape: Shape, timestamp_form: str) -> TextReader:
    """Return the reader for a scalar shape; timestamps are in this form unless the model says."""
    if is_json_value_header(shape):
        return _json_value
    if shape.type_name == "timestamp":
        return _timestamp(shape.serialization.get("timestampFormat", timestamp_form).lower())
    return _SCALARS[shape.type_name]


def split_header_list(text: str, shape: Shape) -> list[str]:
    """Split the items of a header; quoted items may hold commas, HTTP dates hold one each."""
    if shape.type_name == "timestamp" and text[:3].isalpha():
        parts = text.split(",")
        return [",".join(parts[place : place + 2]).strip() for place in range(0, len(parts), 2)]
    items: list[str] = []
    current = ""
    inside = escaped = False
    for character in text:
        if escaped:
            current, escaped = current + character, False
        elif inside and character == "\\":
            escaped = True
        elif character == '"':
            inside = not inside
        elif character == "," and not inside:
            items.append(current.strip())
            current = ""
        else:
            current += character
    return [*items, current.strip()]


def _string(text: str) -> str:
    return text


def _boolean(text: str) -> bool:
    if text not in ("true", "false"):
        raise WrongTypeError("true or false")
    return text == "true"


def _integer(text: str) -> int:
    try:
        if len(text) > MAX_NUMBER_CHARACTERS or "_" in text:
            raise WrongTypeError("a whole number")
        return int(text)
    except ValueError:
        raise WrongTypeError("a whole number") from None


def _float(text: str) -> float:
    if text in FLOAT_WORDS:
        return FLOAT_WORDS[text]
    if len(text) > MAX_NUMBER_CHARACTERS or not set(text) <= set("0123456789+-.eE"):
        raise WrongTypeError("a number")
    try:
        return float(text)
    except ValueError:
        raise WrongTypeError("a number") from None


def _json_value(text: str) -> Any:
    return decode_json(read_blob(text))


def _timestamp(form: str) -> TextReader:
    def read(text: str) -> Any:
        try:
            return read_timestamp(text, form)
        except ValueError:
            raise WrongTypeError("a timestamp") from None

    return read


_SCALARS: dict[str, TextReader] = {
    "string": _string,
    "character": _string,
    "boolean": _boolean,
    "integer": _integer,
    "long": _integer,
    "short": _integer,
    "byte": _integer,
    "float": _float,
    "double": _float,
    "blob": read_blob,
}
