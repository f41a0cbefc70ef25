"""What every reader ends with: members registered, certificates found, policies for who has none.

Formats differ in what they leave out. Here everything that a group names becomes a thing and a
certificate of the estate, and certificates get their PEM from the files. What is still missing
then is for the plan to say.
"""

from collections.abc import Iterator, Mapping

import msgspec

from hedgerow.estate.certificates import FoundCertificate, certificates_in, certificates_of
from hedgerow.estate.findings import Finding, changes, maps
from hedgerow.estate.following import following
from hedgerow.estate.formats import Reading, Source
from hedgerow.estate.least_privilege import with_least_privilege
from hedgerow.estate.naming import certificate_id_of, thing_name_of
from hedgerow.estate.shapes import shape_faults
from hedgerow.estate.values import Certificate, Estate, Thing


def completed(estate: Estate, source: Source, findings: tuple[Finding, ...] = ()) -> Reading:
    """Return the reading of an estate that has everything its groups name."""
    misshapen = tuple(shape_faults(estate))
    if misshapen:
        return Reading(estate=None, findings=(*findings, *misshapen))
    registered = _with_members(estate)
    found = _Found.of(source)
    things, certificates, notes = _with_certificates(registered, found)
    whole = msgspec.structs.replace(
        registered, things=tuple(things.values()), certificates=tuple(certificates.values())
    )
    whole = msgspec.structs.replace(
        whole, groups=tuple(following(group, whole) for group in whole.groups)
    )
    governed, made = with_least_privilege(whole)
    return Reading(estate=governed.in_order(), findings=(*findings, *notes, *made))


class _Found(msgspec.Struct, frozen=True):
    """The certificates of a source: by id, by what may be their thing's name, as named by hand."""

    by_id: dict[str, FoundCertificate]
    by_label: dict[str, tuple[FoundCertificate, ...]]
    by_hand: dict[str, FoundCertificate]

    @classmethod
    def of(cls, source: Source) -> "_Found":
        """Look through a source."""
        by_hand = {
            name: one
            for name, pem in source.device_certificates.items()
            for one in list(certificates_of(pem, f"the certificate named for {name}"))[:1]
        }
        by_id = {**certificates_in(source), **{one.id: one for one in by_hand.values()}}
        by_label: dict[str, tuple[FoundCertificate, ...]] = {}
        for one in by_id.values():
            for label in one.labels if not one.authority else ():
                by_label[label] = (*by_label.get(label, ()), one)
        return cls(by_id=by_id, by_label=by_label, by_hand=by_hand)


def _with_members(estate: Estate) -> Estate:
    """Return the estate with a thing and a certificate for all that its groups name."""
    things = {one.name: one for one in estate.things}
    certificates = {one.id: one for one in estate.certificates}
    for group in estate.groups:
        for entity in (*group.entities("Core"), *group.entities("Device")):
            name = thing_name_of(entity.get("ThingArn"))
            if name is None:
                continue
            thing = things.get(name, Thing(name=name))
            identifier = certificate_id_of(entity.get("CertificateArn"))
            if identifier is not None and not thing.certificates:
                thing = msgspec.structs.replace(thing, certificates=(identifier,))
            things[name] = thing
    for thing in things.values():
        for identifier in thing.certificates:
            certificates.setdefault(identifier, Certificate(id=identifier))
    return msgspec.structs.replace(
        estate, things=tuple(things.values()), certificates=tuple(certificates.values())
    )


def _with_certificates(
    estate: Estate, found: _Found
) -> tuple[dict[str, Thing], dict[str, Certificate], tuple[Finding, ...]]:
    """Return things and certificates with PEM texts, and what was found on the way."""
    certificates = {one.id: _with_pem(one, found.by_id.get(one.id)) for one in estate.certificates}
    taken = {identifier for thing in estate.things for identifier in thing.certificates}
    things: dict[str, Thing] = {}
    findings: list[Finding] = []
    for thing in estate.things:
        own = found.by_hand.get(thing.name)
        usable = [one for one in thing.certificates if certificates[one].pem]
        if own is None and not usable:
            own = _only(one for one in found.by_label.get(thing.name, ()) if one.id not in taken)
            if own is not None:
                findings.append(
                    maps("CERTIFICATE_BY_NAME", thing.name, f"its certificate is {own.place}")
                )
        if own is not None and own.id not in thing.certificates:
            findings.extend(_replaced(thing, own, certificates))
            policies = _policies_of(thing, certificates)
            known = certificates.get(own.id, Certificate(id=own.id))
            certificates[own.id] = msgspec.structs.replace(
                known, pem=own.pem, policies=tuple(dict.fromkeys((*known.policies, *policies)))
            )
            thing = msgspec.structs.replace(thing, certificates=(own.id, *usable))  # noqa: PLW2901
        things[thing.name] = thing
    named = {identifier for thing in things.values() for identifier in thing.certificates}
    kept = {key: one for key, one in certificates.items() if one.pem or key in named}
    return things, kept, tuple(findings)


def _with_pem(certificate: Certificate, found: FoundCertificate | None) -> Certificate:
    if certificate.pem or found is None:
        return certificate
    return msgspec.structs.replace(certificate, pem=found.pem)


def _policies_of(thing: Thing, certificates: Mapping[str, Certificate]) -> tuple[str, ...]:
    names = (name for one in thing.certificates for name in certificates[one].policies)
    return tuple(dict.fromkeys(names))


def _replaced(
    thing: Thing, own: FoundCertificate, certificates: Mapping[str, Certificate]
) -> Iterator[Finding]:
    for identifier in thing.certificates:
        if not certificates[identifier].pem:
            yield changes(
                "CERTIFICATE_REPLACED",
                thing.name,
                f"the certificate {identifier} is not in the files; {own.place} ({own.id}) "
                "takes its place, with its policies",
            )


def _only(found: Iterator[FoundCertificate]) -> FoundCertificate | None:
    """Return the one certificate that is found, None if there is none or more than one."""
    first = next(found, None)
    return first if next(found, None) is None else None
