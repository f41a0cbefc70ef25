"""YAML as CloudFormation reads it: short forms of functions, no dates, no anchors.

Source: CloudFormation User Guide, "Template formats" (aliases and merges are not supported) and
"Intrinsic function reference" (`!Ref x` is `{"Ref": x}`, any other `!Name x` is
`{"Fn::Name": x}`).
"""

from typing import Any, Final

import msgspec
import yaml

from hedgerow.kernel import CallerError

_TIMESTAMP: Final = "tag:yaml.org,2002:timestamp"
_PLAIN: Final = frozenset({"Ref", "Condition"})


class _Loader(yaml.SafeLoader):  # type: ignore[misc]  # untyped library
    """Makes plain values only. Dates stay texts, because policies have them in `Version`."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - the library's own way
        first: [(tag, form) for tag, form in resolvers if tag != _TIMESTAMP]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Refuse what would make a small file large."""
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("anchors and aliases are not supported")
        return super().compose_node(parent, index)

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


_Loader.add_multi_constructor("!", _Loader.function)


def read_template_text(data: bytes) -> dict[str, Any]:
    """Return the object in a JSON or YAML text, or raise `CallerError`."""
    try:
        value = _value(data)
    except RecursionError as error:
        raise CallerError("it is nested too deeply") from error
    except (yaml.YAMLError, ValueError, TypeError) as error:
        raise CallerError(f"it is not YAML: {' '.join(str(error).split())[:200]}") from error
    if not isinstance(value, dict):
        raise CallerError("it is not an object")
    return value


def _value(data: bytes) -> Any:
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeError):
        return yaml.load(data, _Loader)  # noqa: S506 - a safe loader with fewer types
