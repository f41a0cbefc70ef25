"""The seven kinds of definition, as one table: what differs between them is data.

Source: botocore's `greengrass` model and guide page deployments ("Groups and group versions").
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hedgerow.cloud.greengrass import checks, function_checks
from hedgerow.cloud.greengrass.documents import Definition, DefinitionVersion
from hedgerow.cloud.home import Home
from hedgerow.store import Kind

Content = Mapping[str, Any]
"""What a definition version holds, by the model's member names."""


@dataclass(frozen=True, slots=True)
class DefinitionKind:
    """One kind of definition.

    `name` stands in operation and member names (`Create<name>Definition`), `path` in ARNs and
    URLs, `members` are what a version holds, and `faults` says what is wrong with a version's
    content (nothing, if it may be stored).
    """

    name: str
    path: str
    members: tuple[str, ...]
    faults: Callable[[Content, Home], tuple[str, ...]]
    definitions: Kind[Definition]
    versions: Kind[DefinitionVersion]

    @property
    def id_member(self) -> str:
        """Return the request member that names a definition, e.g. `CoreDefinitionId`."""
        return f"{self.name}DefinitionId"

    @property
    def version_id_member(self) -> str:
        """Return the request member that names a version, e.g. `CoreDefinitionVersionId`."""
        return f"{self.name}DefinitionVersionId"

    @property
    def version_arn_member(self) -> str:
        """Return the member of a group version that points at one of ours."""
        return f"{self.name}DefinitionVersionArn"


def _kind(
    name: str,
    faults: Callable[[Content, Home], tuple[str, ...]],
    *more_members: str,
) -> DefinitionKind:
    path = f"{name.lower()}s"
    return DefinitionKind(
        name=name,
        path=path,
        members=(f"{name}s", *more_members),
        faults=faults,
        definitions=Kind(f"greengrass-{path}-definition", Definition),
        versions=Kind(f"greengrass-{path}-version", DefinitionVersion),
    )


CORE = _kind("Core", checks.core_faults)
DEVICE = _kind("Device", checks.device_faults)
SUBSCRIPTION = _kind("Subscription", checks.subscription_faults)
FUNCTION = _kind("Function", function_checks.function_faults, "DefaultConfig")
CONNECTOR = _kind("Connector", checks.connector_faults)
RESOURCE = _kind("Resource", function_checks.resource_faults)
LOGGER = _kind("Logger", checks.logger_faults)

DEFINITION_KINDS: tuple[DefinitionKind, ...] = (
    CONNECTOR,
    CORE,
    DEVICE,
    FUNCTION,
    LOGGER,
    RESOURCE,
    SUBSCRIPTION,
)
KINDS_BY_PATH: Mapping[str, DefinitionKind] = {kind.path: kind for kind in DEFINITION_KINDS}
