"""From JSON to a model's types: compiled once per shape, then a walk without look-ups.

Unknown members are ignored and nulls are absent, as AWS does; a value of the wrong type raises
`MalformedBodyError` that names the place.
"""

import base64
import binascii
from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec
from botocore.model import Shape

from hedgerow.aws.errors import MalformedBodyError
from hedgerow.aws.timestamps import UNIX, read_timestamp

Reader = Callable[[Any], Any]
FLOAT_WORDS = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}


class WrongTypeError(Exception):
    """A value that does not fit its shape; the place is put together on the way up."""

    def __init__(self, expected: str) -> None:
        super().__init__(expected)
        self.expected = expected
        self.place: list[str] = []

    def malformed(self) -> MalformedBodyError:
        """Return the error for the caller."""
        where = ".".join(reversed(self.place)) or "the body"
        return MalformedBodyError(f"The value at {where} must be {self.expected}.")


def decode_json(body: bytes) -> Any:
    """Return the JSON value of a body, or raise `MalformedBodyError`."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as wrong:
        raise MalformedBodyError(f"The body is not JSON: {wrong}.") from wrong
    except RecursionError as deep:
        raise MalformedBodyError("The body is nested too deeply.") from deep


def read_json(reader: Reader, value: Any) -> Any:
    """Run a reader, or raise `MalformedBodyError` with the place of what is wrong."""
    try:
        return reader(value)
    except WrongTypeError as wrong:
        raise wrong.malformed() from None
    except RecursionError as deep:
        raise MalformedBodyError("The body is nested too deeply.") from deep


class JsonReaders:
    """Makes the reader of a shape, once per shape and wire form."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, str | None], Reader] = {}

    def reader(self, shape: Shape) -> Reader:
        """Return the reader for a shape."""
        form = shape.serialization.get("timestampFormat")
        key = (shape.name, form)
        made = self._made.get(key)
        if made is None:
            made = self._made[key] = self._make(shape, form)
        return made

    def structure(self, members: dict[str, tuple[str, Shape]]) -> Reader:
        """Return the reader for an object with these members: wire name to (name, shape)."""
        table: dict[str, tuple[str, Reader]] = {}

        def read(value: Any) -> dict[str, Any]:
            if not isinstance(value, dict):
                raise WrongTypeError("a JSON object")
            if not table:  # made on first use, since shapes may contain themselves
                table.update(
                    {wire: (name, self.reader(shape)) for wire, (name, shape) in members.items()}
                )
            result: dict[str, Any] = {}
            for wire, inner in value.items():
                member = table.get(wire)
                if member is None or inner is None:
                    continue
                name, reader = member
                try:
                    result[name] = reader(inner)
                except WrongTypeError as wrong:
                    wrong.place.append(name)
                    raise
            return result

        return read

    def _make(self, shape: Shape, form: str | None) -> Reader:
        kind = shape.type_name
        if kind == "structure":
            if shape.is_document_type:
                return _anything
            return self.structure(wire_members(shape))
        if kind == "list":
            return self._list(shape)
        if kind == "map":
            return self._map(shape)
        if kind == "timestamp":
            return _timestamp((form or UNIX).lower())
        return _SCALARS[kind]

    def _list(self, shape: Shape) -> Reader:
        members: list[Reader] = []

        def read(value: Any) -> list[Any]:
            if not isinstance(value, list):
                raise WrongTypeError("a JSON array")
            if not members:
                members.append(self.reader(shape.member))
            reader = members[0]
            result = []
            for place, inner in enumerate(value, 1):
                if inner is None:
                    continue
                try:
                    result.append(reader(inner))
                except WrongTypeError as wrong:
                    wrong.place.append(str(place))
                    raise
            return result

        return read

    def _map(self, shape: Shape) -> Reader:
        members: list[Reader] = []

        def read(value: Any) -> dict[str, Any]:
            if not isinstance(value, dict):
                raise WrongTypeError("a JSON object")
            if not members:
                members.append(self.reader(shape.value))
            reader = members[0]
            result = {}
            for name, inner in value.items():
                if inner is None:
                    continue
                try:
                    result[name] = reader(inner)
                except WrongTypeError as wrong:
                    wrong.place.append(str(name))
                    raise
            return result

        return read


def wire_members(shape: Shape) -> dict[str, tuple[str, Shape]]:
    """Return a structure's members by their names on the wire."""
    return {
        member.serialization.get("name", name): (name, member)
        for name, member in shape.members.items()
    }


def read_blob(text: str) -> bytes:
    """Decode base64, strictly."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise WrongTypeError("base64 text") from None


def _anything(value: Any) -> Any:
    return value


def _string(value: Any) -> str:
    if type(value) is not str:
        raise WrongTypeError("a string")
    return value


def _boolean(value: Any) -> bool:
    if type(value) is not bool:
        raise WrongTypeError("true or false")
    return value


def _integer(value: Any) -> int:
    if type(value) is int:
        return value
    if type(value) is float and value.is_integer():
        return int(value)
    raise WrongTypeError("a whole number")


def _float(value: Any) -> float:
    if type(value) in (int, float):
        return float(value)
    if type(value) is str and value in FLOAT_WORDS:
        return FLOAT_WORDS[value]
    raise WrongTypeError("a number")


def _blob(value: Any) -> bytes:
    return read_blob(_string(value))


def _timestamp(form: str) -> Reader:
    def read(value: Any) -> datetime:
        if type(value) not in (int, float, str):
            raise WrongTypeError("a timestamp")
        try:
            return read_timestamp(value, form)
        except ValueError:
            raise WrongTypeError("a timestamp") from None

    return read


_SCALARS: dict[str, Reader] = {
    "string": _string,
    "character": _string,
    "boolean": _boolean,
    "integer": _integer,
    "long": _integer,
    "short": _integer,
    "byte": _integer,
    "float": _float,
    "double": _float,
    "blob": _blob,
}
