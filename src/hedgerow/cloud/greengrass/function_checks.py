"""What may stand in function and resource definitions, and whether the two fit together: pure.

The sentences on isolation are V1's own, which operators search for (page gg-troubleshooting).
Source for the rules: pages lambda-group-config, access-local-resources, access-ml-resources and
gg-core.
"""

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from hedgerow.cloud.greengrass.checks import (
    ADDRESS_DETECTOR_ARN,
    SPOOLER_ARN,
    Content,
    faults_of_each,
    list_faults,
    parsed_arn,
)
from hedgerow.cloud.greengrass.model_checks import model_faults, models_in
from hedgerow.cloud.home import Home
from hedgerow.kernel import quoted

MAX_FUNCTIONS: Final = 200
MAX_RESOURCES: Final = 200
MAX_RESOURCES_OF_A_FUNCTION: Final = 20
MIN_SPOOL_BYTES: Final = 262_144
SYSTEM_FUNCTIONS: Final = frozenset({ADDRESS_DETECTOR_ARN, SPOOLER_ARN})
"""The functions that are part of the core itself."""

_SETTING_PREFIX: Final = "GG_CONFIG_"
SETTINGS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        ADDRESS_DETECTOR_ARN: (),
        SPOOLER_ARN: (
            "GG_CONFIG_MAX_SIZE_BYTES",
            "GG_CONFIG_STORAGE_TYPE",
            "GG_CONFIG_SUBSCRIPTION_QUALITY",
        ),
    }
)
"""The variables that set something in each system function."""

CONTAINER: Final = "GreengrassContainer"
NO_CONTAINER: Final = "NoContainer"
ISOLATION_MODES: Final = (CONTAINER, NO_CONTAINER)

RESOURCE_TYPES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "LocalDeviceResourceData": "Local.Device",
        "LocalVolumeResourceData": "Local.Volume",
        "S3MachineLearningModelResourceData": "ML_Model.S3_Object",
        "SageMakerMachineLearningModelResourceData": "ML_Model.SageMaker.Job",
        "SecretsManagerSecretResourceData": "SecretsManager.Secret",
    }
)
"""What kind of thing a resource is, by the member that describes it."""

_SHARED: Final = "/dev/shm"  # noqa: S108 - a path on the core, not one of ours
_QUALIFIER: Final = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_NEEDS_CONTAINER: Final = frozenset({"Local.Device", "Local.Volume"})
"""Since GGC 1.10 functions without a container may have machine learning models."""


def function_faults(content: Content, home: Home) -> tuple[str, ...]:
    """Check a function definition version, and the settings of system functions in it."""
    functions = content.get("Functions") or ()
    default = _mode_in(content.get("DefaultConfig") or {})
    if default not in {None, *ISOLATION_MODES}:
        return ("Your 'IsolationMode' configuration for the group is invalid.",)
    return (
        *list_faults("function", functions, MAX_FUNCTIONS),
        *faults_of_each("Functions", _function_faults, functions, home),
        *(fault for one in functions for fault in _isolation_faults(one, default or CONTAINER)),
    )


def resource_faults(content: Content, home: Home) -> tuple[str, ...]:
    """Check a resource definition version: ids, number, and what each resource is."""
    resources = content.get("Resources") or ()
    return (
        *list_faults("resource", resources, MAX_RESOURCES),
        *faults_of_each("Resources", _resource_faults, resources, home),
    )


def access_faults(functions: Content, resources: Content) -> tuple[str, ...]:
    """Check what the functions of a group version refer to among its resources."""
    listed = resources.get("Resources") or ()
    kinds = {one["Id"]: _type_of(one) for one in listed}
    models = models_in(listed)
    default = _mode_in(functions.get("DefaultConfig") or {}) or CONTAINER
    return tuple(
        fault
        for function in functions.get("Functions") or ()
        for fault in (
            *_access_faults(function, default, kinds),
            *model_faults(
                function.get("FunctionArn", ""),
                contained=isolation_mode(function, default) != NO_CONTAINER,
                policies=_environment(function).get("ResourceAccessPolicies") or (),
                models=models,
            ),
        )
    )


def isolation_mode(function: Content, default: str) -> str:
    """Return how a function is to be run: what it says, else what its definition says."""
    return _mode_in(_environment(function)) or default


def _function_faults(entity: Content, _home: Home) -> Iterator[str]:
    text = entity.get("FunctionArn", "")
    arn = parsed_arn(text)
    if arn is None or arn.service != "lambda" or not arn.resource.startswith("function:"):
        yield f"{quoted(text)} is not the ARN of a function"
    elif text not in SYSTEM_FUNCTIONS and not _is_version(arn.resource):
        yield (
            f"{quoted(text)} must name a version or an alias of the function; $LATEST and "
            "functions without either are not deployed"
        )
    if text in SETTINGS:
        yield from _setting_faults(entity, SETTINGS[text])
    if text == SPOOLER_ARN:
        yield from _spooler_faults(entity)
    policies = _environment(entity).get("ResourceAccessPolicies") or ()
    if len(policies) > MAX_RESOURCES_OF_A_FUNCTION:
        yield (
            f"a function has access to at most {MAX_RESOURCES_OF_A_FUNCTION} resources, "
            f"this one to {len(policies)}"
        )


def _isolation_faults(function: Content, default: str) -> Iterator[str]:
    arn = function.get("FunctionArn", "")
    environment = _environment(function)
    if arn in SYSTEM_FUNCTIONS:
        if environment.get("Execution"):
            yield f"Execution configuration for function with arn {arn} is not allowed."
        return
    mode = isolation_mode(function, default)
    has_memory = _configuration(function).get("MemorySize") is not None
    if mode not in ISOLATION_MODES:
        yield f"Your 'IsolationMode' configuration for function with arn {arn} is invalid."
    elif mode == CONTAINER and not has_memory:
        yield (
            f"MemorySize configuration for function with arn {arn} is required in "
            f"IsolationMode={mode}."
        )
    elif mode == NO_CONTAINER:
        for name, is_set in (
            ("MemorySize", has_memory),
            ("Access Sysfs", environment.get("AccessSysfs")),
        ):
            if is_set:
                yield (
                    f"{name} configuration for function with arn {arn} is not allowed in "
                    f"IsolationMode={mode}."
                )


def _access_faults(function: Content, default: str, kinds: Mapping[str, str]) -> Iterator[str]:
    arn = function.get("FunctionArn", "")
    mode = isolation_mode(function, default)
    for policy in _environment(function).get("ResourceAccessPolicies") or ():
        identifier = policy["ResourceId"]
        kind = kinds.get(identifier)
        if kind is None:
            yield (
                f"Function {arn} refers to resource {quoted(identifier)}, which is not in the "
                "resource definition of the group version."
            )
        elif mode == NO_CONTAINER and kind in _NEEDS_CONTAINER:
            yield (
                f"Function {arn} refers to resource of type {kind} that is not allowed in "
                f"IsolationMode={mode}."
            )


def _resource_faults(entity: Content, _home: Home) -> Iterator[str]:
    container = entity.get("ResourceDataContainer") or {}
    given = [member for member in RESOURCE_TYPES if container.get(member) is not None]
    if len(given) != 1:
        yield f"ResourceDataContainer holds exactly one of {', '.join(RESOURCE_TYPES)}"
        return
    yield from _path_faults(given[0], container[given[0]])
    owner = container[given[0]].get("OwnerSetting")
    if owner is not None and not (owner.get("GroupOwner") and owner.get("GroupPermission")):
        yield (
            "InvalidMLModelOwner - GroupOwnerSetting is provided in ML model resource, but "
            "GroupOwner or GroupPermission is not present"
        )


def _path_faults(member: str, data: Content) -> Iterator[str]:
    """Check where a local resource lies (page access-local-resources)."""
    source = data.get("SourcePath") or ""
    if member == "LocalDeviceResourceData" and not source.startswith("/dev/"):
        yield f"the SourcePath of a device is a file under /dev, not {quoted(source)}"
    if member != "LocalVolumeResourceData":
        return
    for name in ("SourcePath", "DestinationPath"):
        path = data.get(name) or ""
        if not path.startswith("/"):
            yield f"the {name} of a volume is an absolute path, not {quoted(path)}"
    if _is_under(source, "/sys") or (_is_under(source, "/dev") and not _is_under(source, _SHARED)):
        yield f"the SourcePath of a volume is not under /sys or /dev, but it is {quoted(source)}"


def _is_under(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")


def _is_version(resource: str) -> bool:
    """Tell whether `function:<name>:<qualifier>` names a version or an alias."""
    _, _, qualifier = resource.removeprefix("function:").partition(":")
    return bool(_QUALIFIER.fullmatch(qualifier))


def _setting_faults(entity: Content, known: tuple[str, ...]) -> Iterator[str]:
    what = f"it knows {', '.join(known)}" if known else "it knows none"
    for name in _environment(entity).get("Variables") or {}:
        if name.startswith(_SETTING_PREFIX) and name not in known:
            yield f"{quoted(name)} is no setting of {entity['FunctionArn']}; {what}"


def _spooler_faults(entity: Content) -> Iterator[str]:
    variables = _environment(entity).get("Variables") or {}
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


def _type_of(resource: Content) -> str:
    container = resource.get("ResourceDataContainer") or {}
    return next((kind for member, kind in RESOURCE_TYPES.items() if container.get(member)), "")


def _configuration(function: Content) -> Content:
    configuration: Content = function.get("FunctionConfiguration") or {}
    return configuration


def _environment(function: Content) -> Content:
    environment: Content = _configuration(function).get("Environment") or {}
    return environment


def _mode_in(settings: Content) -> str | None:
    mode: str | None = (settings.get("Execution") or {}).get("IsolationMode")
    return mode
