"""botocore's service models, loaded from botocore itself and from nowhere else but `pinned`.

There lie the models of services that AWS has shut down, as botocore 1.43.11 had them, without its
sentences (Apache-2.0, copyright Amazon.com, Inc. or its affiliates):
a later one may not have them any more, and the API stays what it was.
"""

from functools import cache
from pathlib import Path
from typing import Final

import botocore
from botocore.exceptions import DataNotFoundError, UnknownServiceError
from botocore.loaders import Loader
from botocore.model import OperationModel, ServiceModel

from hedgerow.kernel import ConfigurationError, quoted

OWN_MODELS = Path(__file__).parent / "own"
"""Models that botocore does not have, laid out as a folder that botocore's loaders can search."""

PROTOCOLS = ("rest-json", "json", "query")
PINNED: Final = Path(__file__).parent / "pinned"


@cache
def load_model(name: str) -> ServiceModel:
    """Return the newest model of a service, or raise `ConfigurationError` if there is none.

    A pinned one comes before botocore's own of the same version.

    Folders that a user may have put models in (`~/.aws/models`, `AWS_DATA_PATH`) are not looked
    at: the API is not a matter of the environment.
    """
    loader = Loader(include_default_search_paths=False)
    loader.search_paths.extend([str(PINNED), Loader.BUILTIN_DATA_PATH, str(OWN_MODELS)])
    try:
        description = loader.load_service_model(name, "service-2")
    except (DataNotFoundError, UnknownServiceError) as missing:
        raise ConfigurationError(
            f"botocore {botocore.__version__} has no model of the service {quoted(name)}; "
            "install the version that the requirement files name."
        ) from missing
    return ServiceModel(description, name)


def protocol_of(model: ServiceModel) -> str:
    """Return the wire protocol that we speak for a model: the first of its own that we know."""
    offered = model.metadata.get("protocols") or [model.metadata["protocol"]]
    for protocol in PROTOCOLS:
        if protocol in offered:
            return protocol
    raise ConfigurationError(
        f"The service {quoted(str(model.service_name))} speaks {', '.join(offered)}, "
        f"of which none is built; built are {', '.join(PROTOCOLS)}."
    )


def error_shapes(model: ServiceModel) -> "dict[str, object]":
    """Return the model's error shapes by their code on the wire, and by their own name."""
    shapes: dict[str, object] = {}
    for shape in model.error_shapes:
        shapes[shape.name] = shape
    for shape in model.error_shapes:
        shapes[shape.error_code] = shape
    return shapes


__all__ = ["OperationModel", "ServiceModel", "error_shapes", "load_model", "protocol_of"]
