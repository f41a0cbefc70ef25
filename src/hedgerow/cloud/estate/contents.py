"""Definitions of an estate read as the API reads them: by the model of `greengrass`.

What a call of `CreateDeviceDefinitionVersion` would refuse for its form is refused here too, and
members that the model does not have are dropped, as the API drops them. `checked` does the same for
the requests that an import is made of: no name comes in that a call could not have brought.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

import msgspec
from botocore.model import Shape

from hedgerow.aws.json_reading import JsonReaders, Reader, read_json
from hedgerow.aws.models import load_model
from hedgerow.aws.validation import Checks, validate
from hedgerow.estate import Definition, DefinitionName, Estate, Finding, Group
from hedgerow.estate.findings import blocks
from hedgerow.kernel import CallerError


def modelled(estate: Estate) -> tuple[Estate, tuple[Finding, ...]]:
    """Return the estate with its definitions in the API's form, and which are not of it."""
    findings: list[Finding] = []

    def read(definition: Definition, group: Group) -> Definition:
        try:
            content = _content(definition.kind, definition.content)
        except CallerError as error:
            place = f"{group.name}: {definition.kind} definition"
            findings.append(blocks("SHAPE_WRONG", place, error.message))
            return definition
        changed: Definition = msgspec.structs.replace(definition, content=content)
        return changed

    groups = tuple(
        msgspec.structs.replace(
            group, definitions=tuple(read(one, group) for one in group.definitions)
        )
        for group in estate.groups
    )
    return msgspec.structs.replace(estate, groups=groups), tuple(findings)


def checked(service: str, operation: str, members: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a request that keeps every constraint of its operation's model.

    Raises `CallerError` with each that it breaks.
    """
    validate(_check(service, operation), members)
    return members


def _content(kind: DefinitionName, content: dict[str, Any]) -> dict[str, Any]:
    reader, check = _readers(kind)
    read: dict[str, Any] = read_json(reader, content)
    validate(check, read)
    return read


@cache
def _check(service: str, operation: str) -> Any:
    shape = load_model(service).operation_model(operation).input_shape
    return None if shape is None else Checks().check(shape)


@cache
def _readers(kind: DefinitionName) -> tuple[Reader, Any]:
    shape: Shape = load_model("greengrass").shape_for(f"{kind}DefinitionVersion")
    return JsonReaders().reader(shape), Checks().check(shape)
