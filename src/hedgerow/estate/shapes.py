"""The shape that definitions have to have before anything looks into them.

Only what this room reads is looked at here; the whole shape is the API's, and the cloud checks it.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from hedgerow.estate.findings import Finding, blocks
from hedgerow.estate.values import Definition, DefinitionName, Estate
from hedgerow.kernel import quoted

NEEDED: Final[Mapping[DefinitionName, tuple[str, ...]]] = {
    "Connector": ("Id",),
    "Core": ("Id", "ThingArn"),
    "Device": ("Id", "ThingArn"),
    "Function": ("Id",),
    "Logger": ("Id",),
    "Resource": ("Id",),
    "Subscription": ("Id", "Source", "Subject", "Target"),
}
"""The members that have to be texts, by kind."""


def shape_faults(estate: Estate) -> Iterator[Finding]:
    """Yield what is not of the shape that a definition has."""
    for group in estate.groups:
        for definition in group.definitions:
            place = f"{group.name}: {definition.kind} definition"
            yield from _definition_faults(definition, place)


def with_listed(definition: Definition, entities: Sequence[Mapping[str, Any]]) -> Definition:
    """Return the definition with another list of what it holds."""
    content = {**definition.content, f"{definition.kind}s": [dict(one) for one in entities]}
    changed: Definition = msgspec.structs.replace(definition, content=content)
    return changed


def _definition_faults(definition: Definition, place: str) -> Iterator[Finding]:
    name = f"{definition.kind}s"
    entities = definition.content.get(name, [])
    if not isinstance(entities, list) or not all(isinstance(one, dict) for one in entities):
        yield blocks("SHAPE_WRONG", place, f"{name} is not a list of objects")
        return
    for entity in entities:
        for field in NEEDED[definition.kind]:
            if not isinstance(entity.get(field), str):
                yield blocks(
                    "SHAPE_WRONG", place, f"{quoted(str(entity.get('Id')))} has no text in {field}"
                )
