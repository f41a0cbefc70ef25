"""Whether functions may have the machine learning models that they ask for: pure.

The sentences are V1's own, which operators search for, with its spelling (page gg-troubleshooting).
Source for the rules: page access-ml-resources. A function in a container is given a permission, one
without inherits that of the model's owner.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import PurePosixPath
from typing import Any, Final

Content = Mapping[str, Any]
MODEL_MEMBERS: Final = (
    "S3MachineLearningModelResourceData",
    "SageMakerMachineLearningModelResourceData",
)
READ_WRITE: Final = "rw"
READ_ONLY: Final = "ro"


def models_in(resources: Sequence[Content]) -> Mapping[str, Content]:
    """Return what describes each machine learning model, by the resource's id."""
    described = (
        (resource["Id"], (resource.get("ResourceDataContainer") or {}).get(member))
        for resource in resources
        for member in MODEL_MEMBERS
    )
    return {identifier: data for identifier, data in described if data is not None}


def model_faults(
    function_arn: str,
    *,
    contained: bool,
    policies: Sequence[Content],
    models: Mapping[str, Content],
) -> Iterator[str]:
    """Yield what is wrong with the models that one function asks for."""
    asked = [policy for policy in policies if policy["ResourceId"] in models]
    for policy in asked:
        yield from _permission_faults(
            function_arn, policy, models[policy["ResourceId"]], contained=contained
        )
    paths = [models[policy["ResourceId"]].get("DestinationPath") or "" for policy in asked]
    if not contained and any(_nested(*pair) for pair in combinations(paths, 2)):
        yield (
            f"NoContainer Function {function_arn} refers to resources of nested destination path."
        )


def _permission_faults(
    function_arn: str, policy: Content, model: Content, *, contained: bool
) -> Iterator[str]:
    resource, own = policy["ResourceId"], policy.get("Permission")
    owners = (model.get("OwnerSetting") or {}).get("GroupPermission")
    if own and not contained:
        yield (
            "NoContainer function cannot configure permission when attaching Machine Learning "
            f"resources. {function_arn} refers to Machine Learnin resource {resource} with "
            f"permission {own} in resource access policy."
        )
    elif not own and not owners:
        yield (
            f"Function {function_arn} refers to Machine Learning resource {resource} with missing "
            "permission in both ResourceAccessPolicy and resource OwnerSetting."
        )
    elif own == READ_WRITE and owners == READ_ONLY:
        yield (
            f"Function {function_arn} refers to Machine Learning resource {resource} with "
            f'permission "{READ_WRITE}", while resource owner setting GroupPermission only allows '
            f'"{READ_ONLY}".'
        )


def _nested(one: str, other: str) -> bool:
    """Tell whether two paths are the same, or one is below the other."""
    first, second = PurePosixPath(one), PurePosixPath(other)
    return first.is_relative_to(second) or second.is_relative_to(first)
