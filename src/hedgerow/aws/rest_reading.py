"""Where a rest model finds the members of an operation's input: path, query, headers, body."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from botocore.model import Shape
from botocore.utils import is_json_value_header

from hedgerow.aws.claims import query_pairs
from hedgerow.aws.errors import MalformedBodyError
from hedgerow.aws.http import HttpRequest
from hedgerow.aws.json_reading import (
    JsonReaders,
    Reader,
    WrongTypeError,
    decode_json,
    read_json,
    wire_members,
)
from hedgerow.aws.routing import Route
from hedgerow.aws.text_reading import TextReader, split_header_list, text_reader
from hedgerow.aws.timestamps import ISO, RFC822


@dataclass(frozen=True, slots=True)
class _Text:
    """A member that travels as text: its name here, its name there, and how to read it."""

    member: str
    wire: str
    read: TextReader
    item: Shape | None = None  # the shape of a list's items


@dataclass(slots=True)
class _Places:
    """A structure's members by where they travel."""

    labels: list[_Text] = field(default_factory=list)
    query: dict[str, _Text] = field(default_factory=dict)
    query_map: tuple[str, bool] | None = None  # the member, and whether its values are lists
    headers: list[_Text] = field(default_factory=list)
    header_maps: list[tuple[str, str]] = field(default_factory=list)  # the member, the prefix
    body: dict[str, tuple[str, Shape]] = field(default_factory=dict)


class RestInput:
    """Reads one input shape from requests."""

    def __init__(self, shape: Shape, readers: JsonReaders) -> None:
        self._places = _places(shape)
        self._payload: str | None = shape.serialization.get("payload")
        self._read_body = readers.structure(self._places.body)
        self._read_payload: Reader | None = None
        if self._payload is not None:
            self._read_payload = _payload_reader(shape.members[self._payload], readers)

    def read(self, request: HttpRequest, route: Route) -> dict[str, Any]:
        """Return the input, or raise `MalformedBodyError`."""
        places = self._places
        result: dict[str, Any] = {}
        for text in places.labels:
            result[text.member] = _read_text(text, route.labels[text.wire])
        if places.query or places.query_map:
            self._read_query(request.raw_query, result)
        for text in places.headers:
            values = request.headers.getall(text.wire, ())
            if values:
                result[text.member] = _read_header(text, values)
        for member, prefix in places.header_maps:
            found = _prefixed(request.headers, prefix)
            if found:
                result[member] = found
        if self._payload is not None and self._read_payload is not None:
            if request.body:
                result[self._payload] = self._read_payload(request.body)
        elif places.body and request.body:
            result.update(read_json(self._read_body, decode_json(request.body)))
        return result

    def _read_query(self, raw_query: str, result: dict[str, Any]) -> None:
        places = self._places
        everything: dict[str, list[str]] = {}
        for name, value in query_pairs(raw_query):
            text = places.query.get(name)
            if not name.startswith("X-Amz-"):
                everything.setdefault(name, []).append(value)
            if text is None:
                continue
            if text.item is not None:
                result.setdefault(text.member, []).append(_read_text(text, value))
            elif text.member not in result:
                result[text.member] = _read_text(text, value)
            else:
                raise MalformedBodyError(f"The query string has {text.wire} more than once.")
        if places.query_map is not None and everything:
            member, lists = places.query_map
            result[member] = (
                everything if lists else {name: values[0] for name, values in everything.items()}
            )


def _places(shape: Shape) -> _Places:
    places = _Places()
    for name, member in shape.members.items():
        location = member.serialization.get("location")
        wire = member.serialization.get("name", name)
        if location == "uri":
            places.labels.append(_Text(name, wire, text_reader(member, ISO)))
        elif location == "querystring" and member.type_name == "map":
            places.query_map = (name, member.value.type_name == "list")
        elif location == "querystring":
            places.query[wire] = _text(name, wire, member, ISO)
        elif location == "header":
            places.headers.append(_text(name, wire, member, RFC822))
        elif location == "headers":
            places.header_maps.append((name, wire if "name" in member.serialization else ""))
    inside = (wire for wire in wire_members(shape).items())
    places.body = {
        wire: (name, member)
        for wire, (name, member) in inside
        if member.serialization.get("location") is None
    }
    return places


def _text(name: str, wire: str, member: Shape, form: str) -> _Text:
    if member.type_name == "list" and not is_json_value_header(member):
        return _Text(name, wire, text_reader(member.member, form), member.member)
    return _Text(name, wire, text_reader(member, form))


def _payload_reader(member: Shape, readers: JsonReaders) -> Reader:
    if member.type_name == "blob":
        return bytes
    if member.type_name == "string":
        return _utf8
    reader = readers.reader(member)
    return lambda body: read_json(reader, decode_json(body))


def _utf8(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise MalformedBodyError("The body is not UTF-8 text.") from None


def _read_text(text: _Text, value: str) -> Any:
    try:
        return text.read(value)
    except WrongTypeError as wrong:
        wrong.place.append(text.member)
        raise wrong.malformed() from None


def _read_header(text: _Text, values: Sequence[str]) -> Any:
    joined = ",".join(values)
    if text.item is None:
        return _read_text(text, joined)
    items = split_header_list(joined, text.item) if joined.strip() else []
    return [_read_text(text, item) for item in items]


def _prefixed(headers: Mapping[str, str], prefix: str) -> dict[str, str]:
    low = prefix.lower()
    return {
        name[len(prefix) :]: value
        for name, value in headers.items()
        if name.lower().startswith(low)
    }
