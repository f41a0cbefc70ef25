"""What of an estate is taken over though it is not safe, and what will not be as it was."""

import re
from collections import defaultdict
from collections.abc import Collection, Iterator
from datetime import datetime, timedelta
from typing import Any, Final

from hedgerow.estate.certificates import certificates_of
from hedgerow.estate.findings import Finding, changes, maps, unsafe
from hedgerow.estate.members import inner
from hedgerow.estate.naming import parsed_arn
from hedgerow.estate.values import Certificate, DefinitionName, Estate, Group
from hedgerow.kernel import quoted
from hedgerow.policy import MalformedPolicyError, parse_policy
from hedgerow.policy.analysis import overly_permissive

SOON: Final = timedelta(days=90)
"""A certificate that ends within this time is named, while there is time to replace it."""

SYSTEM_FUNCTIONS: Final = ("GGIPDetector", "GGCloudSpooler")
_SECRET_NAME: Final = re.compile(
    r"password|passwd|secret|token|api_?key|private_?key", re.IGNORECASE
)
_CARRIED: Final[tuple[DefinitionName, ...]] = ("Function", "Connector", "Resource")
_EVERYTHING: Final = "#"
_EFFECTIVE_TAGS: Final = "hedgerow:"


def dangers(estate: Estate, now: datetime, made: Collection[str]) -> Iterator[Finding]:
    """Yield what to mend, and what is not as it was in groups that are made (by their ids)."""
    yield from _broad_policies(estate)
    yield from _certificates(estate, now)
    for group in estate.groups:
        yield from _rows(group)
        yield from _functions(group)
        yield from _tags(group)
        if group.id in made:
            yield from _differences(group)


def _broad_policies(estate: Estate) -> Iterator[Finding]:
    for policy in estate.policies:
        try:
            parsed = parse_policy(policy.document)
        except MalformedPolicyError:
            continue
        for grant in overly_permissive(parsed)[:1]:
            yield unsafe(
                "POLICY_TOO_BROAD",
                policy.name,
                f"{grant.statement} allows {grant.action} on {grant.resource}: {grant.problem}",
            )


def _certificates(estate: Estate, now: datetime) -> Iterator[Finding]:
    holders: defaultdict[str, list[str]] = defaultdict(list)
    for thing in estate.things:
        for identifier in thing.certificates:
            holders[identifier].append(thing.name)
    for certificate in estate.certificates:
        things = holders.get(certificate.id, [])
        place = things[0] if things else certificate.id
        if len(things) > 1:
            yield unsafe(
                "CERTIFICATE_SHARED",
                certificate.id,
                f"{len(things)} things have it, so none of them can be told from the others: "
                f"{', '.join(things[:5])}",
            )
        yield from _state_of(certificate, place, now)


def _state_of(certificate: Certificate, place: str, now: datetime) -> Iterator[Finding]:
    if certificate.status != "ACTIVE":
        yield maps(
            "CERTIFICATE_NOT_ACTIVE",
            place,
            f"the certificate {certificate.id} is {certificate.status} and stays so",
        )
    for found in certificates_of(certificate.pem, place):
        if now < found.not_after <= now + SOON:
            yield unsafe(
                "CERTIFICATE_ENDS_SOON",
                place,
                f"the certificate {certificate.id} ends on {found.not_after:%Y-%m-%d}",
            )


def _rows(group: Group) -> Iterator[Finding]:
    """Yield the rows that name no exact topic. Source: guide page security-best-practices."""
    for row in group.entities("Subscription"):
        subject = str(row.get("Subject", ""))
        place = f"{group.name}: {row.get('Id', '')}"
        if subject == _EVERYTHING:
            yield unsafe(
                "ROW_CARRIES_EVERYTHING",
                place,
                "its topic filter is '#': whatever its source sends goes along it",
            )
        elif subject.endswith(_EVERYTHING):
            yield unsafe(
                "ROW_CARRIES_MANY",
                place,
                f"its topic filter {quoted(subject)} takes every topic below it; "
                "rows with exact topics are safer",
            )


def _functions(group: Group) -> Iterator[Finding]:
    for entity in group.entities("Function"):
        place = f"{group.name}: {entity.get('Id', '')}"
        environment = inner(inner(entity, "FunctionConfiguration"), "Environment")
        execution = inner(environment, "Execution")
        if execution.get("IsolationMode") == "NoContainer":
            yield unsafe("FUNCTION_NOT_CONTAINED", place, "the function runs without a container")
        if inner(execution, "RunAs").get("Uid") == 0:
            yield unsafe("FUNCTION_AS_ROOT", place, "the function runs as root")
        for name in inner(environment, "Variables"):
            if _SECRET_NAME.search(name):
                yield unsafe(
                    "SECRET_IN_ENVIRONMENT",
                    place,
                    f"the environment variable {name} looks like a secret; anybody who may read "
                    "the definition can read it",
                )


def _tags(group: Group) -> Iterator[Finding]:
    for name in group.tags:
        if name.startswith(_EFFECTIVE_TAGS):
            yield unsafe(
                "TAG_HAS_EFFECT",
                group.name,
                f"the group's tag {name} changes what its core may do; take it away if you did not "
                "set it",
            )


def _differences(group: Group) -> Iterator[Finding]:
    yield changes(
        "AUTHORITY_NEW",
        group.name,
        "the group gets a certificate authority of its own; devices learn it by discovery",
    )
    if group.role_arn:
        yield changes(
            "ROLE_BY_HAND",
            group.name,
            f"the group had the role {group.role_arn}; make it here and associate it with "
            "AssociateRoleToGroup",
        )
    for kind in _CARRIED:
        carried = [one for one in group.entities(kind) if not _is_system(one)]
        if carried:
            yield changes(
                f"{kind.upper()}S_CARRIED",
                group.name,
                f"{len(carried)} {kind.lower()}s are kept in the definition; a deployment fails "
                "while the group version has any",
            )


def _is_system(entity: dict[str, Any]) -> bool:
    arn = parsed_arn(entity.get("FunctionArn"))
    return arn is not None and any(name in arn.resource for name in SYSTEM_FUNCTIONS)
