"""Fields of a document: an object or a text, or an error that says what stands there."""

import json
from typing import Any

from hedgerow.kernel import quoted
from hedgerow.policy.errors import MalformedPolicyError


def require_object(given: Any, place: str, otherwise: str) -> dict[str, Any]:
    """Return a JSON object, or raise `MalformedPolicyError`."""
    if not isinstance(given, dict):
        raise MalformedPolicyError(place, f"{otherwise}, not {json_shown(given)}")
    return given


def require_text(given: Any, place: str) -> str:
    """Return a text, or raise `MalformedPolicyError`."""
    if not isinstance(given, str):
        raise MalformedPolicyError(place, f"{json_shown(given)} is not a text")
    return given


def require_texts(given: Any, place: str) -> list[str]:
    """Return a list of texts, at least one; a text alone is a list of one."""
    if isinstance(given, str):
        return [given]
    if not isinstance(given, list) or not given:
        raise MalformedPolicyError(
            place, f"{json_shown(given)} is neither a text nor a list of texts"
        )
    if set(map(type, given)) != {str}:
        position = next(at for at, one in enumerate(given) if not isinstance(one, str))
        raise MalformedPolicyError(
            f"{place}[{position}]", f"{json_shown(given[position])} is not a text"
        )
    return given


def json_shown(given: Any) -> str:
    """Return a JSON value quoted, for a message."""
    return quoted(given if isinstance(given, str) else json.dumps(given))
