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
MAX_FUNCTIONS = 200
MAX_RESOURCES = 200
MAX_CONNECTORS = 200
MAX_LOGGERS = 4
MAX_CORE_NAME_BYTES = 124
"""Leaves room for `-c<nnn>` in the core's client ids."""
MAX_SUBJECT_BYTES = 256
MAX_SUBJECT_SLASHES = 7
MIN_SPOOL_BYTES = 262_144
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
    return (*_list_faults("core", cores, MAX_CORES), *_each(_core_faults, cores, home))


def device_faults(content: Content, home: Home) -> tuple[str, ...]:
    """Check a device definition version: each thing at most once."""
    devices = content.get("Devices") or ()
    return (
        *_list_faults("device", devices, MAX_DEVICES),
        *_each(_thing_faults, devices, home),
        *_repeated("device", "ThingArn", devices),
    )


def subscription_faults(content: Content, home: Home) -> tuple[str, ...]:
    """Check a subscription definition version: sources, targets and topic filters by form."""
    rows = content.get("Subscriptions") or ()
    return (
        *_list_faults("subscription", rows, MAX_SUBSCRIPTIONS),
        *_each(_row_faults, rows, home),
    )


def function_faults(content: Content, home: Home) -> tuple[str, ...]:
    """Check a function definition version, and the settings of system functions in it."""
    functions = content.get("Functions") or ()
    return (
        *_list_faults("function", functions, MAX_FUNCTIONS),
        *_each(_function_faults, functions, home),
    )


def connector_faults(content: Content, _home: Home) -> tuple[str, ...]:
    """Check a connector definition version: ids and number."""
    return tuple(_list_faults("connector", content.get("Connectors") or (), MAX_CONNECTORS))


def resource_faults(content: Content, _home: Home) -> tuple[str, ...]:
    """Check a resource definition version: ids and number."""
    return tuple(_list_faults("resource", content.get("Resources") or (), MAX_RESOURCES))


def logger_faults(content: Content, _home: Home) -> tuple[str, ...]:
    """Check a logger definition version: ids and number."""
    return tuple(_list_faults("logger", content.get("Loggers") or (), MAX_LOGGERS))


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


def _list_faults(noun: str, entities: Sequence[Content], limit: int) -> Iterator[str]:
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


def _each(
    check: Callable[[Content, Home], Iterator[str]], entities: Sequence[Content], home: Home
) -> Iterator[str]:
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
    arn = _parsed(text)
    if arn is None:
        return False
    return (arn.service == "lambda" and arn.resource.startswith("function:")) or (
        arn.service == "greengrass" and "/connectors/" in arn.resource
    )


def _function_faults(entity: Content, _home: Home) -> Iterator[str]:
    text = entity.get("FunctionArn", "")
    arn = _parsed(text)
    if arn is None or arn.service != "lambda" or not arn.resource.startswith("function:"):
        yield f"{quoted(text)} is not the ARN of a function"
    if text == SPOOLER_ARN:
        yield from _spooler_faults(entity)


def _spooler_faults(entity: Content) -> Iterator[str]:
    environment = (entity.get("FunctionConfiguration") or {}).get("Environment") or {}
    variables = environment.get("Variables") or {}
    size = variables.get("GG_CONFIG_MAX_SIZE_BYTES")
    if size is not None and not (size.isdecimal() and int(size) >= MIN_SPOOL_BYTES):
        yield f"Spool size should be at least {MIN_SPOOL_BYTES} bytes"
    storage = variables.get("GG_CONFIG_STORAGE_TYPE")
    if storage not in {None, "Memory", "FileSystem"}:
        yield f"GG_CONFIG_STORAGE_TYPE is 'Memory' or 'FileSystem', not {quoted(storage)}"
    quality = variables.get("GG_CONFIG_SUBSCRIPTION_QUALITY")
    if quality not in {None, "AtMostOnce", "AtLeastOncePersistent"}:
        yield (
            "GG_CONFIG_SUBSCRIPTION_QUALITY is 'AtMostOnce' or 'AtLeastOncePersistent', "
            f"not {quoted(quality)}"
        )


def _resource_name(text: str, home: Home, prefix: str, pattern: re.Pattern[str]) -> str | None:
    arn = _parsed(text)
    if arn is None or not arn.resource.startswith(prefix):
        return None
    if (arn.service, arn.region, arn.account) != ("iot", home.region, home.account):
        return None
    name = arn.resource.removeprefix(prefix)
    return name if pattern.fullmatch(name) else None


def _parsed(text: str) -> Arn | None:
    try:
        return Arn.parse(text)
    except CallerError:
        return None
