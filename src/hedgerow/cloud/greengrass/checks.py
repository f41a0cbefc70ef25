"""What may stand in a definition version: pure checks, made when a version is created.

Each check returns sentences that name the entity and what is wrong with it; none means good.
What depends on the registry or on other definitions is checked at deployment, in `resolve`.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from hedgerow.cloud.home import Home
from hedgerow.contract import CLOUD, SHADOW_SERVICE
from hedgerow.kernel import Arn, CallerError, quoted
from hedgerow.mqtt import valid_filter

Content = Mapping[str, Any]

MAX_CORES = 1
MAX_DEVICES = 2_500
MAX_SUBSCRIPTIONS = 10_000
MAX_CONNECTORS = 200
MAX_LOGGERS = 4
MAX_CORE_NAME_BYTES = 124
"""Leaves room for `-c<nnn>` in the core's client ids."""
MAX_SUBJECT_BYTES = 256
MAX_SUBJECT_SLASHES = 7
SPOOLER_ARN = "arn:aws:lambda:::function:GGCloudSpooler:1"
ADDRESS_DETECTOR_ARN = "arn:aws:lambda:::function:GGIPDetector:1"

_ID = re.compile(r"[a-zA-Z0-9:_-]{1,128}")
_THING_NAME = re.compile(r"[a-zA-Z0-9:_-]{1,128}")
_CERTIFICATE_ID = re.compile(r"[0-9a-f]{64}")


def thing_name_of(arn: str, home: Home) -> str | None:
    """Return the thing's name if the ARN names a thing of this account and region."""
    return _resource_name(arn, home, "thing/", _THING_NAME)


def certificate_id_of(arn: str, home: Home) -> str | None:
    """Return the certificate's id if the ARN names a certificate of this account and region."""
    return _resource_name(arn, home, "cert/", _CERTIFICATE_ID)


def core_faults(content: Content, home: Home) -> tuple[str, ...]:
    """Check a core definition version: at most one core, a registered form of names."""
    cores = content.get("Cores") or ()
    return (*list_faults("core", cores, MAX_CORES), *faults_of_each(_core_faults, cores, home))


def device_faults(content: Content, home: Home) -> tuple[str, ...]:
    """Check a device definition version: each thing at most once."""
    devices = content.get("Devices") or ()
    return (
        *list_faults("device", devices, MAX_DEVICES),
        *faults_of_each(_thing_faults, devices, home),
        *_repeated("device", "ThingArn", devices),
    )


def subscription_faults(content: Content, home: Home) -> tuple[str, ...]:
    """Check a subscription definition version: sources, targets and topic filters by form."""
    rows = content.get("Subscriptions") or ()
    return (
        *list_faults("subscription", rows, MAX_SUBSCRIPTIONS),
        *faults_of_each(_row_faults, rows, home),
    )


def connector_faults(content: Content, _home: Home) -> tuple[str, ...]:
    """Check a connector definition version: ids and number."""
    return tuple(list_faults("connector", content.get("Connectors") or (), MAX_CONNECTORS))


def logger_faults(content: Content, _home: Home) -> tuple[str, ...]:
    """Check a logger definition version: ids and number."""
    return tuple(list_faults("logger", content.get("Loggers") or (), MAX_LOGGERS))


def subject_fault(subject: str) -> str | None:
    """Return what is wrong with a row's topic filter, or None."""
    if len(subject.encode()) > MAX_SUBJECT_BYTES:
        return f"its subject is longer than {MAX_SUBJECT_BYTES} bytes"
    if subject.count("/") > MAX_SUBJECT_SLASHES:
        return f"its subject has more than {MAX_SUBJECT_SLASHES} slashes"
    if not valid_filter(subject):
        return (
            f"{quoted(subject)} is not a topic filter: '+' stands for one whole level, "
            "'#' only as the last level"
        )
    return None


def list_faults(noun: str, entities: Sequence[Content], limit: int) -> Iterator[str]:
    """Yield what is wrong with the number and the ids of entities."""
    if len(entities) > limit:
        yield f"a version holds at most {limit} {noun}s, this one has {len(entities)}"
    for entity in entities:
        identifier = entity.get("Id", "")
        if not _ID.fullmatch(identifier):
            yield (
                f"the {noun} id {quoted(identifier)} is not 1 to 128 characters of "
                "letters, digits, ':', '_' and '-'"
            )
    yield from _repeated(noun, "Id", entities)


def _repeated(noun: str, member: str, entities: Sequence[Content]) -> Iterator[str]:
    seen: set[str] = set()
    for entity in entities:
        value = entity.get(member, "")
        if value in seen:
            yield f"the {noun} {member} {quoted(value)} stands there more than once"
        seen.add(value)


def faults_of_each(
    check: Callable[[Content, Home], Iterator[str]], entities: Sequence[Content], home: Home
) -> Iterator[str]:
    """Yield what a check says of each entity, with the entity's id before it."""
    for entity in entities:
        for fault in check(entity, home):
            yield f"{quoted(entity.get('Id', ''))}: {fault}"


def _thing_faults(entity: Content, home: Home) -> Iterator[str]:
    if thing_name_of(entity["ThingArn"], home) is None:
        yield (
            f"{quoted(entity['ThingArn'])} does not name a thing; the form is "
            f"arn:aws:iot:{home.region}:{home.account}:thing/<name>"
        )
    if certificate_id_of(entity["CertificateArn"], home) is None:
        yield (
            f"{quoted(entity['CertificateArn'])} does not name a certificate; the form is "
            f"arn:aws:iot:{home.region}:{home.account}:cert/<64 hex digits>"
        )


def _core_faults(entity: Content, home: Home) -> Iterator[str]:
    yield from _thing_faults(entity, home)
    name = thing_name_of(entity["ThingArn"], home)
    if name is not None and len(name.encode()) > MAX_CORE_NAME_BYTES:
        yield f"a core's thing name has at most {MAX_CORE_NAME_BYTES} bytes"


def _row_faults(entity: Content, home: Home) -> Iterator[str]:
    for member in ("Source", "Target"):
        if not _is_party(entity[member], home):
            yield (
                f"{member} {quoted(entity[member])} is none of: a thing ARN of this account, "
                f"a function ARN, a connector ARN, '{CLOUD}', '{SHADOW_SERVICE}'"
            )
    fault = subject_fault(entity["Subject"])
    if fault is not None:
        yield fault


def _is_party(text: str, home: Home) -> bool:
    if text in {CLOUD, SHADOW_SERVICE} or thing_name_of(text, home) is not None:
        return True
    arn = parsed_arn(text)
    if arn is None:
        return False
    return (arn.service == "lambda" and arn.resource.startswith("function:")) or (
        arn.service == "greengrass" and "/connectors/" in arn.resource
    )


def _resource_name(text: str, home: Home, prefix: str, pattern: re.Pattern[str]) -> str | None:
    arn = parsed_arn(text)
    if arn is None or not arn.resource.startswith(prefix):
        return None
    if (arn.service, arn.region, arn.account) != ("iot", home.region, home.account):
        return None
    name = arn.resource.removeprefix(prefix)
    return name if pattern.fullmatch(name) else None


def parsed_arn(text: str) -> Arn | None:
    """Return an ARN, or None if the text is none."""
    try:
        return Arn.parse(text)
    except CallerError:
        return None
