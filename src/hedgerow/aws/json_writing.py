"""From a model's types to JSON: compiled once per shape.

What an operation returns must fit its model: a member that the model does not have is our bug and
raises, instead of reaching a caller who could not have expected it.
"""

import base64
import math
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from botocore.model import Shape

from hedgerow.aws.timestamps import UNIX, write_timestamp

Writer = Callable[[Any], Any]


class JsonWriters:
    """Makes the writer of a shape, once per shape and wire form."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, str | None], Writer] = {}

    def writer(self, shape: Shape) -> Writer:
        """Return the writer for a shape."""
        form = shape.serialization.get("timestampFormat")
        key = (shape.name, form)
        made = self._made.get(key)
        if made is None:
            made = self._made[key] = self._make(shape, form)
        return made

    def structure(self, members: Mapping[str, Shape], owner: str) -> Writer:
        """Return the writer for an object with these members."""
        table: dict[str, tuple[str, Writer]] = {}

        def write(value: Mapping[str, Any]) -> dict[str, Any]:
            if not table:
                table.update(
                    {
                        name: (shape.serialization.get("name", name), self.writer(shape))
                        for name, shape in members.items()
                    }
                )
            result: dict[str, Any] = {}
            for name, inner in value.items():
                if inner is None:
                    continue
                if name not in table:
                    raise LookupError(f"{owner} has no member {name}")
                wire, writer = table[name]
                result[wire] = writer(inner)
            return result

        return write

    def _make(self, shape: Shape, form: str | None) -> Writer:
        kind = shape.type_name
        if kind == "structure":
            if shape.is_document_type:
                return _as_it_is
            return self.structure(shape.members, shape.name)
        if kind == "list":
            return lambda value: [self.writer(shape.member)(inner) for inner in value]
        if kind == "map":
            return lambda value: {
                name: self.writer(shape.value)(inner)
                for name, inner in value.items()
                if inner is not None
            }
        if kind == "timestamp":
            return lambda value: _moment(value, (form or UNIX).lower())
        return _SCALARS.get(kind, _as_it_is)


def write_blob(value: bytes | str) -> str:
    """Encode bytes (or the bytes of a text) as base64."""
    return base64.b64encode(value.encode() if isinstance(value, str) else value).decode()


def write_float(value: float) -> float | str:
    """Return a number that JSON has, or AWS's word for one that it has not."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return value


def _as_it_is(value: Any) -> Any:
    return value


def _moment(value: datetime, form: str) -> Any:
    return write_timestamp(value, form)


_SCALARS: dict[str, Writer] = {"blob": write_blob, "float": write_float, "double": write_float}
