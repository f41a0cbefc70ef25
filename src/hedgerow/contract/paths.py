"""Paths of the data plane (HTTPS with client certificates), and the resource each one stands for.

The resources are those of the guide's minimal core policy (page device-auth), so that the
documented policy, with nothing added, covers everything a core does.
"""

from urllib.parse import quote

ARTIFACT_GROUP = "group.json"
ARTIFACT_MEMBERSHIP = "membership.json"
CERTIFICATE_PATH = "/greengrass/certificates/server"
"""POST a `CertificateRequest`, get a `CertificateAnswer`: `greengrass:CreateCertificate` on `*`."""

DELEGATION_PATH = "/greengrass/certificates/authority"
"""POST a `CertificateRequest`, get a `CertificateAnswer`: an authority for the core's own names.

`greengrass:CreateCertificate` on `*`, and only for a group that has the setting for it.
"""


def discovery_path(thing_name: str) -> str:
    """GET: `greengrass:Discover` on the client's own thing (page gg-discover-api)."""
    return f"/greengrass/discover/thing/{quote(thing_name, safe='')}"


def deployment_path(group_id: str, deployment_id: str) -> str:
    """GET a signed `DeploymentManifest`: `greengrass:GetDeployment` on `deployment_arn`."""
    return (
        f"/greengrass/groups/{quote(group_id, safe='')}/deployments/{quote(deployment_id, safe='')}"
    )


def artifact_path(group_id: str, deployment_id: str, name: str) -> str:
    """GET an artifact: `greengrass:GetDeploymentArtifacts` on `deployment_arn`."""
    return f"{deployment_path(group_id, deployment_id)}/artifacts/{quote(name, safe='')}"


def deployment_status_path(group_id: str, deployment_id: str, core_thing_arn: str) -> str:
    """PUT a report: `greengrass:UpdateCoreDeploymentStatus` on `deployment_status_arn`."""
    return f"{deployment_path(group_id, deployment_id)}/cores/{quote(core_thing_arn, safe='')}"


def connectivity_path(thing_name: str) -> str:
    """GET or PUT: `greengrass:GetConnectivityInfo` or `UpdateConnectivityInfo`.

    Both are on the thing that `topics.connectivity_thing` names.
    """
    return f"/greengrass/things/{quote(thing_name, safe='')}/connectivityInfo"


def group_credentials_path(group_id: str) -> str:
    """POST nothing, get `GroupCredentials`: `greengrass:AssumeRoleForGroup` on `*`."""
    return f"/greengrass/groups/{quote(group_id, safe='')}/role/credentials"


def shadow_http_path(thing_name: str, shadow_name: str = "") -> str:
    """GET, POST or DELETE: `iot:GetThingShadow`, `iot:UpdateThingShadow`, `iot:DeleteThingShadow`.

    This is AWS IoT's own path of the device data plane; a named shadow's has a query.
    """
    query = f"?name={quote(shadow_name, safe='')}" if shadow_name else ""
    return f"/things/{quote(thing_name, safe='')}/shadow{query}"


def named_shadows_path(thing_name: str, next_token: str | None = None) -> str:
    """GET the names of a thing's named shadows, a page: `iot:ListNamedShadowsForThing` on `*`."""
    query = f"?nextToken={quote(next_token, safe='')}" if next_token else ""
    return f"/api/things/shadow/ListNamedShadowsForThing/{quote(thing_name, safe='')}{query}"


def deployment_arn(region: str, account: str, group_id: str, deployment_id: str) -> str:
    """Return the resource of a deployment, as the guide's policy names it."""
    return (
        f"arn:aws:greengrass:{region}:{account}:"
        f"/greengrass/groups/{group_id}/deployments/{deployment_id}"
    )


def deployment_status_arn(
    region: str, account: str, group_id: str, deployment_id: str, core_thing_arn: str
) -> str:
    """Return the resource of a core's status; its last part is the URL-encoded core thing ARN."""
    deployment = deployment_arn(region, account, group_id, deployment_id)
    return f"{deployment}/cores/{quote(core_thing_arn, safe='')}"
