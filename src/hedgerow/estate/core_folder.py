"""An estate from nothing but the folder of a core: `config.json`, `group.json`, certificates.

`config/config.json` is documented (guide page gg-core) and says which thing the core is and where
its certificate lies. `ggc/deployment/group/group.json` is what the last deployment left; it is not
documented, and what is read of it is what tools in the field read: `Arn` (of the group version),
`Region`, `Cores` and `Devices` with `thingArn`, and under `GroupDefinitions` the lists `Lambdas`,
`Subscriptions`, `Resources` and `Logging`, each in `Content`. Names are taken in any case.

Policies are not in a core's folder: whoever completes the estate makes the least ones.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, Final

from hedgerow.estate.certificates import FoundCertificate, certificates_in
from hedgerow.estate.completion import completed
from hedgerow.estate.findings import Finding, blocks, changes
from hedgerow.estate.formats import Reading, Source
from hedgerow.estate.members import inner, member, objects, parsed_object, text
from hedgerow.estate.naming import (
    certificate_arn,
    certificate_id_of,
    group_id_of,
    origin_of,
    thing_name_of,
)
from hedgerow.estate.resource_forms import resource
from hedgerow.estate.values import Definition, DefinitionName, Estate, Group, Origin

CONFIG_FILES: Final = ("config/config.json", "configuration/config.json")
GROUP_FILES: Final = ("ggc/deployment/group/group.json", "ggc/deployments/group/group.json")
"""Where the two files lie; the guide writes the second folder in both ways."""

_FIELDS: Final[Mapping[DefinitionName, tuple[str, ...]]] = {
    "Function": ("FunctionArn", "FunctionConfiguration", "Id"),
    "Subscription": ("Id", "Source", "Subject", "Target"),
    "Logger": ("Component", "Id", "Level", "Space", "Type"),
    "Connector": ("ConnectorArn", "Id", "Parameters"),
}
"""What the API keeps of each; anything else in the file is the old core's own business."""

_LISTS: Final[Mapping[DefinitionName, tuple[str, ...]]] = {
    "Function": ("Lambdas", "Functions"),
    "Subscription": ("Subscriptions",),
    "Logger": ("Logging", "Loggers"),
    "Connector": ("Connectors",),
}
_NEEDED: Final[Mapping[DefinitionName, tuple[str, ...]]] = {
    "Function": ("FunctionArn",),
    "Subscription": ("Source", "Subject", "Target"),
    "Logger": ("Component", "Level", "Type"),
    "Connector": ("ConnectorArn",),
}


class CoreFolder:
    """Reads the Greengrass root of a core, and client devices' certificates beside it."""

    @property
    def name(self) -> str:
        """The format's name in commands."""
        return "core-folder"

    def recognises(self, source: Source) -> bool:
        """Tell whether both files are there."""
        return bool(_first(source, CONFIG_FILES)) and bool(_first(source, GROUP_FILES))

    def read(self, source: Source) -> Reading:
        """Return the group that the core ran, with its core and its devices."""
        paths = (_first(source, CONFIG_FILES), _first(source, GROUP_FILES))
        faults = [
            blocks("FILE_MISSING", names[0], f"there is no {names[0]} in the folder")
            for path, names in zip(paths, (CONFIG_FILES, GROUP_FILES), strict=True)
            if not path
        ]
        if faults:
            return Reading(estate=None, findings=faults)
        config, group = (parsed_object(source.files[path]) for path in paths)
        unreadable = [
            blocks("FILE_UNREADABLE", path, "the file is not a JSON object")
            for path, value in zip(paths, (config, group), strict=True)
            if value is None
        ]
        if config is None or group is None:
            return Reading(estate=None, findings=unreadable)
        return _read(source, config, group, paths[1])


def _read(
    source: Source, config: Mapping[str, Any], file: Mapping[str, Any], place: str
) -> Reading:
    arn = text(file, "Arn")
    thing_arn = text(inner(config, "coreThing"), "thingArn")
    origin = origin_of(thing_arn) or origin_of(arn)
    group_id = group_id_of(arn)
    if origin is None or group_id is None:
        fault = blocks(
            "GROUP_UNKNOWN",
            place,
            "the file has no group version's ARN in Arn; the core held no deployment",
        )
        return Reading(estate=None, findings=(fault,))
    core_name = thing_name_of(thing_arn) or ""
    definitions = inner(file, "GroupDefinitions")
    parts = [
        _cores(file, config, source, origin),
        _devices(file, definitions),
        *(_listed(kind, definitions, place) for kind in _LISTS),
        _resources(definitions, place),
    ]
    name = source.group_name or f"{core_name or group_id}-group"
    group = Group(
        id=group_id,
        name=name,
        definitions=tuple(part for part, _ in parts if part is not None),
    )
    findings = [finding for _, some in parts for finding in some]
    if not source.group_name:
        findings.append(
            changes(
                "GROUP_NAME_UNKNOWN",
                place,
                f"the file does not say the group's name; it becomes {name}",
            )
        )
    if core_name and core_name not in _core_names(group):
        findings.append(
            blocks(
                "CORE_DIFFERS",
                place,
                f"config.json is of the core {core_name}, the group is of another",
            )
        )
    estate = Estate(origin=origin, groups=(group,))
    return completed(estate, source, tuple(findings))


_Part = tuple[Definition | None, Sequence[Finding]]


def _cores(
    file: Mapping[str, Any], config: Mapping[str, Any], source: Source, origin: Origin
) -> _Part:
    """Return the core definition; its certificate is the one that `config.json` points at."""
    own = _own_certificate(config, source)
    entities = []
    for number, entity in enumerate(objects(member(file, "Cores")), 1):
        arn = certificate_arn(origin, own) if own else text(entity, "CertificateArn")
        entities.append(_thing_entity(entity, f"core-{number}", arn))
    if not entities:
        thing_arn = text(inner(config, "coreThing"), "thingArn")
        entities = [
            _thing_entity(
                {"ThingArn": thing_arn}, "core-1", certificate_arn(origin, own) if own else ""
            )
        ]
    return Definition(kind="Core", content={"Cores": entities}), ()


def _devices(file: Mapping[str, Any], definitions: Mapping[str, Any]) -> _Part:
    listed = objects(member(file, "Devices")) or _content(definitions, ("Devices",))
    entities = [
        _thing_entity(entity, f"device-{number}", text(entity, "CertificateArn"))
        for number, entity in enumerate(listed, 1)
        if thing_name_of(text(entity, "ThingArn"))
    ]
    unnamed = len(listed) - len(entities)
    findings = (
        [changes("DEVICE_UNNAMED", "Devices", f"{unnamed} devices without a thing are left out")]
        if unnamed
        else []
    )
    if not entities:
        return None, findings
    return Definition(kind="Device", content={"Devices": entities}), findings


def _thing_entity(entity: Mapping[str, Any], spare_id: str, arn: str) -> dict[str, Any]:
    """Return a core or device as a definition holds it."""
    made: dict[str, Any] = {
        "Id": text(entity, "Id") or spare_id,
        "ThingArn": text(entity, "ThingArn"),
        "SyncShadow": member(entity, "SyncShadow") is True,
    }
    return {**made, "CertificateArn": arn} if certificate_id_of(arn) else made


def _listed(kind: DefinitionName, definitions: Mapping[str, Any], place: str) -> _Part:
    entities: list[dict[str, Any]] = []
    findings: list[Finding] = []
    for number, entity in enumerate(_content(definitions, _LISTS[kind]), 1):
        kept = {
            field: value for field in _FIELDS[kind] if (value := member(entity, field)) is not None
        }
        if not all(isinstance(kept.get(field), str) for field in _NEEDED[kind]):
            findings.append(
                changes(
                    "ENTRY_LEFT_OUT",
                    place,
                    f"{kind} {number} has no {', '.join(_NEEDED[kind])}, and is left out",
                )
            )
            continue
        if not isinstance(kept.get("Id"), str):
            kept["Id"] = f"{kind.lower()}-{number}"
        entities.append(kept)
    if not entities:
        return None, findings
    return Definition(kind=kind, content={f"{kind}s": entities}), findings


def _resources(definitions: Mapping[str, Any], place: str) -> _Part:
    found = [
        (entity, resource(entity, f"resource-{number}"))
        for number, entity in enumerate(_content(definitions, ("Resources",)), 1)
    ]
    entities = [made for _, made in found if made is not None]
    findings = [
        changes(
            "ENTRY_LEFT_OUT",
            place,
            f"the resource {text(entity, 'Name') or text(entity, 'Id')} has a form that is not "
            "known, and is left out",
        )
        for entity, made in found
        if made is None
    ]
    if not entities:
        return None, findings
    return Definition(kind="Resource", content={"Resources": entities}), findings


def _content(definitions: Mapping[str, Any], names: Sequence[str]) -> Sequence[Mapping[str, Any]]:
    for name in names:
        value = member(definitions, name)
        listed = member(value, "Content") if isinstance(value, dict) else value
        if objects(listed):
            return objects(listed)
    return ()


def _own_certificate(config: Mapping[str, Any], source: Source) -> str:
    """Return the id of the certificate that `config.json` names, or nothing."""
    found = {one.place: one.id for one in _leaves(source)}
    principal = inner(inner(inner(config, "crypto"), "principals"), "IoTCertificate")
    for named in (
        text(principal, "certificatePath"),
        text(inner(config, "coreThing"), "certPath"),
    ):
        name = PurePosixPath(named.removeprefix("file://")).name
        for place, identifier in found.items() if name else ():
            if PurePosixPath(place).name == name:
                return identifier
    return ""


def _leaves(source: Source) -> Iterator[FoundCertificate]:
    return (one for one in certificates_in(source).values() if not one.authority)


def _core_names(group: Group) -> frozenset[str]:
    names = (thing_name_of(entity.get("ThingArn")) for entity in group.entities("Core"))
    return frozenset(name for name in names if name is not None)


def _first(source: Source, paths: Sequence[str]) -> str:
    return next((path for path in paths if path in source.files), "")
