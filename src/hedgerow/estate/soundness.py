"""Whether an estate is one: ids that are true, names that lead somewhere, texts that are policies.

Nothing here depends on a cloud. Every fault is named with its place, all of them at once.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

from hedgerow.estate.certificates import certificates_of
from hedgerow.estate.findings import Finding, blocks
from hedgerow.estate.naming import GROUP_ID, THING_NAME, certificate_id_of, thing_name_of
from hedgerow.estate.values import Estate, Group
from hedgerow.kernel import quoted
from hedgerow.policy import MalformedPolicyError, parse_policy

MAX_POLICIES: Final = 10
MAX_GROUPS: Final = 100
"""In one import; each group gets an authority of its own, whose key takes long to make."""


def faults(estate: Estate) -> Iterator[Finding]:
    """Yield everything that makes the estate unusable."""
    yield from _repeated("thing", (one.name for one in estate.things))
    yield from _repeated("certificate", (one.id for one in estate.certificates))
    yield from _repeated("policy", (one.name for one in estate.policies))
    yield from _repeated("group", (one.id for one in estate.groups))
    if len(estate.groups) > MAX_GROUPS:
        yield blocks(
            "TOO_MANY_GROUPS",
            "",
            f"the estate has {len(estate.groups)} groups; import at most {MAX_GROUPS} at once",
        )
    yield from _certificate_faults(estate)
    yield from _policy_faults(estate)
    yield from _thing_faults(estate)
    for group in estate.groups:
        yield from _group_faults(estate, group)


def _repeated(what: str, names: Iterable[str]) -> Iterator[Finding]:
    for name, count in Counter(names).items():
        if count > 1:
            yield blocks("REPEATED", name, f"the {what} stands in the estate {count} times")


def _certificate_faults(estate: Estate) -> Iterator[Finding]:
    policies = {one.name for one in estate.policies}
    for certificate in estate.certificates:
        found = list(certificates_of(certificate.pem, certificate.id))
        if certificate.pem and len(found) != 1:
            yield blocks(
                "CERTIFICATE_UNREADABLE",
                certificate.id,
                f"its PEM holds {len(found)} certificates; it has to hold exactly one",
            )
        elif found and found[0].id != certificate.id:
            yield blocks(
                "CERTIFICATE_ID_WRONG",
                certificate.id,
                f"its PEM is the certificate {found[0].id}: an id is the SHA-256 of the DER",
            )
        if len(certificate.policies) > MAX_POLICIES:
            yield blocks(
                "TOO_MANY_POLICIES",
                certificate.id,
                f"it has {len(certificate.policies)} policies; a certificate has at most "
                f"{MAX_POLICIES}",
            )
        yield from _unknown("policy", certificate.id, certificate.policies, policies)


def _policy_faults(estate: Estate) -> Iterator[Finding]:
    for policy in estate.policies:
        try:
            parse_policy(policy.document)
        except MalformedPolicyError as error:
            yield blocks("POLICY_MALFORMED", policy.name, error.message)


def _thing_faults(estate: Estate) -> Iterator[Finding]:
    certificates = {one.id for one in estate.certificates}
    types = {one.name for one in estate.thing_types}
    groups = {one.name for one in estate.thing_groups}
    policies = {one.name for one in estate.policies}
    for thing in estate.things:
        if not THING_NAME.fullmatch(thing.name):
            yield blocks(
                "THING_NAME_INVALID",
                quoted(thing.name),
                "a thing's name has 1 to 128 letters, digits, ':', '_' and '-'",
            )
        yield from _unknown("certificate", thing.name, thing.certificates, certificates)
        yield from _unknown("thing group", thing.name, thing.thing_groups, groups)
        if thing.thing_type:
            yield from _unknown("thing type", thing.name, (thing.thing_type,), types)
    for group in estate.thing_groups:
        yield from _unknown("policy", group.name, group.policies, policies)


def _group_faults(estate: Estate, group: Group) -> Iterator[Finding]:
    if not GROUP_ID.fullmatch(group.id):
        yield blocks("GROUP_ID_INVALID", quoted(group.id), "a group's id is a UUID, in lower case")
    attached = {one.name: frozenset(one.certificates) for one in estate.things}
    kinds = Counter(one.kind for one in group.definitions)
    for kind, count in kinds.items():
        if count > 1:
            yield blocks("REPEATED", group.name, f"the group has {count} {kind} definitions")
    if not group.entities("Core"):
        yield blocks("CORE_MISSING", group.name, "the group has no core")
    for entity in (*group.entities("Core"), *group.entities("Device")):
        place = f"{group.name}: {quoted(str(entity.get('Id', '')))}"
        name = thing_name_of(entity.get("ThingArn"))
        if name is None or name not in attached:
            yield blocks("THING_MISSING", place, "its ThingArn names no thing of the estate")
        elif certificate_id_of(entity.get("CertificateArn")) not in attached[name]:
            yield blocks(
                "CERTIFICATE_MISSING",
                name,
                "its CertificateArn names no certificate that is attached to its thing",
            )


def _unknown(
    what: str, place: str, names: Iterable[str], known: Iterable[str]
) -> Iterator[Finding]:
    for name in names:
        if name not in known:
            yield blocks("NAME_UNKNOWN", place, f"the {what} {quoted(name)} is not in the estate")
