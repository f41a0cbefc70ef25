"""YAML as CloudFormation reads it: short forms of functions, no dates, no anchors.

Source: CloudFormation User Guide, "Template formats" (aliases and merges are not supported) and
"Intrinsic function reference" (`!Ref x` is `{"Ref": x}`, any other `!Name x` is
`{"Fn::Name": x}`). Numbers stay as they are written: only what reads the same as an integer is
one, so `1.10`, `0123` and `10:30` are texts.
"""

import re
from typing import Any, Final

import msgspec
import yaml

from hedgerow.estate.members import without_mark
from hedgerow.kernel import CallerError, quoted

MAX_YAML_BYTES: Final = 1_000_000
"""What CloudFormation itself takes ("CloudFormation quotas": 1 MB in an S3 object)."""

MAX_NESTING: Final = 64
_CHANGED: Final = frozenset(
    f"tag:yaml.org,2002:{kind}" for kind in ("timestamp", "int", "float", "merge", "value")
)
_INTEGER: Final = re.compile(r"(0|-?[1-9][0-9]{0,17})$")
_PLAIN: Final = frozenset({"Ref", "Condition"})


class _Loader(yaml.SafeLoader):  # type: ignore[misc]  # untyped library
    """Makes plain values only. Dates stay texts, because policies have them in `Version`."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - the library's own way
        first: [(tag, form) for tag, form in resolvers if tag not in _CHANGED]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Refuse what would make a small file large."""
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("anchors and aliases are not supported")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:  # noqa: FBT001, FBT002
        """Refuse a name that stands twice: what one reads would not be what counts."""
        found = super().construct_mapping(node, deep=deep)
        if len(found) != len(node.value):
            raise yaml.YAMLError(f"a name stands twice in one object ({node.start_mark})")
        return found

    def function(self, name: str, node: Any) -> dict[str, Any]:
        """Return the long form of a short one."""
        value: Any
        if isinstance(node, yaml.ScalarNode):
            value = self.construct_scalar(node)
        elif isinstance(node, yaml.SequenceNode):
            value = self.construct_sequence(node, deep=True)
        else:
            value = self.construct_mapping(node, deep=True)
        if name == "GetAtt" and isinstance(value, str):
            value = value.split(".", 1)
        return {name if name in _PLAIN else f"Fn::{name}": value}


_Loader.add_implicit_resolver("tag:yaml.org,2002:int", _INTEGER, list("-0123456789"))
_Loader.add_multi_constructor("!", _Loader.function)


def read_template_text(data: bytes) -> dict[str, Any]:
    """Return the object in a JSON or YAML text, or raise `CallerError`.

    What is returned is JSON's: texts, finite numbers, flags, lists and objects with texts as names,
    nested at most `MAX_NESTING` deep.
    """
    try:
        value = _value(data)
    except RecursionError as error:
        raise CallerError("it is nested too deeply") from error
    except (yaml.YAMLError, ValueError, TypeError, AttributeError) as error:
        raise CallerError(f"it is not YAML: {' '.join(str(error).split())[:200]}") from error
    if not isinstance(value, dict):
        raise CallerError("it is not an object")
    plain: dict[str, Any] = _as_json(value, 0)
    return plain


def _value(data: bytes) -> Any:
    plain = without_mark(data)
    try:
        return msgspec.json.decode(plain)
    except (msgspec.DecodeError, UnicodeError):
        if len(plain) > MAX_YAML_BYTES:
            raise CallerError(
                f"it is not JSON, and YAML is read up to {MAX_YAML_BYTES} bytes"
            ) from None
        return yaml.load(plain, _Loader)  # noqa: S506 - a safe loader with fewer types


def _as_json(value: Any, depth: int) -> Any:
    """Return a value as one of JSON; what JSON does not have becomes the text of it."""
    if depth > MAX_NESTING:
        raise CallerError("it is nested too deeply")
    if isinstance(value, dict):
        return {_as_text(key): _as_json(one, depth + 1) for key, one in value.items()}
    if isinstance(value, list | tuple | set):
        return [_as_json(one, depth + 1) for one in value]
    if value is None or isinstance(value, bool | int):
        return value
    return _as_text(value)


def _as_text(value: Any) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    try:
        return text.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeError as error:
        raise CallerError(f"it has a text that is no Unicode: {quoted(repr(text))}") from error
