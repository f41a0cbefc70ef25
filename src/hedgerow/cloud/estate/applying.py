"""Doing what a plan says, inside one transaction: the registry first, then the groups.

Each part goes through the same function as its API call, so that no rule holds here only.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from hedgerow.cloud.estate.contents import checked
from hedgerow.cloud.greengrass import authorities, connectivity, definitions, groups
from hedgerow.cloud.greengrass.authorities import NewAuthority
from hedgerow.cloud.greengrass.kinds import DEFINITION_KINDS, DefinitionKind
from hedgerow.cloud.home import Home
from hedgerow.cloud.iot import (
    attachments,
    certificates,
    issuing,
    policies,
    thing_groups,
    thing_types,
    things,
)
from hedgerow.cloud.iot.arns import certificate_arn, thing_group_arn
from hedgerow.contract import ConnectivityEntry
from hedgerow.estate import (
    DEFAULT_CERTIFICATE_VALIDITY_MS,
    Certificate,
    Estate,
    Group,
    ThingGroup,
    ThingType,
)
from hedgerow.estate.naming import thing_name_of
from hedgerow.estate.plan import Plan
from hedgerow.kernel import CallerError, Clock
from hedgerow.store import Transaction

_AT_ONCE: Final = 20
"""After so many parts others get their turn: devices are served while an estate comes in."""

_KINDS: Final[Mapping[str, DefinitionKind]] = {kind.name: kind for kind in DEFINITION_KINDS}

Applied = Mapping[str, str]
"""What came to be: the id of each new group's version, by the group's id."""


async def apply(
    tx: Transaction, home: Home, clock: Clock, plan: Plan, new: Mapping[str, NewAuthority]
) -> Applied:
    """Make what the plan makes. `new` are authorities for the groups that are made.

    Raises the error of whichever part cannot be; the transaction is then not to be kept.
    """
    work = _Work(tx, home, clock)
    await work.rules(plan)
    await work.identities(plan)
    await work.attachments(plan.estate)
    made = plan.made("group")
    if not made <= new.keys():
        raise CallerError("the group was deleted while the estate came in; import it again")
    return {
        group.id: await work.group(group, new[group.id])
        for group in plan.estate.groups
        if group.id in made
    }


class _Work:
    def __init__(self, tx: Transaction, home: Home, clock: Clock) -> None:
        self._tx = tx
        self._home = home
        self._clock = clock
        self._done = 0

    async def rules(self, plan: Plan) -> None:
        """Make thing types, thing groups and policies."""
        tx, home, estate = self._tx, self._home, plan.estate
        for kind in estate.thing_types:
            if kind.name in plan.made("thing-type"):
                await thing_types.create(tx, home, _thing_type(kind))
        for group in estate.thing_groups:
            if group.name in plan.made("thing-group"):
                await thing_groups.create(tx, home, _thing_group(group))
        made = plan.made("policy")
        for policy in estate.policies:
            if policy.name in made:
                request = {"policyName": policy.name, "policyDocument": policy.document}
                await policies.create(
                    tx, home, self._clock, checked("iot", "CreatePolicy", request)
                )
                await self._turn()

    async def identities(self, plan: Plan) -> None:
        """Make certificates and things."""
        tx, home, estate = self._tx, self._home, plan.estate
        made = plan.made("certificate")
        for certificate in estate.certificates:
            if certificate.id in made:
                await self._register(certificate)
        made = plan.made("thing")
        for thing in estate.things:
            if thing.name in made:
                payload = {"attributes": thing.attributes}
                named = {"thingName": thing.name, "attributePayload": payload}
                typed = {"thingTypeName": thing.thing_type} if thing.thing_type else {}
                request = checked("iot", "CreateThing", {**named, **typed})
                await things.create(tx, home, request)
                await self._turn()

    async def attachments(self, estate: Estate) -> None:
        """Attach policies and certificates, and put things into their groups."""
        tx, home = self._tx, self._home
        for group in estate.thing_groups:
            for name in group.policies:
                await attachments.attach_policy(tx, home, name, thing_group_arn(home, group.name))
        for certificate in estate.certificates:
            for name in certificate.policies:
                arn = certificate_arn(home, certificate.id)
                await attachments.attach_policy(tx, home, name, arn)
                await self._turn()
        for thing in estate.things:
            for identifier in thing.certificates:
                arn = certificate_arn(home, identifier)
                request = {"thingName": thing.name, "principal": arn}
                await attachments.attach_thing(tx, home, request)
            for name in thing.thing_groups:
                await thing_groups.add(tx, home, name, thing.name)
            await self._turn()

    async def group(self, group: Group, authority: NewAuthority) -> str:
        """Make a group with one version, and return the version's id."""
        tx, home = self._tx, self._home
        arns: dict[str, Any] = {}
        for definition in group.definitions:
            kind = _KINDS[definition.kind]
            request: dict[str, Any] = {
                "tags": definition.tags,
                "InitialVersion": definition.content,
            }
            if definition.name is not None:
                request["Name"] = definition.name
            checked("greengrass", f"Create{kind.name}Definition", request)
            answer = await definitions.create(kind, tx, home, request)
            arns[kind.version_arn_member] = answer["LatestVersionArn"]
        named = {"Name": group.name, "tags": group.tags, "InitialVersion": arns}
        answer = await groups.create(
            tx, home, checked("greengrass", "CreateGroup", named), authority=authority
        )
        if group.certificate_validity_ms != DEFAULT_CERTIFICATE_VALIDITY_MS:
            setting = str(group.certificate_validity_ms)
            await authorities.update_configuration(
                tx, home, {"GroupId": group.id, "CertificateExpiryInMilliseconds": setting}
            )
        await self._addresses(group)
        return str(answer["LatestVersion"])

    async def _addresses(self, group: Group) -> None:
        entries = entries_of(group)
        for entity in group.entities("Core"):
            name = thing_name_of(entity["ThingArn"])
            if entries and name is not None:
                await connectivity.write(self._tx, self._home.account, name, entries)

    async def _register(self, certificate: Certificate) -> None:
        request = {"certificatePem": certificate.pem, "status": certificate.status}
        checked("iot", "RegisterCertificateWithoutCA", request)
        read = issuing.read_foreign_certificate(certificate.pem, self._clock.now())
        document = certificates.registered(read, certificate.status, issued_here=False)
        await certificates.register(self._tx, self._home, certificate.id, document)
        await self._turn()

    async def _turn(self) -> None:
        """Let others run now and then."""
        self._done += 1
        if self._done % _AT_ONCE == 0:
            await asyncio.sleep(0)


def entries_of(group: Group) -> list[ConnectivityEntry]:
    """Return the addresses of a group's core as greengrass takes them."""
    return [
        ConnectivityEntry(
            id=one.id, host_address=one.host, port_number=one.port, metadata=one.metadata
        )
        for one in group.addresses
    ]


def _thing_type(kind: ThingType) -> Mapping[str, Any]:
    properties = {
        "thingTypeDescription": kind.description,
        "searchableAttributes": list(kind.searchable),
    }
    request = {"thingTypeName": kind.name, "thingTypeProperties": properties}
    return checked("iot", "CreateThingType", request)


def _thing_group(group: ThingGroup) -> Mapping[str, Any]:
    properties = {
        "thingGroupDescription": group.description,
        "attributePayload": {"attributes": group.attributes},
    }
    request = {"thingGroupName": group.name, "thingGroupProperties": properties}
    return checked("iot", "CreateThingGroup", request)
