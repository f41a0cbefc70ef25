"""From text to JSON values: bounded, strict, and no field twice in one object.

Parsers differ in which of two equal fields they take; what was reviewed must be what is used.
"""

import json
from typing import Any

import msgspec

from hedgerow.kernel import quoted
from hedgerow.policy.dialects import TEXT_LIMIT, Rules
from hedgerow.policy.errors import MalformedPolicyError

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


def read_document(text: str, rules: Rules, limit: int) -> Any:
    """Return the JSON value of a document that is within the limits."""
    if len(text) > TEXT_LIMIT:
        raise MalformedPolicyError("", f"the policy is longer than {TEXT_LIMIT} characters")
    if len(text) > limit or not text.isascii():
        _require_size(text, rules, limit)
    if "\\" not in text:
        try:
            document = _decode(text)
            # Without escapes, every text in it has its two quotes. Written out again, a document
            # with a field that stood twice in one object has lost some.
            if _encode(document).count(b'"') == text.count('"'):
                return document
        except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
            pass  # The other parser says what is wrong and where.
    return _read_with_care(text)


def _require_size(text: str, rules: Rules, limit: int) -> None:
    unit = "bytes" if rules.in_bytes else "characters"
    spaces = "" if rules.with_spaces else " without white space"
    counted = text if rules.with_spaces else "".join(text.split())
    size = len(counted.encode("utf-8", "surrogatepass")) if rules.in_bytes else len(counted)
    if size > limit:
        raise MalformedPolicyError("", f"the policy has {size} {unit}{spaces}; {limit} are allowed")


def _read_with_care(text: str) -> Any:
    """Read by the parser that says where it failed."""
    try:
        return json.loads(text, object_pairs_hook=_unique_fields, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno} column {error.colno}"
        raise MalformedPolicyError(place, f"not JSON: {error.msg}") from None
    except RecursionError:
        raise MalformedPolicyError("", "not a policy: it is nested too deeply") from None
    except ValueError:
        raise MalformedPolicyError("", "not a policy: a number in it is too long") from None


def _unique_fields(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise MalformedPolicyError("", f"the field {quoted(twice)} stands twice in one object")
    return fields


def _no_constant(name: str) -> None:
    raise MalformedPolicyError("", f"not JSON: {name}")
