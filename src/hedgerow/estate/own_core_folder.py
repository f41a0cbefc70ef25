"""An estate from the folder of a core of Hedgerow, to make a lost cloud again.

The running group's `group.json` and the membership list beside it hold the group, its devices and
their certificates. Whether they are signed is not asked: whoever imports has chosen the folder.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from hedgerow.contract import GroupDeployment, Membership, SignedDocument
from hedgerow.estate.completion import completed
from hedgerow.estate.core_folder import GROUP_FILES
from hedgerow.estate.findings import Finding, blocks, changes
from hedgerow.estate.formats import Reading, Source
from hedgerow.estate.members import parsed_object
from hedgerow.estate.naming import certificate_arn
from hedgerow.estate.values import Certificate, Definition, Estate, Group, Origin, Thing

_GROUP_FILE: Final = GROUP_FILES[0]
_MEMBERSHIP: Final = "ggc/deployment/membership/{}.json"


class OwnCoreFolder:
    """Reads the Greengrass root of a core that a Hedgerow cloud deployed to."""

    @property
    def name(self) -> str:
        """The format's name in commands."""
        return "hedgerow-core-folder"

    def recognises(self, source: Source) -> bool:
        """Tell whether the running group is one of ours."""
        group = parsed_object(source.files.get(_GROUP_FILE, b""))
        return group is not None and "GroupVersionId" in group and "Core" in group

    def read(self, source: Source) -> Reading:
        """Return the group that the core runs, with its devices and their certificates."""
        try:
            group = msgspec.json.decode(source.files.get(_GROUP_FILE, b""), type=GroupDeployment)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            fault = blocks("FILE_UNREADABLE", _GROUP_FILE, f"it is no group of ours: {error}")
            return Reading(estate=None, findings=(fault,))
        place = _MEMBERSHIP.format(group.group_id)
        membership = _membership(source.files.get(place, b""))
        findings: list[Finding] = []
        if membership is None:
            message = "the membership list cannot be read; certificates come from other files"
            findings.append(changes("FILE_PASSED_OVER", place, message))
        name = source.group_name or f"{group.core.thing_name}-group"
        if not source.group_name:
            message = f"the file does not say the group's name; it becomes {name}"
            findings.append(changes("GROUP_NAME_UNKNOWN", _GROUP_FILE, message))
        return completed(_estate(group, membership, name), source, tuple(findings))


def _membership(data: bytes) -> Membership | None:
    try:
        signed = msgspec.json.decode(data, type=SignedDocument)
        return msgspec.json.decode(signed.payload, type=Membership)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _estate(group: GroupDeployment, membership: Membership | None, name: str) -> Estate:
    origin = Origin(account=group.account, region=group.region)
    listed = membership.certificates if membership is not None else ()
    attached: dict[str, tuple[str, ...]] = {group.core.thing_name: (group.core.certificate_id,)}
    for one in listed:
        attached[one.thing_name] = (*attached.get(one.thing_name, ()), one.certificate_id)
    made = Group(
        id=group.group_id,
        name=name,
        definitions=tuple(_definitions(group, origin, attached)),
        certificate_validity_ms=group.server_certificate_validity_in_milliseconds,
    )
    return Estate(
        origin=origin,
        things=tuple(Thing(name=name, certificates=ids) for name, ids in attached.items()),
        certificates=tuple(Certificate(id=one.certificate_id, pem=one.pem) for one in listed),
        groups=(made,),
    )


def _definitions(
    group: GroupDeployment, origin: Origin, attached: Mapping[str, tuple[str, ...]]
) -> Iterator[Definition]:
    def member(one: Any) -> dict[str, Any]:
        entity = {"Id": one.id, "ThingArn": one.thing_arn, "SyncShadow": one.sync_shadow}
        for identifier in attached.get(one.thing_name, ())[:1]:
            entity["CertificateArn"] = certificate_arn(origin, identifier)
        return entity

    yield Definition(kind="Core", content={"Cores": [member(group.core)]})
    if group.devices:
        yield Definition(kind="Device", content={"Devices": [member(one) for one in group.devices]})
    if group.subscriptions:
        rows = [msgspec.to_builtins(one) for one in group.subscriptions]
        yield Definition(kind="Subscription", content={"Subscriptions": rows})
    if group.functions:
        functions = [
            {
                "Id": one.id,
                "FunctionArn": one.function_arn,
                "FunctionConfiguration": {
                    **one.configuration,
                    **({"Environment": {"Variables": one.environment}} if one.environment else {}),
                },
            }
            for one in group.functions
        ]
        yield Definition(kind="Function", content={"Functions": functions})
