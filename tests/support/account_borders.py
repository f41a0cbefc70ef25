"""An account full of things to steal, and calls of every operation that reach for them."""

import asyncio
import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from botocore.model import ListShape, MapShape, OperationModel, Shape, StructureShape
from tests.support.bulk import ended, execution_role, line, put_input, start
from tests.support.cloud import REGION, CloudGroup, EnrolledThing, RunningCloud

from hedgerow.cloud.app import Layout

CANARY = "canary-of-the-victim"
"""Stands in everything of the victim that could be read, and in nothing that an attacker sends."""
NAME = "shared-name"
"""What everything of the victim with a name of its own choice is called."""


def policy_document(sid: str = "") -> str:
    """Return a policy that allows something; a `sid` makes it recognizable."""
    statement = {"Effect": "Allow", "Action": "iot:Connect", "Resource": "*"}
    return json.dumps(
        {"Version": "2012-10-17", "Statement": [{**statement, **({"Sid": sid} if sid else {})}]}
    )


def trust_document(principal: str) -> str:
    """Return a trust policy for one principal."""
    statement = {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


_WELL_FORMED: Mapping[str, Sequence[str]] = {
    "versionid": ["v1"],
    "policyversionid": ["1"],
    "path": ["/"],
    "newpath": ["/"],
    "pathprefix": ["/"],
    "email": ["thief@example.org"],
    "tokencode": ["123456"],
    "authenticationcode1": ["123456"],
    "authenticationcode2": ["654321"],
    "endpointtype": ["iot:Data-ATS"],
    "assumerolepolicydocument": [trust_document("*")],
}
"""What members need that have a form of their own, so that a call gets as far as it can."""
_DEPTH = 5
_OPTIONAL_DEPTH = 2
_ARNS = frozenset({"target", "principal", "resource", "resourceid", "permissionsboundary"})
_PAGING = frozenset({"nexttoken", "marker", "pagesize", "maxresults", "maxitems", "dryrun"})
_WHEN = datetime(2027, 1, 1, tzinfo=UTC)


@dataclass
class Victim:
    """What an account has, by the names that operations have for it."""

    cloud: RunningCloud
    core: EnrolledThing
    device: EnrolledThing
    group: CloudGroup
    values: dict[str, list[str]] = field(default_factory=dict)
    """Candidates by member name in lower case."""
    arns: list[str] = field(default_factory=list)

    @property
    def identifiers(self) -> frozenset[str]:
        """Everything that only this account has: ids and ARNs."""
        listed = {value for values in self.values.values() for value in values}
        return frozenset({*listed, *self.arns} - {NAME, self.cloud.account})

    def know(self, arn: str = "", **members: str) -> None:
        """Remember an ARN, and ids by member name."""
        if arn:
            self.arns.append(arn)
        for member, value in members.items():
            self.values.setdefault(member.lower(), []).append(value)


async def victim_of(cloud: RunningCloud) -> Victim:
    """Fill an account."""
    device = await cloud.enrol_device("victims-device")
    group = await cloud.group("victims-core", device)
    await group.deploy()
    victim = Victim(cloud, group.core, device, group)
    victim.know(GroupId=group.group_id, DeploymentId=group.deployment_id)
    victim.know(GroupVersionId=group.version_id)
    await _registry(victim)
    await _greengrass(victim)
    await _bulk_deployment(victim)
    await _identities(victim)
    await _records(victim)
    return victim


async def _registry(victim: Victim) -> None:
    iot = victim.cloud.iot
    thing = await iot(
        "create_thing", thingName=NAME, attributePayload={"attributes": {"canary": CANARY}}
    )
    policy = await iot("create_policy", policyName=NAME, policyDocument=policy_document("Canary"))
    fleet = await iot("create_thing_group", thingGroupName=NAME)
    await iot("add_thing_to_thing_group", thingName=NAME, thingGroupName=NAME)
    certificate = await iot("create_keys_and_certificate", setAsActive=True)
    await iot("attach_policy", policyName=NAME, target=certificate["certificateArn"])
    await iot("attach_thing_principal", thingName=NAME, principal=certificate["certificateArn"])
    victim.know(certificate["certificateArn"], certificateId=certificate["certificateId"])
    victim.know(victim.core.certificate_arn, certificateId=victim.core.identity.certificate_id)
    for arn in (thing["thingArn"], policy["policyArn"], fleet["thingGroupArn"], victim.core.arn):
        victim.know(arn)
    job = await iot(
        "create_job", jobId=NAME, targets=[thing["thingArn"]], document=json.dumps(CANARY)
    )
    victim.know(job["jobArn"], jobId=NAME)
    shadow = json.dumps({"state": {"reported": {"canary": CANARY}}}).encode()
    await victim.cloud.call("iot-data", "update_thing_shadow", thingName=NAME, payload=shadow)


async def _greengrass(victim: Victim) -> None:
    greengrass = victim.cloud.greengrass
    named = await greengrass("create_group", Name=CANARY, tags={"canary": CANARY})
    victim.know(named["Arn"], GroupId=named["Id"])
    (authority,) = (
        await greengrass("list_group_certificate_authorities", GroupId=victim.group.group_id)
    )["GroupCertificateAuthorities"]
    victim.know(
        authority["GroupCertificateAuthorityArn"],
        CertificateAuthorityId=authority["GroupCertificateAuthorityId"],
    )
    for kind in ("core", "device", "subscription", "logger", "function", "resource", "connector"):
        made = await greengrass(
            f"create_{kind}_definition", Name=CANARY, tags={"canary": CANARY}, InitialVersion={}
        )
        id_of, version_of = f"{kind}DefinitionId", f"{kind}DefinitionVersionId"
        victim.know(made["Arn"], **{id_of: made["Id"], version_of: made["LatestVersion"]})
        victim.know(made["LatestVersionArn"])
    await greengrass(
        "update_connectivity_info",
        ThingName=victim.core.name,
        ConnectivityInfo=[
            {"Id": "1", "HostAddress": "10.9.8.7", "PortNumber": 8883, "Metadata": CANARY}
        ],
    )
    victim.know(ThingName=victim.core.name)
    victim.know(ThingName=NAME)


async def _bulk_deployment(victim: Victim) -> None:
    """One that has ended, of a group that is not there: its report tells that group's name."""
    cloud = victim.cloud
    put_input(cloud, [line(CANARY, CANARY)])
    bulk_id = await start(cloud, await execution_role(cloud), tags={"canary": CANARY})
    await ended(cloud, bulk_id, "Completed")
    prefix = f"arn:aws:greengrass:{REGION}:{cloud.account}:/greengrass"
    victim.know(f"{prefix}/bulk/deployments/{bulk_id}", BulkDeploymentId=bulk_id)


async def _identities(victim: Victim) -> None:
    iam, tags = _iam(victim.cloud), [{"Key": "canary", "Value": CANARY}]
    user = await iam("create_user", UserName=NAME, Tags=tags)
    group = await iam("create_group", GroupName=NAME)
    await iam("add_user_to_group", GroupName=NAME, UserName=NAME)
    trust = trust_document(f"arn:aws:iam::{victim.cloud.account}:root")
    role = await iam(
        "create_role",
        RoleName=NAME,
        AssumeRolePolicyDocument=trust,
        Description=CANARY,
        Tags=tags,
    )
    policy = await iam(
        "create_policy",
        PolicyName=NAME,
        PolicyDocument=policy_document("Canary"),
        Description=CANARY,
    )
    for holder in ("user", "role", "group"):
        await iam(
            f"put_{holder}_policy",
            **{f"{holder.title()}Name": NAME},
            PolicyName=NAME,
            PolicyDocument=policy_document("Canary"),
        )
    key = await iam("create_access_key", UserName=NAME)
    victim.know(AccessKeyId=key["AccessKey"]["AccessKeyId"])
    await iam("create_login_profile", UserName=NAME, Password=f"{CANARY} Aa1!")
    phone = await iam("create_virtual_mfa_device", VirtualMFADeviceName=NAME)
    victim.know(SerialNumber=phone["VirtualMFADevice"]["SerialNumber"])
    for made in (user["User"], group["Group"], role["Role"], policy["Policy"]):
        victim.know(made["Arn"])


async def _records(victim: Victim) -> None:
    made = await victim.cloud.call(
        "cloudtrail",
        "create_trail",
        Name=NAME,
        S3BucketName=NAME,
        TagsList=[{"Key": "canary", "Value": CANARY}],
    )
    victim.know(made["TrailARN"], ResourceId=made["TrailARN"])
    victim.know(AccountId=victim.cloud.account)


async def know_organization(victim: Victim) -> None:
    """Add what only a management account has: another account, and the request that made it."""
    request = await victim.cloud.call(
        "organizations", "create_account", AccountName=CANARY, Email="canary@example.org"
    )
    status = request["CreateAccountStatus"]
    victim.know(CreateAccountRequestId=status["Id"], AccountId=status["AccountId"])


def _iam(cloud: RunningCloud) -> Any:
    async def call(operation: str, **members: Any) -> dict[str, Any]:
        return await cloud.call("iam", operation, **members)

    return call


class Reach:
    """Makes inputs of operations out of what a victim has."""

    def __init__(self, victim: Victim) -> None:
        self._victim = victim
        self._arns = victim.arns

    def inputs(self, operation: OperationModel, *, thorough: bool) -> Iterator[Mapping[str, Any]]:
        """Give inputs that name the victim's resources: each ARN once, if `thorough`."""
        shape = operation.input_shape
        if shape is None or not shape.members:
            yield {}
            return
        tries = self._tries(shape) if thorough else 1
        for attempt in range(tries):
            yield self._structure(shape, attempt, 0, every=True)
        if thorough:
            yield self._structure(shape, 0, 0, every=False)

    def _tries(self, shape: StructureShape) -> int:
        counts = [
            len(self._candidates(name, member))
            for name, member in shape.members.items()
            if member.type_name == "string"
        ]
        return max([1, *counts])

    def _structure(
        self, shape: StructureShape, attempt: int, depth: int, *, every: bool
    ) -> dict[str, Any]:
        wanted = {
            name: member
            for name, member in shape.members.items()
            if name in shape.required_members or (every and _worth_it(name, depth))
        }
        return {
            name: self._value(name, member, attempt, depth + 1)
            for name, member in wanted.items()
            if depth < _DEPTH
        }

    def _value(self, name: str, shape: Shape, attempt: int, depth: int) -> Any:
        if isinstance(shape, StructureShape):
            return self._structure(shape, attempt, depth, every=True)
        if isinstance(shape, ListShape):
            return [self._value(name.removesuffix("s"), shape.member, attempt, depth + 1)]
        if isinstance(shape, MapShape):
            return {"key": self._value(name, shape.value, attempt, depth + 1)}
        if shape.type_name == "string":
            candidates = self._candidates(name, shape)
            return candidates[attempt % len(candidates)]
        plain: Mapping[str, Any] = {
            "boolean": True,
            "timestamp": _WHEN,
            "blob": b"{}",
            "float": 1.0,
            "double": 1.0,
        }
        return plain.get(shape.type_name, max(1, int(shape.metadata.get("min", 1) or 1)))

    def _candidates(self, name: str, shape: Shape) -> Sequence[str]:
        lowered = name.lower()
        if getattr(shape, "enum", None):
            return list(shape.enum)[:2]
        if lowered in _WELL_FORMED:
            return _WELL_FORMED[lowered]
        if lowered in self._victim.values:
            return self._victim.values[lowered]
        if "document" in lowered:
            return [policy_document()]
        if "arn" in lowered or lowered in _ARNS:
            return self._arns
        return [NAME]


def _worth_it(name: str, depth: int) -> bool:
    return depth <= _OPTIONAL_DEPTH and name.lower() not in _PAGING


def rows_of(data_dir: Path, account: str) -> Mapping[bytes, tuple[str, int]]:
    """Return kind and version of every record of an account, as the database has them now."""
    database = sqlite3.connect(f"file:{Layout(data_dir).database}?mode=ro", uri=True)
    try:
        rows = database.execute(
            "select id_index, kind, version from records where account = ?", (account,)
        ).fetchall()
    finally:
        database.close()
    return {index: (kind, version) for index, kind, version in rows}


def sent_texts(value: Any) -> str:
    """Return what a request says, as one text to search in."""
    return json.dumps(value, default=str)


async def settled(cloud: RunningCloud, account: str) -> Mapping[bytes, tuple[str, int]]:
    """Return an account's rows once they no longer change by themselves."""
    before = rows_of(cloud.data_dir, account)
    async with asyncio.timeout(10):
        while True:
            await cloud.call("sts", "get_caller_identity")
            now = rows_of(cloud.data_dir, account)
            if now == before:
                return now
            before = now


__all__ = [
    "CANARY",
    "NAME",
    "REGION",
    "Reach",
    "Victim",
    "know_organization",
    "policy_document",
    "rows_of",
    "sent_texts",
    "settled",
    "trust_document",
    "victim_of",
]
