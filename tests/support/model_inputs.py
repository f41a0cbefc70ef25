"""The smallest input that an operation of a model accepts, made from the model alone."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from botocore.model import OperationModel, Shape

from hedgerow.aws.models import load_model
from hedgerow.aws.patterns import compile_pattern

_TEXTS = (
    "a",
    "1",
    "aaaaaaaa",
    "123456789012",
    "a1b2c3d4-5678-90ab-cdef-111111111111",
    "a1b2c3d4-5678-90ab-cdef-111111111111" * 2,
    "0123456789abcdef" * 4,
    "AKIAIOSFODNN7EXAMPLE",
    "arn:aws:iam::123456789012:role/example",
    "arn:aws:iam::123456789012:policy/example",
    "arn:aws:iot:eu-west-1:123456789012:thing/example",
    "arn:aws:iot:eu-west-1:123456789012:jobtemplate/example",
    "arn:aws:iot:eu-west-1:123456789012:package/example/version/1",
    "arn:aws:cloudtrail:eu-west-1:123456789012:trail/example",
    "arn:aws:organizations::123456789012:account/o-aaaaaaaaaa/123456789012",
    "arn:aws:aws-marketplace:eu-west-1:123456789012:a/b/c",
    "p-aaaaaaaa",
    "h-aaaaaaaa",
    "r-aaaa",
    "ou-aaaa-aaaaaaaa",
    "rt-aaaaaaaa",
    "car-aaaaaaaa",
    "user@example.org",
    "v1",
    "1.0",
    "/",
    "123456",
    "2026-10-07",
    "$aws/rules",
    "https://example.org/",
    "o-aaaaaaaaaa/r-aaaa",
    "iot.amazonaws.com",
    "eu-west-1",
    "lambda:GetLayerVersion",
    "arn:aws:lambda:eu-west-1:123456789012:function:example:1/durable-execution/a/b",
    "arn:aws:lambda:eu-west-1:123456789012:code-signing-config:csc-0123456789abcdef0",
    "arn:aws:lambda:eu-west-1:123456789012:layer:example:1",
    "{}",
)
_MOST = 4_096


@cache
def smallest_input(model: str, operation: str) -> Mapping[str, Any]:
    """Return an input with the required members only, each of the model's form."""
    described: OperationModel = load_model(model).operation_model(operation)
    return _structure(described.input_shape) if described.input_shape is not None else {}


def _structure(shape: Shape) -> dict[str, Any]:
    return {name: _value(shape.members[name], name) for name in shape.required_members}


def _value(shape: Shape, name: str) -> Any:
    make = _MAKERS.get(shape.type_name)
    return max(1, shape.metadata.get("min", 1)) if make is None else make(shape, name)


def _structure_or_one(shape: Shape, _name: str) -> Any:
    """Return what is on the wire in every protocol: a form has no word for an empty structure."""
    texts = [name for name, member in shape.members.items() if member.type_name == "string"]
    if shape.is_tagged_union:
        return _one_of(shape)
    return _structure(shape) or {name: _value(shape.members[name], name) for name in texts[:1]}


def _one_of(shape: Shape) -> dict[str, Any]:
    name = next(iter(shape.members))
    return {name: _value(shape.members[name], name)}


def _text(shape: Shape, name: str) -> str:
    if shape.enum:
        return str(shape.enum[0])
    pattern = shape.metadata.get("pattern")
    least, most = shape.metadata.get("min", 1), shape.metadata.get("max", _MOST)
    texts = (
        sorted(_TEXTS, key=lambda text: not text.startswith("arn:")) if _is_arn(name) else _TEXTS
    )
    for text in _candidates(texts, least):
        if least <= len(text) <= most and (pattern is None or _fits(pattern, text)):
            return text
    raise LookupError(f"no example for {shape.name}: {pattern} {least}..{most}")


def _is_arn(name: str) -> bool:
    return name.lower().endswith("arn")


def _candidates(texts: Sequence[str], least: int) -> Iterator[str]:
    yield from texts
    for text in texts:
        yield text.ljust(least, text[-1])


def _fits(pattern: str, text: str) -> bool:
    known = compile_pattern(pattern)
    return known is None or known.matches(text)


_MAKERS: Mapping[str, Callable[[Shape, str], Any]] = {
    "structure": _structure_or_one,
    "list": lambda shape, name: [_value(shape.member, name)] * max(1, shape.metadata.get("min", 1)),
    "map": lambda shape, name: {_value(shape.key, name): _value(shape.value, name)},
    "string": _text,
    "blob": lambda _shape, _name: b"{}",
    "boolean": lambda _shape, _name: False,
    "timestamp": lambda _shape, _name: "2026-10-07T12:00:00Z",
    "float": lambda shape, _name: float(shape.metadata.get("min", 1)),
    "double": lambda shape, _name: float(shape.metadata.get("min", 1)),
}
