"""Policies for things whose policies nobody saved: the least they need, made from the group.

Source: guide page device-auth ("minimal AWS IoT policy for the core device"); a client device needs
to discover its cores and to connect. A thing that has any policy keeps what it has.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import msgspec

from hedgerow.estate.findings import Finding, changes
from hedgerow.estate.naming import thing_name_of
from hedgerow.estate.values import (
    Certificate,
    DefinitionName,
    Estate,
    Group,
    Origin,
    Policy,
    Thing,
)
from hedgerow.kernel import CallerError
from hedgerow.policy import (
    DOCUMENT_LIMIT,
    core_message_policy,
    core_shadow_policies,
    document_size,
    minimal_core_policy,
    minimal_device_policy,
)

_CLOUD: Final = "cloud"
_MAX_MESSAGE_POLICIES: Final = 6
"""A certificate has ten policies: one of its own, these, and three for shadows."""

_MADE: Final = "POLICY_MADE"
_NOT_MADE: Final = "POLICY_NOT_MADE"


def with_least_privilege(estate: Estate) -> tuple[Estate, tuple[Finding, ...]]:
    """Return the estate with policies for every attached certificate that has none."""
    thing_groups = {one.name: one for one in estate.thing_groups}
    holders = {one.id: one for one in estate.certificates}
    known = {one.name: one.document for one in estate.policies}
    made: dict[str, Policy] = {}
    findings: list[Finding] = []
    for thing in estate.things:
        bare = [holders[one] for one in thing.certificates if one in holders]
        bare = [one for one in bare if not one.policies or set(one.policies) <= made.keys()]
        if not bare or any(
            thing_groups[one].policies for one in thing.thing_groups if one in thing_groups
        ):
            continue
        try:
            policies = tuple(_renamed(one, known) for one in _policies_for(estate, thing))
        except CallerError as error:
            findings.append(
                changes(_NOT_MADE, thing.name, f"no policy is made for it: {error.message}")
            )
            continue
        made.update({policy.name: policy for policy in policies})
        for certificate in bare:
            holders[certificate.id] = _with(holders[certificate.id], policies)
        names = ", ".join(policy.name for policy in policies)
        message = f"its policy is not known; the least that it needs is in {names}"
        findings.append(changes(_MADE, thing.name, message))
    return (
        msgspec.structs.replace(
            estate,
            certificates=tuple(holders.values()),
            policies=(*estate.policies, *(one for one in made.values() if one.name not in known)),
        ),
        tuple(findings),
    )


def _policies_for(estate: Estate, thing: Thing) -> Iterator[Policy]:
    origin = estate.origin
    group = next((one for one in estate.groups if thing.name in _named(one, "Core")), None)
    if group is None:
        text = minimal_device_policy(
            region=origin.region, account=origin.account, thing_name=thing.name
        )
        yield Policy(name=f"{thing.name}-policy", document=text)
        return
    text = minimal_core_policy(
        region=origin.region,
        account=origin.account,
        core_thing_name=thing.name,
        group_id=group.id,
    )
    yield Policy(name=f"{thing.name}-policy", document=text)
    yield from _numbered(f"{thing.name}-messages", _message_policies(origin, group))
    yield from _numbered(f"{thing.name}-shadows", _shadow_policies(origin, group))


def _numbered(name: str, texts: Sequence[str]) -> Iterator[Policy]:
    for number, text in enumerate(texts, 1):
        yield Policy(name=name if len(texts) == 1 else f"{name}-{number}", document=text)


def _message_policies(origin: Origin, group: Group) -> Sequence[str]:
    """Return as few policies as hold the topics of all rows to and from the cloud.

    Raises `CallerError` if that would be more than a certificate can have.
    """
    ends = [
        (row["Subject"], row.get("Target") == _CLOUD)
        for row in group.entities("Subscription")
        if _CLOUD in (row.get("Source"), row.get("Target"))
    ]
    texts: list[str] = []
    held: list[tuple[str, bool]] = []
    for end in dict.fromkeys(ends):
        larger = _message_policy(origin, [*held, end])
        if held and document_size(larger) > DOCUMENT_LIMIT:
            held = [end]
            texts.append(_message_policy(origin, held))
        else:
            held.append(end)
            texts[-1:] = [larger]
        if len(texts) > _MAX_MESSAGE_POLICIES:
            raise CallerError(
                "its group has more topics to and from the cloud than policies can list; write "
                "one with wildcards"
            )
    return texts


def _message_policy(origin: Origin, ends: Sequence[tuple[str, bool]]) -> str:
    return core_message_policy(
        region=origin.region,
        account=origin.account,
        to_cloud=[subject for subject, upwards in ends if upwards],
        from_cloud=[subject for subject, upwards in ends if not upwards],
    )


def _shadow_policies(origin: Origin, group: Group) -> Sequence[str]:
    synced = [
        name
        for members in (_named(group, "Core"), _named(group, "Device"))
        for name, entity in members.items()
        if entity.get("SyncShadow")
    ]
    if not synced:
        return ()
    return core_shadow_policies(
        region=origin.region, account=origin.account, thing_names=sorted(synced)
    )


def _named(group: Group, kind: DefinitionName) -> Mapping[str, Mapping[str, object]]:
    named = ((thing_name_of(one.get("ThingArn")), one) for one in group.entities(kind))
    return {name: entity for name, entity in named if name is not None}


def _with(certificate: Certificate, policies: tuple[Policy, ...]) -> Certificate:
    names = dict.fromkeys((*certificate.policies, *(policy.name for policy in policies)))
    return msgspec.structs.replace(certificate, policies=tuple(names))


def _renamed(policy: Policy, known: Mapping[str, str]) -> Policy:
    """Return the policy under a name that says nothing else in the estate."""
    if known.get(policy.name, policy.document) == policy.document:
        return policy
    return _renamed(msgspec.structs.replace(policy, name=f"{policy.name}-least"), known)
