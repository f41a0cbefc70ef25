"""What people type for an action or a resource, made exact or refused with the nearest one."""

import difflib
from collections.abc import Collection, Mapping
from functools import cache
from typing import Final

from hedgerow.cli.provision.api import CloudApi
from hedgerow.cloud.access import models, rows_of
from hedgerow.kernel import Arn, CallerError, quoted

_JOB_ACTIONS: Final = tuple(
    f"{prefix}:{name}"
    for prefix in ("iotjobsdata", "iot")
    for name in (
        "GetPendingJobExecutions",
        "StartNextPendingJobExecution",
        "DescribeJobExecution",
        "UpdateJobExecution",
    )
)
"""Each has an older name too."""

DEVICE_ACTIONS = (
    "iot:Connect",
    "iot:Publish",
    "iot:Receive",
    "iot:RetainPublish",
    "iot:Subscribe",
    "iot:GetRetainedMessage",
    "iot:ListRetainedMessages",
    "iot:GetThingShadow",
    "iot:UpdateThingShadow",
    "iot:DeleteThingShadow",
    "iot:ListNamedShadowsForThing",
    "iot:AssumeRoleWithCertificate",
    "greengrass:Discover",
    "greengrass:AssumeRoleForGroup",
    "greengrass:CreateCertificate",
    "greengrass:GetConnectivityInfo",
    "greengrass:GetDeployment",
    "greengrass:GetDeploymentArtifacts",
    "greengrass:UpdateConnectivityInfo",
    "greengrass:UpdateCoreDeploymentStatus",
    *_JOB_ACTIONS,
)
"""What devices and cores can be allowed."""
_DEVICE_RESOURCES: Final[Mapping[str, str]] = {
    "iot:Connect": "client/",
    "iot:Publish": "topic/",
    "iot:Receive": "topic/",
    "iot:RetainPublish": "topic/",
    "iot:Subscribe": "topicfilter/",
    "iot:GetRetainedMessage": "topic/",
    "iot:GetThingShadow": "thing/",
    "iot:UpdateThingShadow": "thing/",
    "iot:DeleteThingShadow": "thing/",
    "iot:ListNamedShadowsForThing": "thing/",
    "iot:AssumeRoleWithCertificate": "rolealias/",
    "greengrass:Discover": "thing/",
    "greengrass:GetDeployment": "/greengrass/groups/",
    "greengrass:GetDeploymentArtifacts": "/greengrass/groups/",
    "greengrass:UpdateCoreDeploymentStatus": "/greengrass/groups/",
    **dict.fromkeys(_JOB_ACTIONS, "thing/"),
}
"""How the resource of a device's request begins, behind the account."""


def known_action(text: str, known: Collection[str] = DEVICE_ACTIONS) -> str:
    """Return the action in its proper spelling; raise `CallerError` for one that is not known."""
    for action in known:
        if action.lower() == text.lower():
            return action
    lower = {action.lower(): action for action in known}
    near = [lower[one] for one in difflib.get_close_matches(text.lower(), lower, n=2, cutoff=0.7)]
    hint = f"; did you mean {' or '.join(near)}?" if near else f"; known are {', '.join(known)}"
    raise CallerError(f"{quoted(text)} is not an action that can be allowed{hint}")


def nearest(text: str, known: Collection[str]) -> str | None:
    """Return the name that was probably meant, None if none is like it."""
    near = difflib.get_close_matches(text, known, n=1)
    return near[0] if near else None


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


def device_resource(api: CloudApi, action: str, resource: str) -> str:
    """Return the ARN of what a device asks for; raise `CallerError` for another kind of thing."""
    arn = resource_arn(api, resource)
    begins = device_resource_begins(action)
    if begins is None or arn == "*" or Arn.parse(arn).resource.startswith(begins):
        return arn
    given = Arn.parse(arn).resource
    kinds = set(_DEVICE_RESOURCES.values())
    meant = given.partition("/")[2] if given.startswith(tuple(kinds)) else given.lstrip("/")
    raise CallerError(
        f"the resource of {action} begins with {begins}, and {quoted(given)} does not; did you "
        f"mean --resource {quoted(begins + meant)}?"
    )


def device_resource_begins(action: str) -> str | None:
    """Return how the resource of a device's action begins, None if nothing is known of it."""
    return _DEVICE_RESOURCES.get(action)
