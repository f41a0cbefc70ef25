"""What a group version must hold together, checked when it is made: pure.

Everything found here would fail the deployment or break at the core. Every fault is told, each with
its place: the list, the position in it, and the entity's id. Source: guide pages gg-core,
gg-sec and lambda-group-config ("every entity referred to must be in the group").
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from hedgerow.cloud.greengrass.checks import Content, certificate_id_of, place, thing_name_of
from hedgerow.cloud.greengrass.function_checks import access_faults
from hedgerow.cloud.home import Home
from hedgerow.contract import CLOUD, SHADOW_SERVICE
from hedgerow.kernel import quoted

_MEMBERS: tuple[tuple[str, str], ...] = (("Core", "Cores"), ("Device", "Devices"))


@dataclass(frozen=True, slots=True)
class Registered:
    """What the registry has of what a group version names.

    `things` are the ids of the certificates attached to each registered thing.
    """

    things: Mapping[str, tuple[str, ...]]
    certificates: frozenset[str]


def group_faults(
    contents: Mapping[str, Content], registered: Registered, home: Home
) -> tuple[str, ...]:
    """Check the definition versions of a group version, by their kind (`Core`, `Device`, ...)."""
    return (
        *access_faults(contents.get("Function", {}), contents.get("Resource", {})),
        *_registration_faults(contents, registered, home),
        *_twofold_faults(contents),
        *_row_faults(contents),
    )


def _registration_faults(
    contents: Mapping[str, Content], registered: Registered, home: Home
) -> Iterator[str]:
    for kind, member in _MEMBERS:
        for number, entity in enumerate(contents.get(kind, {}).get(member) or ()):
            attached = registered.things.get(thing_name_of(entity["ThingArn"], home) or "")
            certificate = certificate_id_of(entity["CertificateArn"], home)
            if attached is None:
                yield (
                    f"{place(member, number, entity)}: no thing {quoted(entity['ThingArn'])} is "
                    "registered"
                )
            elif not attached and certificate not in registered.certificates:
                yield (
                    f"{place(member, number, entity)}: no certificate "
                    f"{quoted(entity['CertificateArn'])} is registered, and no other one is "
                    "attached to the thing"
                )


def _twofold_faults(contents: Mapping[str, Content]) -> Iterator[str]:
    cores = {entity["ThingArn"] for entity in contents.get("Core", {}).get("Cores") or ()}
    for number, entity in enumerate(contents.get("Device", {}).get("Devices") or ()):
        if entity["ThingArn"] in cores:
            yield (
                f"{place('Devices', number, entity)}: {quoted(entity['ThingArn'])} is the group's "
                "core and cannot be a device of it too"
            )


def _row_faults(contents: Mapping[str, Content]) -> Iterator[str]:
    parties = {
        CLOUD,
        SHADOW_SERVICE,
        *_named(contents, "Device", "Devices", "ThingArn"),
        *_named(contents, "Function", "Functions", "FunctionArn"),
        *_named(contents, "Connector", "Connectors", "ConnectorArn"),
    }
    for number, entity in enumerate(contents.get("Subscription", {}).get("Subscriptions") or ()):
        for end in ("Source", "Target"):
            if entity[end] not in parties:
                yield (
                    f"{place('Subscriptions', number, entity)}: the {end} {quoted(entity[end])} "
                    "is not a member of the group"
                )


def _named(contents: Mapping[str, Content], kind: str, member: str, name: str) -> Iterator[str]:
    return (entity.get(name, "") for entity in contents.get(kind, {}).get(member) or ())
