"""The input of a bulk deployment: one JSON object a line, checked before anything is deployed.

Pure. The texts are V1's own (guide page bulk-deploy-cli, "Troubleshoot input file errors").
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from hedgerow.cloud.greengrass.faults import bad_request

MAX_INPUT_BYTES = 100 * 1024 * 1024
"""An input file is smaller than this."""

MAX_LINE_CHARACTERS = 256
"""A line is shorter than this."""

_ONLY_TYPE = "NewDeployment"
_PARAMETERS = ("GroupId", "GroupVersionId")
_MAX_CHARACTER_BYTES = 4


@dataclass(frozen=True, slots=True)
class InputRecord:
    """One group version to deploy, and where in the file the next line begins."""

    group_id: str
    group_version_id: str
    next_offset: int


def check_input(content: bytes) -> None:
    """Return if every line is one record; else raise the text for the first that is not."""
    if not content:
        raise bad_request("The input file is empty: it has one JSON object a line, one a group.")
    for _record in _records(content):
        pass


def record_at(content: bytes, offset: int, number: int) -> InputRecord:
    """Return the record that begins at an offset; `number` is its line's, for the error texts."""
    end = content.find(b"\n", offset)
    stop, following = (len(content), len(content)) if end < 0 else (end, end + 1)
    if stop - offset > MAX_LINE_CHARACTERS * _MAX_CHARACTER_BYTES:
        raise _too_long(number)
    try:
        line = content[offset:stop].decode("utf-8").removesuffix("\r")
    except UnicodeDecodeError:
        raise _unparsable(number) from None
    if len(line) >= MAX_LINE_CHARACTERS:
        raise _too_long(number)
    group_id, version_id = _parsed(line, number)
    return InputRecord(group_id, version_id, following)


def _records(content: bytes) -> Iterator[InputRecord]:
    offset, number = 0, 0
    while offset < len(content):
        number += 1
        record = record_at(content, offset, number)
        yield record
        offset = record.next_offset


def _parsed(line: str, number: int) -> tuple[str, str]:
    try:
        members: Any = msgspec.json.decode(line)
    except msgspec.DecodeError:
        raise _unparsable(number) from None
    if not isinstance(members, dict):
        raise _unparsable(number)
    group_id, version_id = (_text(members, name, number) for name in _PARAMETERS)
    if members.get("DeploymentType") != _ONLY_TYPE:
        raise bad_request(
            f"InvalidInputFile: Invalid deployment type at line number : {number}. Only valid type "
            f"is '{_ONLY_TYPE}'."
        )
    return group_id, version_id


def _text(members: dict[str, Any], name: str, number: int) -> str:
    value = members.get(name)
    if not isinstance(value, str) or not value:
        raise bad_request(f"InvalidInputFile: Missing {name} at line number: {number}")
    return value


def _too_long(number: int) -> Exception:
    return bad_request(
        f"Line {number} is too long in S3 File. Valid line is less than {MAX_LINE_CHARACTERS} "
        "chars."
    )


def _unparsable(number: int) -> Exception:
    return bad_request(f"Failed to parse input file at line number: {number}")
