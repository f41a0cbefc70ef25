"""Certificates that no cloud may register, and what becomes of the things that have only those.

A certificate is unusable without its PEM, after its end, with a weak key, or as an authority's. A
thing with another, usable one goes on with that. One without blocks, unless it is to be left out:
then it goes with its place in the group and its rows, and each loss is named.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime

import msgspec

from hedgerow.estate.certificates import certificates_of
from hedgerow.estate.findings import Finding, blocks, changes
from hedgerow.estate.following import following
from hedgerow.estate.naming import thing_arn, thing_name_of
from hedgerow.estate.shapes import with_listed
from hedgerow.estate.values import Certificate, Definition, Estate, Group, Thing


def without_unusable(
    estate: Estate, *, now: datetime, leave_out: bool
) -> tuple[Estate, tuple[Finding, ...]]:
    """Return the estate without what cannot be used, and what is said of it."""
    reasons = {one.id: reason for one in estate.certificates if (reason := _reason(one, now)) != ""}
    members = _members(estate)
    stuck = {
        thing.name: reasons[thing.certificates[0]] if thing.certificates else "none is known"
        for thing in estate.things
        if all(one in reasons for one in thing.certificates)
        and (thing.certificates or thing.name in members)
    }
    if not reasons and not stuck:
        return estate, ()
    if stuck and not leave_out:
        return estate, tuple(_blocking(stuck))
    kept = [_with_usable(one, reasons) for one in estate.things if one.name not in stuck]
    trimmed = msgspec.structs.replace(
        estate,
        things=tuple(kept),
        certificates=tuple(one for one in estate.certificates if one.id not in reasons),
    )
    groups = tuple(_trimmed(group, trimmed, stuck) for group in estate.groups)
    findings = (*_lost_certificates(reasons), *_lost_things(stuck, estate))
    return msgspec.structs.replace(trimmed, groups=groups), findings


def _members(estate: Estate) -> frozenset[str]:
    """Return the names of the things that groups have as core or device."""
    names = (
        thing_name_of(entity.get("ThingArn"))
        for group in estate.groups
        for entity in (*group.entities("Core"), *group.entities("Device"))
    )
    return frozenset(name for name in names if name is not None)


def _reason(certificate: Certificate, now: datetime) -> str:
    """Return why a certificate cannot be used, or nothing."""
    if not certificate.pem:
        return "its PEM is not known"
    for found in certificates_of(certificate.pem, certificate.id):
        if found.not_after <= now:
            return f"it ended on {found.not_after:%Y-%m-%d}"
        if found.authority:
            return "it is an authority's, which no device can connect with"
        return found.weakness
    return "its PEM cannot be read"


def _blocking(stuck: Mapping[str, str]) -> Iterator[Finding]:
    for name, reason in stuck.items():
        yield blocks(
            "CERTIFICATE_UNUSABLE",
            name,
            f"it has no certificate that can be registered: {reason}; name one with --device "
            f"{name}=FILE, or leave such things out with --leave-out",
        )


def _with_usable(thing: Thing, reasons: Mapping[str, str]) -> Thing:
    usable = tuple(one for one in thing.certificates if one not in reasons)
    return msgspec.structs.replace(thing, certificates=usable)


def _trimmed(group: Group, estate: Estate, stuck: Mapping[str, str]) -> Group:
    """Return the group without the things that are left out, and without their rows."""
    gone = {thing_arn(estate.origin, name) for name in stuck}

    def kept(definition: Definition) -> Definition:
        if definition.kind in {"Core", "Device"}:
            remaining = [one for one in definition.listed if one["ThingArn"] not in gone]
            return with_listed(definition, remaining)
        if definition.kind == "Subscription":
            rows = definition.listed
            return with_listed(
                definition,
                [one for one in rows if gone.isdisjoint((one["Source"], one["Target"]))],
            )
        return definition

    definitions = tuple(kept(one) for one in group.definitions)
    return following(msgspec.structs.replace(group, definitions=definitions), estate)


def _lost_certificates(reasons: Mapping[str, str]) -> Iterator[Finding]:
    for identifier, reason in reasons.items():
        yield changes("CERTIFICATE_LEFT_OUT", identifier, f"it is left out: {reason}")


def _lost_things(stuck: Mapping[str, str], estate: Estate) -> Iterator[Finding]:
    rows = Counter(
        end
        for group in estate.groups
        for row in group.entities("Subscription")
        for end in {row.get("Source"), row.get("Target")}
    )
    for name, reason in stuck.items():
        lost = rows[thing_arn(estate.origin, name)]
        yield changes(
            "THING_LEFT_OUT",
            name,
            f"it is left out with {lost} rows, because it has no certificate that can be "
            f"registered: {reason}",
        )
