"""What a call's record keeps of its input and output: everything but what is sensitive."""

from collections.abc import Mapping
from typing import Any

from botocore.model import Shape

HIDDEN = "***"


def redacted(shape: Shape | None, value: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """Return a copy with sensitive members and blobs as `***`."""
    if shape is None or value is None:
        return None if value is None else {}
    copied: Mapping[str, Any] = _copy(shape, value)
    return copied


def _copy(shape: Shape, value: Any) -> Any:
    if shape.metadata.get("sensitive") or shape.type_name == "blob":
        return HIDDEN
    if shape.type_name == "structure" and not shape.is_document_type:
        return {
            name: _copy(shape.members[name], inner)
            for name, inner in value.items()
            if name in shape.members and inner is not None
        }
    if shape.type_name == "list":
        return [_copy(shape.member, inner) for inner in value]
    if shape.type_name == "map":
        return {name: _copy(shape.value, inner) for name, inner in value.items()}
    return value
