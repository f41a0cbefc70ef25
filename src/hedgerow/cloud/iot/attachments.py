"""What belongs to whom: certificates to things, policies to certificates.

Both ends of an attachment change in one transaction, so neither can be seen without the other.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from hedgerow.cloud.home import Home
from hedgerow.cloud.iot import certificates, policies, things
from hedgerow.cloud.iot.arns import certificate_arn, read_certificate_arn
from hedgerow.cloud.iot.documents import POLICY_TARGET, Certificate, PolicyTarget
from hedgerow.cloud.iot.faults import invalid_request, limit_exceeded
from hedgerow.kernel import quoted
from hedgerow.store import Record, Store, Transaction

Members = Mapping[str, Any]

MAX_POLICIES_PER_CERTIFICATE = 10


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
    """Attach a policy to a certificate; doing it again changes nothing."""
    policy = await policies.existing(tx, home, name)
    record = await principal(tx, home, target)
    if policy.id in record.document.policies:
        return
    if len(record.document.policies) >= MAX_POLICIES_PER_CERTIFICATE:
        raise limit_exceeded(
            f"A certificate has at most {MAX_POLICIES_PER_CERTIFICATE} policies; "
            "use DetachPolicy first."
        )
    attached = _with(record.document.policies, policy.id)
    await tx.update(record, msgspec.structs.replace(record.document, policies=attached))
    await tx.insert(
        POLICY_TARGET,
        home.account,
        _target_id(policy.id, record.id),
        PolicyTarget(certificate_id=record.id),
        parent=policy.id,
    )


async def detach_policy(tx: Transaction, home: Home, name: str, target: str) -> None:
    """Detach a policy from a certificate; one that is not attached is no error."""
    policy = await policies.existing(tx, home, name)
    record = await principal(tx, home, target)
    await release_policy(tx, home, policy.id, record)


async def release_policy(
    tx: Transaction, home: Home, policy_name: str, record: Record[Certificate]
) -> Record[Certificate]:
    """Take a policy from a certificate and return the certificate as it is then."""
    entry = await tx.get(POLICY_TARGET, home.account, _target_id(policy_name, record.id))
    if entry is None:
        return record
    await tx.delete(entry)
    remaining = _without(record.document.policies, policy_name)
    return await tx.update(record, msgspec.structs.replace(record.document, policies=remaining))


async def principal(reader: Store | Transaction, home: Home, arn: str) -> Record[Certificate]:
    """Return the certificate a principal's ARN names; other principals are not supported."""
    certificate_id = read_certificate_arn(arn, home)
    if certificate_id is None:
        raise invalid_request(
            f"{quoted(arn)} does not name a certificate; the form is "
            f"{certificate_arn(home, '<64 hex digits>')}"
        )
    return await certificates.existing(reader, home, certificate_id)


def _require_shareable(certificate: Certificate, thing_name: str, *, exclusive: bool) -> None:
    others = [name for name in certificate.things if name != thing_name]
    if others and (exclusive or certificate.exclusive_thing):
        raise invalid_request(
            "The certificate is or would be attached to its thing exclusively, and it is attached "
            f"to thing {others[0]}; detach it there first."
        )


def _target_id(policy_name: str, certificate_id: str) -> str:
    return f"{certificate_id}/{policy_name}"


def _with(members: tuple[str, ...], member: str) -> tuple[str, ...]:
    return members if member in members else (*members, member)


def _without(members: tuple[str, ...], member: str) -> tuple[str, ...]:
    return tuple(other for other in members if other != member)
