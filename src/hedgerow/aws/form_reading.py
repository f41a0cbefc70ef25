"""From the dotted names of a query-protocol form to a model's types.

`Tags.member.1.Key=a` is first put into a tree by its dots, then read by the shape.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from botocore.model import Shape

from hedgerow.aws.errors import MalformedBodyError
from hedgerow.aws.json_reading import WrongTypeError
from hedgerow.aws.text_reading import text_reader
from hedgerow.aws.timestamps import ISO

MAX_FIELDS = 10_000
MAX_DEPTH = 32
MAX_INDEX_CHARACTERS = 6


@dataclass(slots=True)
class FormNode:
    """A place in the form: its own value, and what is below it."""

    value: str | None = None
    below: "dict[str, FormNode]" = field(default_factory=dict)


def parse_form(body: bytes) -> list[tuple[str, str]]:
    """Return the fields of a form body, or raise `MalformedBodyError`."""
    try:
        return parse_qsl(
            body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS
        )
    except ValueError:
        raise MalformedBodyError("The body is not a well-formed form.") from None


def form_tree(fields: Iterable[tuple[str, str]]) -> FormNode:
    """Put the fields into a tree by the dots in their names."""
    root = FormNode()
    for name, value in fields:
        parts = name.split(".", MAX_DEPTH)
        if len(parts) > MAX_DEPTH:
            raise MalformedBodyError("A name in the form is nested too deeply.")
        node = root
        for part in parts:
            node = node.below.setdefault(part, FormNode())
        node.value = value
    return root


def read_form(shape: Shape, node: FormNode) -> dict[str, Any]:
    """Return the structure in a form, or raise `MalformedBodyError` with the place."""
    try:
        result: dict[str, Any] = _structure(shape, node)
    except WrongTypeError as wrong:
        raise wrong.malformed() from None
    return result


def _read(shape: Shape, node: FormNode) -> Any:
    kind = shape.type_name
    if kind == "structure":
        return _structure(shape, node)
    if kind == "list":
        return _list(shape, node)
    if kind == "map":
        return _map(shape, node)
    if node.value is None:
        raise WrongTypeError("a single value")
    return text_reader(shape, ISO)(node.value)


def _structure(shape: Shape, node: FormNode) -> dict[str, Any]:
    result = {}
    for name, member in shape.members.items():
        found = _find(name, member, node)
        if found is None:
            continue
        try:
            result[name] = _read(member, found)
        except WrongTypeError as wrong:
            wrong.place.append(name)
            raise
    return result


def _find(name: str, member: Shape, node: FormNode) -> FormNode | None:
    """Return the node of a member.

    A flattened list goes by its own name or, as botocore writes it, by that of its items.
    """
    found = node.below.get(member.serialization.get("name", name))
    if found is None and member.type_name == "list" and member.serialization.get("flattened"):
        found = node.below.get(member.member.serialization.get("name", ""))
    return found


def _list(shape: Shape, node: FormNode) -> list[Any]:
    if not shape.serialization.get("flattened"):
        node = node.below.get(shape.member.serialization.get("name", "member"), FormNode())
    return [_item(shape.member, index, item) for index, item in _numbered(node)]


def _map(shape: Shape, node: FormNode) -> dict[str, Any]:
    if not shape.serialization.get("flattened"):
        node = node.below.get("entry", FormNode())
    key_name = shape.key.serialization.get("name", "key")
    value_name = shape.value.serialization.get("name", "value")
    result = {}
    for index, entry in _numbered(node):
        key, value = entry.below.get(key_name), entry.below.get(value_name)
        if key is None or key.value is None or value is None:
            raise WrongTypeError("a map of keys and values")
        result[key.value] = _item(shape.value, index, value)
    return result


def _item(shape: Shape, index: int, node: FormNode) -> Any:
    try:
        return _read(shape, node)
    except WrongTypeError as wrong:
        wrong.place.append(str(index))
        raise


def _numbered(node: FormNode) -> list[tuple[int, FormNode]]:
    for text in node.below:
        if not (text.isascii() and text.isdigit() and len(text) <= MAX_INDEX_CHARACTERS):
            raise WrongTypeError("a numbered list")
    return sorted(
        ((int(text), item) for text, item in node.below.items()), key=lambda pair: pair[0]
    )
