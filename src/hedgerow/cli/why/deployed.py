"""Which deployed groups a thing is a device or the core of, as the greengrass API tells it."""

from collections.abc import Iterator
from typing import Any

from hedgerow.cli.provision.api import CloudApi
from hedgerow.cli.provision.group import GroupContent
from hedgerow.cli.why.path import Step
from hedgerow.kernel import CallerError, quoted

_ON_ITS_WAY = "InProgress"
_SERVES = "Success"


def deployed_group_step(api: CloudApi, thing_name: str, thing_arn: str) -> Step:
    """Return whether discovery has a core for this thing: it is a device of a deployed group."""
    waiting: list[tuple[str, str]] = []
    for group in api.pages("greengrass", "list_groups", "Groups"):
        name = group.get("Name") or group["Id"]
        deployed = _deployed_version(api, group["Id"])
        if deployed is not None and _has_device(api, group["Id"], deployed, thing_arn):
            says = f"{quoted(thing_name)} is a device of the deployed group {quoted(name)}"
            return Step("group", passed=True, says=says)
        newest = group.get("LatestVersion")
        if newest and newest != deployed and _has_device(api, group["Id"], newest, thing_arn):
            deploy = f"--group-id {group['Id']} --group-version-id {newest}"
            waiting.append((name, deploy))
    if waiting:
        name, deploy = waiting[0]
        return Step(
            "group",
            passed=False,
            says=f"{quoted(thing_name)} is in the newest version of group {quoted(name)}, "
            "which is not deployed",
            code="group-not-deployed",
            change=f"deploy that version of group {quoted(name)} with: "
            f"aws greengrass create-deployment {deploy} --deployment-type NewDeployment",
        )
    return Step(
        "group",
        passed=False,
        says=f"{quoted(thing_name)} is a device of no group",
        code="in-no-group",
        change="add it to a group's device definition and deploy the group; 'hedgerow device "
        "provision --group' does both",
    )


def core_of(api: CloudApi, thing_arn: str) -> tuple[str, ...]:
    """Return the ids of the groups whose newest deployment has this thing for its core."""
    groups = api.pages("greengrass", "list_groups", "Groups")
    return tuple(group["Id"] for group in groups if is_core_of(api, thing_arn, group["Id"]))


def is_core_of(api: CloudApi, thing_arn: str, group_id: str) -> bool:
    """Tell whether the newest deployment of a group has this thing for its core."""
    try:
        made = list(_deployments(api, group_id))
    except CallerError:  # there is no such group
        return False
    versions = [one["GroupArn"].partition("/versions/")[2] for one in made]
    newest = next((version for version in reversed(versions) if version), None)
    if newest is None:
        return False
    content = GroupContent.read(api, {"Id": group_id, "LatestVersion": newest})
    return content.has_core and content.core(api)["ThingArn"] == thing_arn


def _deployed_version(api: CloudApi, group_id: str) -> str | None:
    """Return the version that serves: of the last success, or of the first one on its way."""
    newest_first = list(_deployments(api, group_id))[::-1]
    for deployment in newest_first:
        state = api.call(
            "greengrass",
            "get_deployment_status",
            GroupId=group_id,
            DeploymentId=deployment["DeploymentId"],
        )["DeploymentStatus"]
        first = deployment is newest_first[-1]
        if state == _SERVES or (state == _ON_ITS_WAY and first):
            # A reset is of no version: after it nothing is deployed.
            return deployment["GroupArn"].partition("/versions/")[2] or None
    return None


def _deployments(api: CloudApi, group_id: str) -> Iterator[dict[str, Any]]:
    yield from api.pages("greengrass", "list_deployments", "Deployments", GroupId=group_id)


def _has_device(api: CloudApi, group_id: str, version_id: str, thing_arn: str) -> bool:
    group = {"Id": group_id, "LatestVersion": version_id}
    devices = GroupContent.read(api, group).devices(api)
    return any(device["ThingArn"] == thing_arn for device in devices)
