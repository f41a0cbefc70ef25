"""Reads what a device or program sent to a shadow: untrusted bytes in, typed requests out."""

import re
from dataclasses import dataclass
from typing import Any

import msgspec

from hedgerow.kernel import quoted
from hedgerow.shadow.documents import (
    MAX_CLIENT_TOKEN_BYTES,
    MAX_DEPTH,
    MAX_DOCUMENT_BYTES,
    Json,
    Section,
)
from hedgerow.shadow.errors import (
    BAD_REQUEST,
    TOO_LARGE,
    UNSUPPORTED_ENCODING,
    ShadowError,
)

_SECTIONS = ("desired", "reported")
_INTEGER_LIMIT = 2**63
_THING_NAME = re.compile(r"[a-zA-Z0-9:_-]{1,128}")
_SHADOW_NAME = re.compile(r"[$a-zA-Z0-9:_-]{1,64}")


@dataclass(frozen=True, slots=True)
class ShadowRemoval:
    """What a deletion asks for. AWS knows no version there; with one it is for that alone."""

    expected_version: int | None = None
    client_token: str | None = None


@dataclass(frozen=True, slots=True)
class ShadowUpdate:
    """What an update asks for. A section maps to None if it is to be removed as a whole."""

    sections: dict[str, Section | None]
    expected_version: int | None
    client_token: str | None


def parse_update(payload: bytes) -> ShadowUpdate:
    """Read an update request, or raise `ShadowError` in AWS's words."""
    document = _parse_object(payload)
    token = _client_token(document)
    try:
        return ShadowUpdate(
            sections=_sections(document), expected_version=_version(document), client_token=token
        )
    except ShadowError as error:
        error.client_token = token
        raise


def parse_client_token(payload: bytes) -> str | None:
    """Read a get request: empty, or an object that may carry a client token."""
    return _client_token(_parse_object(payload)) if payload.strip() else None


def parse_removal(payload: bytes) -> ShadowRemoval:
    """Read a delete request: empty, or an object with a client token, a version, or neither."""
    if not payload.strip():
        return ShadowRemoval()
    document = _parse_object(payload)
    token = _client_token(document)
    try:
        return ShadowRemoval(expected_version=_version(document), client_token=token)
    except ShadowError as error:
        error.client_token = token
        raise


def require_thing_name(name: str) -> None:
    """Raise `ShadowError` for a name that no thing can have."""
    if not _THING_NAME.fullmatch(name):
        raise ShadowError(
            BAD_REQUEST,
            "Invalid thing name: 1 to 128 characters of letters, digits, ':', '_' and '-'",
        )


def require_shadow_name(name: str) -> None:
    """Raise `ShadowError` for a name that no named shadow can have."""
    if not _SHADOW_NAME.fullmatch(name):
        raise ShadowError(
            BAD_REQUEST,
            "Invalid shadow name: 1 to 64 characters of letters, digits, '$', ':', '_' and '-'",
        )


def _parse_object(payload: bytes) -> dict[str, Json]:
    if len(payload) > MAX_DOCUMENT_BYTES:
        raise ShadowError(TOO_LARGE, "The payload exceeds the maximum size allowed")
    try:
        text = payload.decode("utf-8")
    except UnicodeDecodeError:
        raise ShadowError(
            UNSUPPORTED_ENCODING, "Unsupported documented encoding; supported encoding is UTF-8"
        ) from None
    try:
        document = msgspec.json.decode(text)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise ShadowError(BAD_REQUEST, "Invalid JSON") from None
    if not isinstance(document, dict):
        raise ShadowError(BAD_REQUEST, "Payload must be a JSON object")
    return document


def _client_token(document: dict[str, Json]) -> str | None:
    token = document.get("clientToken")
    if token is None:
        return None
    if not isinstance(token, str) or not 0 < len(token.encode()) <= MAX_CLIENT_TOKEN_BYTES:
        raise ShadowError(BAD_REQUEST, "Invalid clientToken")
    return token


def _version(document: dict[str, Json]) -> int | None:
    version = document.get("version")
    if version is None:
        return None
    if not isinstance(version, int) or isinstance(version, bool) or version < 0:
        raise ShadowError(BAD_REQUEST, "Invalid version")
    return version


def _sections(document: dict[str, Json]) -> dict[str, Section | None]:
    if "state" not in document:
        raise ShadowError(BAD_REQUEST, "Missing required node: state")
    state = document["state"]
    if not isinstance(state, dict):
        raise ShadowError(BAD_REQUEST, "State node must be an object")
    for name, section in state.items():
        if name not in _SECTIONS:
            raise ShadowError(BAD_REQUEST, f"State contains an invalid node: {quoted(name)}")
        if section is not None and not isinstance(section, dict):
            raise ShadowError(BAD_REQUEST, f"{name.capitalize()} node must be an object")
        _require_plain(section, depth=1)
    return state


def _require_plain(value: Any, depth: int) -> None:
    if isinstance(value, dict | list):
        if depth > MAX_DEPTH:
            raise ShadowError(
                BAD_REQUEST,
                f"JSON contains too many levels of nesting; maximum is {MAX_DEPTH}",
            )
        for inner in value.values() if isinstance(value, dict) else value:
            _require_plain(inner, depth + 1)
    elif isinstance(value, int) and not -_INTEGER_LIMIT <= value < _INTEGER_LIMIT:
        raise ShadowError(BAD_REQUEST, "State contains an invalid node: an integer of over 64 bits")
