"""What belongs to whom: certificates to things, policies to certificates and thing groups.

Both ends of an attachment change in one transaction, so neither can be seen without the other.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import msgspec

from hedgerow.cloud.home import Home
from hedgerow.cloud.iot import certificates, policies, thing_groups, things
from hedgerow.cloud.iot.arns import (
    certificate_arn,
    read_certificate_arn,
    read_thing_group_arn,
)
from hedgerow.cloud.iot.documents import (
    CERTIFICATE,
    POLICY_TARGET,
    THING_GROUP,
    Certificate,
    PolicyTarget,
    ThingGroup,
)
from hedgerow.cloud.iot.faults import invalid_request, limit_exceeded
from hedgerow.kernel import quoted
from hedgerow.store import Record, Store, Transaction

Members = Mapping[str, Any]

Holder = Record[Certificate] | Record[ThingGroup]
"""What a policy can be attached to."""

MAX_POLICIES: Final[Mapping[str, int]] = MappingProxyType(
    {CERTIFICATE.name: 10, THING_GROUP.name: 2}
)
"""How many policies a holder of each kind has at most."""


async def attach_thing(tx: Transaction, home: Home, request: Members) -> None:
    """Attach a certificate to a thing; doing it again changes nothing."""
    thing = await things.existing(tx, home, request["thingName"])
    record = await principal(tx, home, request["principal"])
    certificate = record.document
    exclusive = request.get("thingPrincipalType") == "EXCLUSIVE_THING"
    _require_shareable(certificate, thing.id, exclusive=exclusive)
    await tx.update(
        record,
        msgspec.structs.replace(
            certificate,
            things=_with(certificate.things, thing.id),
            exclusive_thing=exclusive,
        ),
    )
    attached = _with(thing.document.principals, record.id)
    await tx.update(thing, msgspec.structs.replace(thing.document, principals=attached))


def kind_of(certificate: Record[Certificate]) -> str:
    """Return how a certificate is attached to its things."""
    return "EXCLUSIVE_THING" if certificate.document.exclusive_thing else "NON_EXCLUSIVE_THING"


async def detach_thing(tx: Transaction, home: Home, request: Members) -> None:
    """Detach a certificate from a thing; from the next moment its holder is refused."""
    thing = await things.existing(tx, home, request["thingName"])
    record = await principal(tx, home, request["principal"])
    remaining = _without(record.document.things, thing.id)
    await tx.update(
        record,
        msgspec.structs.replace(
            record.document,
            things=remaining,
            exclusive_thing=record.document.exclusive_thing and bool(remaining),
        ),
    )
    attached = _without(thing.document.principals, record.id)
    await tx.update(thing, msgspec.structs.replace(thing.document, principals=attached))


async def attach_policy(tx: Transaction, home: Home, name: str, target: str) -> None:
    """Attach a policy to a certificate or thing group; doing it again changes nothing."""
    policy = await policies.existing(tx, home, name)
    holder = await policy_holder(tx, home, target)
    attached = holder.document.policies
    if policy.id in attached:
        return
    if len(attached) >= MAX_POLICIES[holder.kind.name]:
        raise limit_exceeded(
            f"A {holder.kind.name} has at most {MAX_POLICIES[holder.kind.name]} policies; "
            "use DetachPolicy first."
        )
    await _set_policies(tx, holder, (*attached, policy.id))
    await tx.insert(
        POLICY_TARGET,
        home.account,
        _target_id(policy.id, target),
        PolicyTarget(arn=target),
        parent=policy.id,
    )


async def detach_policy(tx: Transaction, home: Home, name: str, target: str) -> None:
    """Detach a policy from what it is attached to; one that is not attached is no error."""
    policy = await policies.existing(tx, home, name)
    holder = await policy_holder(tx, home, target)
    entry = await tx.get(POLICY_TARGET, home.account, _target_id(policy.id, target))
    if entry is not None:
        await tx.delete(entry)
        await _set_policies(tx, holder, _without(holder.document.policies, policy.id))


async def policy_holder(reader: Store | Transaction, home: Home, arn: str) -> Holder:
    """Return the certificate or thing group that an ARN names."""
    group_name = read_thing_group_arn(arn, home)
    if group_name is not None:
        return await thing_groups.existing(reader, home, group_name)
    return await principal(reader, home, arn)


async def principal(reader: Store | Transaction, home: Home, arn: str) -> Record[Certificate]:
    """Return the certificate a principal's ARN names; other principals are not supported."""
    certificate_id = read_certificate_arn(arn, home)
    if certificate_id is None:
        raise invalid_request(
            f"{quoted(arn)} does not name a certificate; the form is "
            f"{certificate_arn(home, '<64 hex digits>')}"
        )
    return await certificates.existing(reader, home, certificate_id)


async def _set_policies(tx: Transaction, holder: Holder, names: tuple[str, ...]) -> None:
    if isinstance(holder.document, Certificate):
        await tx.update(holder, msgspec.structs.replace(holder.document, policies=names))
    else:
        await tx.update(holder, msgspec.structs.replace(holder.document, policies=names))


def _require_shareable(certificate: Certificate, thing_name: str, *, exclusive: bool) -> None:
    others = [name for name in certificate.things if name != thing_name]
    if others and (exclusive or certificate.exclusive_thing):
        raise invalid_request(
            "The certificate is or would be attached to its thing exclusively, and it is attached "
            f"to thing {others[0]}; detach it there first."
        )


def _target_id(policy_name: str, target: str) -> str:
    return f"{target} {policy_name}"


def _with(members: tuple[str, ...], member: str) -> tuple[str, ...]:
    return members if member in members else (*members, member)


def _without(members: tuple[str, ...], member: str) -> tuple[str, ...]:
    return tuple(other for other in members if other != member)
