"""What people type for an action or a resource, made exact or refused with the nearest one."""

import difflib
from collections.abc import Collection
from functools import cache

from hedgerow.cli.provision.api import CloudApi
from hedgerow.cloud.access import models, rows_of
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
def api_actions() -> tuple[str, ...]:
    """Return every action that the table of permissions has, and those of devices."""
    of_calls = (
        need.action for model in models() for row in rows_of(model).values() for need in row.needs
    )
    return tuple(dict.fromkeys((*of_calls, *DEVICE_ACTIONS)))


def known_api_action(text: str) -> str:
    """Return an action of an API in its proper spelling; raise `CallerError` for a mistyped one.

    Actions of services that the table does not have are taken as they are: policies may name them.
    """
    service, colon, _ = text.partition(":")
    if not colon:
        raise CallerError(f"{quoted(text)} is not an action; the form is greengrass:CreateGroup")
    own = [one for one in api_actions() if one.lower().startswith(f"{service.lower()}:")]
    return known_action(text, own) if own else text


def resource_arn(api: CloudApi, resource: str) -> str:
    """Return the ARN of a resource that may be given by its last part."""
    if resource.startswith("arn:"):
        return str(Arn.parse(resource))
    if resource == "*":
        return resource
    service = "greengrass" if resource.startswith("/greengrass/") else "iot"
    return str(Arn(service, api.region, api.account, resource))
