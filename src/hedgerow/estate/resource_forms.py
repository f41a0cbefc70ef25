"""A resource of a deployed group, as the API writes it.

The API puts what a resource is into one member of `ResourceDataContainer`, named after its kind;
the deployed file puts the kind into `Type` and the rest into `Data`.
"""

from collections.abc import Mapping
from typing import Any, Final

from hedgerow.estate.members import inner, member, text

_CONTAINERS: Final = (
    "LocalDeviceResourceData",
    "LocalVolumeResourceData",
    "S3MachineLearningModelResourceData",
    "SageMakerMachineLearningModelResourceData",
    "SecretsManagerSecretResourceData",
)


def resource(entity: Mapping[str, Any], spare_id: str) -> dict[str, Any] | None:
    """Return a resource in the API's form, or None if its form is not known."""
    container = member(entity, "ResourceDataContainer")
    if not isinstance(container, dict):
        kind = _container_of(text(entity, "Type"))
        if kind is None:
            return None
        container = {kind: dict(inner(entity, "Data"))}
    identifier = text(entity, "Id") or spare_id
    return {
        "Id": identifier,
        "Name": text(entity, "Name") or identifier,
        "ResourceDataContainer": container,
    }


def _container_of(kind: str) -> str | None:
    """Return the member for a kind (`LocalDevice`, `Local.Device`, `Device`), or None."""
    plain = kind.replace(".", "").replace("-", "").replace("_", "").lower()
    if not plain:
        return None
    wanted = {plain, f"local{plain}"}
    return next(
        (name for name in _CONTAINERS if name.removesuffix("ResourceData").lower() in wanted),
        None,
    )
