"""What people type for an action or a resource, made exact or refused with the nearest one."""

import difflib
from collections.abc import Collection
from functools import cache

import botocore.session

from hedgerow.cli.provision.api import CloudApi
from hedgerow.kernel import Arn, CallerError, quoted

DEVICE_ACTIONS = (
    "iot:Connect",
    "iot:Publish",
    "iot:Receive",
    "iot:RetainPublish",
    "iot:Subscribe",
    "iot:GetThingShadow",
    "iot:UpdateThingShadow",
    "iot:DeleteThingShadow",
    "greengrass:Discover",
    "greengrass:AssumeRoleForGroup",
    "greengrass:CreateCertificate",
    "greengrass:GetConnectivityInfo",
    "greengrass:GetDeployment",
    "greengrass:GetDeploymentArtifacts",
    "greengrass:UpdateConnectivityInfo",
    "greengrass:UpdateCoreDeploymentStatus",
)
"""What devices and cores can be allowed."""


def known_action(text: str, known: Collection[str] = DEVICE_ACTIONS) -> str:
    """Return the action in its proper spelling; raise `CallerError` for one that is not known."""
    for action in known:
        if action.lower() == text.lower():
            return action
    lower = {action.lower(): action for action in known}
    near = [lower[one] for one in difflib.get_close_matches(text.lower(), lower, n=2, cutoff=0.5)]
    hint = f"; did you mean {' or '.join(near)}?" if near else f"; known are {', '.join(known)}"
    raise CallerError(f"{quoted(text)} is not an action that can be allowed{hint}")


@cache
def api_actions(service: str) -> tuple[str, ...]:
    """Return the actions of a service's API, by the model; none for a service not known here."""
    session = botocore.session.Session()
    if service not in session.get_available_services():
        return ()
    names = session.get_service_model(service).operation_names
    return tuple(f"{service}:{name}" for name in names)


def known_api_action(text: str) -> str:
    """Return an action of an API in its proper spelling; raise `CallerError` for a mistyped one."""
    service, colon, _ = text.partition(":")
    if not colon:
        raise CallerError(f"{quoted(text)} is not an action; the form is greengrass:CreateGroup")
    actions = (*api_actions(service.lower()), *DEVICE_ACTIONS, "iam:PassRole")
    own = [action for action in actions if action.lower().startswith(f"{service.lower()}:")]
    return known_action(text, own) if own else text


def resource_arn(api: CloudApi, resource: str) -> str:
    """Return the ARN of a resource that may be given by its last part."""
    if resource.startswith("arn:"):
        return str(Arn.parse(resource))
    if resource == "*":
        return resource
    service = "greengrass" if resource.startswith("/greengrass/") else "iot"
    return str(Arn(service, api.region, api.account, resource))
