"""Functions and machine learning models: V1's own sentences where the two do not fit together."""

from typing import Any

import pytest

from hedgerow.cloud.greengrass.function_checks import access_faults
from hedgerow.cloud.greengrass.model_checks import MODEL_MEMBERS

PRESS = "arn:aws:lambda:eu-west-1:123456789012:function:press:3"


def model(
    identifier: str = "m", path: str = "/model", owner: str | None = None, member: str = ""
) -> dict[str, Any]:
    """Return a model; `owner` is the permission of its owner."""
    data: dict[str, Any] = {"DestinationPath": path}
    if owner is not None:
        data["OwnerSetting"] = {"GroupOwner": "ml", "GroupPermission": owner}
    container = {member or MODEL_MEMBERS[0]: data}
    return {"Id": identifier, "Name": identifier, "ResourceDataContainer": container}


def faults(
    *models: dict[str, Any], mode: str = "GreengrassContainer", permission: str | None = None
) -> tuple[str, ...]:
    """Return what is wrong with a function that asks for all of these models."""
    policies = [{"ResourceId": one["Id"]} for one in models]
    if permission is not None:
        policies = [{**policy, "Permission": permission} for policy in policies]
    environment = {"Execution": {"IsolationMode": mode}, "ResourceAccessPolicies": policies}
    function = {
        "Id": "f",
        "FunctionArn": PRESS,
        "FunctionConfiguration": {"Environment": environment},
    }
    return access_faults({"Functions": [function]}, {"Resources": list(models)})


@pytest.mark.parametrize("member", MODEL_MEMBERS)
def test_what_fits_together_has_no_fault(member: str) -> None:
    assert faults(model(member=member), permission="rw") == ()
    assert faults(model(member=member, owner="ro")) == ()
    assert faults(model(member=member, owner="rw"), permission="rw") == ()
    assert faults(model(member=member, owner="ro"), mode="NoContainer") == ()


def test_without_a_container_a_function_has_no_permission_of_its_own() -> None:
    assert faults(model(owner="rw"), mode="NoContainer", permission="ro") == (
        (
            "NoContainer function cannot configure permission when attaching Machine Learning "
            f"resources. {PRESS} refers to Machine Learnin resource m with permission ro in "
            "resource access policy."
        ),
    )


@pytest.mark.parametrize("mode", ["GreengrassContainer", "NoContainer"])
def test_somebody_has_to_give_the_permission(mode: str) -> None:
    assert faults(model(), mode=mode) == (
        (
            f"Function {PRESS} refers to Machine Learning resource m with missing permission in "
            "both ResourceAccessPolicy and resource OwnerSetting."
        ),
    )


def test_a_function_may_not_do_more_than_the_owner() -> None:
    assert faults(model(owner="ro"), permission="rw") == (
        (
            f'Function {PRESS} refers to Machine Learning resource m with permission "rw", while '
            'resource owner setting GroupPermission only allows "ro".'
        ),
    )


@pytest.mark.parametrize("other", ["/model", "/model/second", "/"])
def test_without_a_container_models_lie_apart(other: str) -> None:
    models = (model(owner="ro"), model("n", other, owner="ro"))
    assert faults(*models, mode="NoContainer") == (
        f"NoContainer Function {PRESS} refers to resources of nested destination path.",
    )
    assert faults(*models) == ()
    apart = (model(owner="ro"), model("n", "/models", owner="ro"))
    assert faults(*apart, mode="NoContainer") == ()
