"""From a group version to the one document a core gets, or to the reasons why not.

Pure: everything the decision needs comes in as a `GroupParts`; nothing is looked up here. The
prefix of the message and the code `THING_CERT_NOT_FOUND_ERROR` are V1's, which operators search
for (page gg-troubleshooting; aws-cli issue 6141).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hedgerow.cloud.greengrass.checks import (
    MAX_CORE_NAME_BYTES,
    certificate_id_of,
    thing_name_of,
)
from hedgerow.cloud.greengrass.documents import ErrorDetail
from hedgerow.cloud.greengrass.function_checks import SYSTEM_FUNCTIONS
from hedgerow.cloud.home import Home
from hedgerow.contract import (
    CLOUD,
    SHADOW_SERVICE,
    CoreMember,
    DeviceMember,
    FunctionMember,
    GroupDeployment,
    SubscriptionRow,
)
from hedgerow.kernel import quoted

MAX_GROUPS_OF_A_DEVICE = 10
TOO_MANY_GROUPS = (
    "Device is a member of too many groups, devices may not be in more than "
    f"{MAX_GROUPS_OF_A_DEVICE} groups"
)
INVALID_GROUP = "We cannot deploy because the group definition is invalid or corrupted: "

Content = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class GroupParts:
    """A group version's definition versions, by kind name (`Core`, `Device`, ...), and around it.

    `things` maps the name of each registered thing to the ids of its registered certificates;
    `crowded` are the things that are in ten other groups already, `core_groups` the other groups
    that this group's core serves.
    """

    group_id: str
    group_version_id: str
    deployment_id: str
    home: Home
    contents: Mapping[str, Content]
    things: Mapping[str, frozenset[str]]
    registered_certificates: frozenset[str] = frozenset()
    crowded: frozenset[str] = frozenset()
    core_groups: frozenset[str] = frozenset()
    authorities: tuple[str, ...] = ()
    server_certificate_validity_ms: int = 604_800_000


@dataclass(frozen=True, slots=True)
class Unresolvable:
    """Why a group version cannot be deployed; at least one reason."""

    errors: tuple[ErrorDetail, ...]

    @property
    def message(self) -> str:
        """Return all reasons in the words of V1's own failure text."""
        reasons = "; ".join(f"{error.code}: {error.message}" for error in self.errors)
        return INVALID_GROUP + reasons


@dataclass(frozen=True, slots=True)
class _Members:
    cores: tuple[CoreMember, ...]
    devices: tuple[DeviceMember, ...]
    functions: tuple[FunctionMember, ...]
    rows: tuple[SubscriptionRow, ...]


def resolve(parts: GroupParts) -> GroupDeployment | Unresolvable:
    """Return the group's deployment document, or every reason why there is none."""
    members = _members(parts)
    errors = tuple(
        error
        for check in (_core_errors, _device_errors, _function_errors, _other_errors, _row_errors)
        for error in check(parts, members)
    )
    if errors:
        return Unresolvable(errors)
    return GroupDeployment(
        deployment_id=parts.deployment_id,
        group_id=parts.group_id,
        group_version_id=parts.group_version_id,
        account=parts.home.account,
        region=parts.home.region,
        core=members.cores[0],
        devices=members.devices,
        subscriptions=members.rows,
        functions=members.functions,
        group_certificate_authorities=parts.authorities,
        server_certificate_validity_in_milliseconds=parts.server_certificate_validity_ms,
    )


def things_named_in(
    contents: Mapping[str, Content], home: Home, kinds: Sequence[str] = ("Core", "Device")
) -> frozenset[str]:
    """Return the names of all things that definitions of these kinds name."""
    entities = (entity for kind in kinds for entity in _entities(contents, kind))
    names = (thing_name_of(entity["ThingArn"], home) for entity in entities)
    return frozenset(name for name in names if name is not None)


def synchronises(contents: Mapping[str, Content]) -> bool:
    """Tell whether the core or a device has a shadow that is to be synchronised."""
    entities = (*_entities(contents, "Core"), *_entities(contents, "Device"))
    return any(entity.get("SyncShadow") for entity in entities)


def certificates_named_in(contents: Mapping[str, Content], home: Home) -> frozenset[str]:
    """Return the ids of all certificates that the core and device definitions name."""
    entities = (*_entities(contents, "Core"), *_entities(contents, "Device"))
    ids = (certificate_id_of(entity["CertificateArn"], home) for entity in entities)
    return frozenset(identifier for identifier in ids if identifier is not None)


def _members(parts: GroupParts) -> _Members:
    contents, home = parts.contents, parts.home
    return _Members(
        cores=tuple(_core(entity, home) for entity in _entities(contents, "Core")),
        devices=tuple(_device(entity, home) for entity in _entities(contents, "Device")),
        functions=tuple(_function(entity) for entity in _entities(contents, "Function")),
        rows=tuple(_row(entity) for entity in _entities(contents, "Subscription")),
    )


def _entities(contents: Mapping[str, Content], kind: str) -> Sequence[Content]:
    return contents.get(kind, {}).get(f"{kind}s") or ()


def _core(entity: Content, home: Home) -> CoreMember:
    return CoreMember(
        id=entity["Id"],
        thing_arn=entity["ThingArn"],
        thing_name=thing_name_of(entity["ThingArn"], home) or "",
        certificate_id=certificate_id_of(entity["CertificateArn"], home) or "",
        sync_shadow=entity.get("SyncShadow") or False,
    )


def _device(entity: Content, home: Home) -> DeviceMember:
    return DeviceMember(
        id=entity["Id"],
        thing_arn=entity["ThingArn"],
        thing_name=thing_name_of(entity["ThingArn"], home) or "",
        sync_shadow=entity.get("SyncShadow") or False,
    )


def _function(entity: Content) -> FunctionMember:
    configuration = dict(entity.get("FunctionConfiguration") or {})
    environment = configuration.pop("Environment", None) or {}
    return FunctionMember(
        id=entity["Id"],
        function_arn=entity.get("FunctionArn", ""),
        configuration=configuration,
        environment=dict(environment.get("Variables") or {}),
    )


def _row(entity: Content) -> SubscriptionRow:
    return SubscriptionRow(
        id=entity["Id"],
        source=entity["Source"],
        subject=entity["Subject"],
        target=entity["Target"],
    )


def _core_errors(parts: GroupParts, members: _Members) -> Iterator[ErrorDetail]:
    if len(members.cores) != 1:
        yield _error(
            "CORE_COUNT_ERROR",
            f"a group has exactly one core, this group version has {len(members.cores)}",
        )
    for other in sorted(parts.core_groups):
        yield _error(
            "CORE_IN_OTHER_GROUP_ERROR",
            f"a core serves one group, and this one serves group {other}; reset that group's "
            "deployments first",
        )
    for core in members.cores:
        yield from _thing_errors(parts, core.thing_name, core.thing_arn, core.certificate_id)
        if len(core.thing_name.encode()) > MAX_CORE_NAME_BYTES:
            yield _error(
                "CORE_NAME_ERROR",
                f"the name of core {quoted(core.thing_name)} exceeds {MAX_CORE_NAME_BYTES} bytes",
            )


def _device_errors(parts: GroupParts, members: _Members) -> Iterator[ErrorDetail]:
    core_things = {core.thing_arn for core in members.cores}
    certificates = {
        entity["ThingArn"]: certificate_id_of(entity["CertificateArn"], parts.home)
        for entity in _entities(parts.contents, "Device")
    }
    for device in members.devices:
        yield from _thing_errors(
            parts, device.thing_name, device.thing_arn, certificates[device.thing_arn]
        )
        if device.thing_arn in core_things:
            yield _error(
                "DEVICE_IS_CORE_ERROR",
                f"{quoted(device.thing_arn)} is the group's core and cannot be a device of it too",
            )
        if device.thing_name in parts.crowded:
            yield _error("TOO_MANY_GROUPS_ERROR", f"{TOO_MANY_GROUPS}: {device.thing_arn}")


def _thing_errors(
    parts: GroupParts, name: str, arn: str, certificate_id: str | None
) -> Iterator[ErrorDetail]:
    """Check that a thing is registered; a rotated certificate is no error, it is followed."""
    certificates = parts.things.get(name)
    if certificates is None:
        yield _error("THING_NOT_FOUND_ERROR", f"no thing {quoted(arn)} is registered")
    elif not certificates and certificate_id not in parts.registered_certificates:
        yield _error(
            "THING_CERT_NOT_FOUND_ERROR",
            f"the certificate {quoted(certificate_id or '')} of {quoted(arn)} is not registered, "
            "and no other certificate is attached to the thing",
        )


def _function_errors(_parts: GroupParts, members: _Members) -> Iterator[ErrorDetail]:
    for function in members.functions:
        if function.function_arn not in SYSTEM_FUNCTIONS:
            yield _error(
                "FUNCTION_NOT_SUPPORTED_ERROR",
                f"this version of Hedgerow deploys no function but GGIPDetector and "
                f"GGCloudSpooler; remove {quoted(function.function_arn)} from the group version",
            )


def _other_errors(parts: GroupParts, _members: _Members) -> Iterator[ErrorDetail]:
    for kind in ("Connector", "Resource"):
        for entity in _entities(parts.contents, kind):
            yield _error(
                f"{kind.upper()}_NOT_SUPPORTED_ERROR",
                f"this version of Hedgerow deploys no {kind.lower()}s; remove "
                f"{quoted(entity['Id'])} from the group version",
            )


def _row_errors(_parts: GroupParts, members: _Members) -> Iterator[ErrorDetail]:
    parties = {CLOUD, SHADOW_SERVICE}
    parties.update(device.thing_arn for device in members.devices)
    parties.update(function.function_arn for function in members.functions)
    for row in members.rows:
        for role, party in (("source", row.source), ("target", row.target)):
            if party not in parties:
                yield _error(
                    "SUBSCRIPTION_PARTY_NOT_FOUND_ERROR",
                    f"the {role} {quoted(party)} of subscription {quoted(row.id)} is not a "
                    "member of the group",
                )


def _error(code: str, message: str) -> ErrorDetail:
    return ErrorDetail(code=code, message=message)
