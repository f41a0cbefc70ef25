"""Where a rest model puts the members of a structure in an answer: status, headers, body."""

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from botocore.model import Shape
from botocore.utils import is_json_value_header

from hedgerow.aws.json_writing import JsonWriters
from hedgerow.aws.text_writing import scalar_text
from hedgerow.aws.timestamps import RFC822

JSON_TYPE = "application/json"
_NO_BODY = frozenset({204, 304})


@dataclass(frozen=True, slots=True)
class WrittenParts:
    """The parts of an answer that a structure fills."""

    status: int
    headers: dict[str, str]
    body: bytes


class RestOutput:
    """Writes one structure shape as the parts of an answer."""

    def __init__(self, shape: Shape, writers: JsonWriters) -> None:
        members = shape.members
        locations = {name: member.serialization.get("location") for name, member in members.items()}
        self._shape = shape
        self._payload = shape.serialization.get("payload")
        self._status = [name for name, place in locations.items() if place == "statusCode"]
        self._headers = [name for name, place in locations.items() if place == "header"]
        self._prefixed = [name for name, place in locations.items() if place == "headers"]
        elsewhere = {name for name, place in locations.items() if place is not None}
        self._elsewhere = elsewhere
        self._body = writers.structure(
            {name: member for name, member in members.items() if name not in elsewhere}, shape.name
        )
        self._write_payload = self._payload_writer(writers)

    def write(self, output: Mapping[str, Any], status: int) -> WrittenParts:
        """Return the parts for this output; the status given holds unless a member sets it."""
        headers: dict[str, str] = {}
        for name in self._status:
            status = int(output.get(name) or status)
        for name in self._headers:
            self._put_header(headers, name, output.get(name))
        for name in self._prefixed:
            prefix = self._shape.members[name].serialization.get("name", "")
            for key, value in (output.get(name) or {}).items():
                headers[prefix + key] = str(value)
        if self._write_payload is not None:
            kind, body = self._write_payload(output.get(self._payload or ""))
        else:
            inside = output
            if self._elsewhere:
                inside = {k: v for k, v in output.items() if k not in self._elsewhere}
            kind, body = JSON_TYPE, msgspec.json.encode(self._body(inside))
        if status in _NO_BODY:
            return WrittenParts(status, headers, b"")
        if not any(name.lower() == "content-type" for name in headers):
            headers["content-type"] = kind
        return WrittenParts(status, headers, body)

    def _put_header(self, headers: dict[str, str], name: str, value: Any) -> None:
        if value is None or value == []:
            return
        member = self._shape.members[name]
        headers[member.serialization.get("name", name)] = header_text(member, value)

    def _payload_writer(self, writers: JsonWriters) -> Callable[[Any], tuple[str, bytes]] | None:
        if self._payload is None:
            return None
        member = self._shape.members[self._payload]
        if member.type_name == "blob":
            return lambda value: ("application/octet-stream", value or b"")
        if member.type_name == "string":
            return lambda value: ("text/plain", (value or "").encode())
        writer = writers.writer(member)
        return lambda value: (
            JSON_TYPE,
            b"" if value is None else msgspec.json.encode(writer(value)),
        )


def header_text(shape: Shape, value: Any) -> str:
    """Return a member's value as it stands in a header."""
    if is_json_value_header(shape):
        return base64.b64encode(json.dumps(value, separators=(",", ":")).encode()).decode()
    if shape.type_name == "list":
        return ", ".join(_quoted_item(header_text(shape.member, item)) for item in value)
    return scalar_text(shape, value, RFC822)


def _quoted_item(text: str) -> str:
    """Quote an item that would come apart in a list (HTTP dates are known to hold a comma)."""
    if '"' in text or ("," in text and not text.endswith(" GMT")):
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return text
