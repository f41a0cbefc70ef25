"""What may stand in a definition version: pure checks, made when a version is created.

Each check returns sentences that name the entity and what is wrong with it; none means good.
What depends on the registry or on other definitions is checked at deployment, in `resolve`.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
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
MIN_LOG_KB = 128
ADDRESS_DETECTOR_ARN = "arn:aws:lambda:::function:GGIPDetector:1"

_PREFIXES_KEPT = 256
_ID = re.compile(r"[a-zA-Z0-9:_-]{1,128}")
_THING_NAME = re.compile(r"[a-zA-Z0-9:_-]{1,128}")
_CONNECTOR = re.compile(r"/connectors/[A-Za-z0-9_-]+/versions/[0-9]+")
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
    return (
        *list_faults("core", cores, MAX_CORES),
        *faults_of_each("Cores", _core_faults, cores, home),
    )


def device_faults(content: Content, home: Home) -> tuple[str, ...]:
    """Check a device definition version: each thing at most once."""
    devices = content.get("Devices") or ()
    return (
        *list_faults("device", devices, MAX_DEVICES),
        *faults_of_each("Devices", _thing_faults, devices, home),
        *_repeated("device", "ThingArn", devices),
    )


def subscription_faults(content: Content, home: Home) -> tuple[str, ...]:
    """Check a subscription definition version: sources, targets and topic filters by form."""
    rows = content.get("Subscriptions") or ()
    return (
        *list_faults("subscription", rows, MAX_SUBSCRIPTIONS),
        *faults_of_each("Subscriptions", _row_faults, rows, home),
    )


def connector_faults(content: Content, home: Home) -> tuple[str, ...]:
    """Check a connector definition version: each connector at most once (page connectors)."""
    connectors = content.get("Connectors") or ()
    return (
        *list_faults("connector", connectors, MAX_CONNECTORS),
        *faults_of_each("Connectors", _connector_faults, connectors, home),
        *_instances(connectors),
    )


def logger_faults(content: Content, home: Home) -> tuple[str, ...]:
    """Check a logger definition version: one of each component and type, with room for files.

    Source: guide page greengrass-logs-overview.
    """
    loggers = content.get("Loggers") or ()
    return (
        *list_faults("logger", loggers, MAX_LOGGERS),
        *faults_of_each("Loggers", _logger_faults, loggers, home),
        *_doubled_loggers(loggers),
    )


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
    member: str,
    check: Callable[[Content, Home], Iterator[str]],
    entities: Sequence[Content],
    home: Home,
) -> Iterator[str]:
    """Yield what a check says of each entity of a list, with the entity's place before it."""
    for number, entity in enumerate(entities):
        for fault in check(entity, home):
            yield f"{place(member, number, entity)}: {fault}"


def place(member: str, number: int, entity: Content) -> str:
    """Return where an entity stands, e.g. `Devices[3] 'press'`."""
    return f"{member}[{number}] {quoted(entity.get('Id', ''))}"


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


def _connector_faults(entity: Content, _home: Home) -> Iterator[str]:
    text = entity.get("ConnectorArn", "")
    arn = parsed_arn(text)
    if arn is None or arn.service != "greengrass" or not _CONNECTOR.fullmatch(arn.resource):
        yield (
            f"{quoted(text)} does not name a connector; the form is "
            "arn:aws:greengrass:<region>::/connectors/<name>/versions/<number>"
        )


def _instances(connectors: Sequence[Content]) -> Iterator[str]:
    seen: set[str] = set()
    for number, entity in enumerate(connectors):
        name = entity.get("ConnectorArn", "").rpartition("/versions/")[0]
        if name and name in seen:
            yield (
                f"{place('Connectors', number, entity)}: a group has one instance of a connector, "
                f"and {quoted(name)} stands there already"
            )
        seen.add(name)


def _logger_faults(entity: Content, _home: Home) -> Iterator[str]:
    space = entity.get("Space")
    if entity["Type"] == "FileSystem" and (space is None or space < MIN_LOG_KB):
        yield f"a FileSystem logger needs a Space of at least {MIN_LOG_KB} KB"


def _doubled_loggers(loggers: Sequence[Content]) -> Iterator[str]:
    seen: set[tuple[str, str]] = set()
    for number, entity in enumerate(loggers):
        what = (entity["Component"], entity["Type"])
        if what in seen:
            yield (
                f"{place('Loggers', number, entity)}: there is a {what[1]} logger of {what[0]} "
                "already"
            )
        seen.add(what)


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
    name = text.removeprefix(_beginning(home, prefix))
    if name != text:  # this goes for all but other partitions: a full group has 25,000 names
        return name if pattern.fullmatch(name) else None
    arn = parsed_arn(text)
    if arn is None or not arn.resource.startswith(prefix):
        return None
    if (arn.service, arn.region, arn.account) != ("iot", home.region, home.account):
        return None
    name = arn.resource.removeprefix(prefix)
    return name if pattern.fullmatch(name) else None


@lru_cache(_PREFIXES_KEPT)
def _beginning(home: Home, prefix: str) -> str:
    return str(Arn("iot", home.region, home.account, prefix))


def parsed_arn(text: str) -> Arn | None:
    """Return an ARN, or None if the text is none."""
    try:
        return Arn.parse(text)
    except CallerError:
        return None
