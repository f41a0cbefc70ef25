"""Findings about the roles that Greengrass uses in an account: are they there, are they pinned.

It asks the cloud's APIs like any other client, as the environment's caller.
"""

import json
from collections.abc import Iterator

from hedgerow.cli.doctor.finding import Finding
from hedgerow.cli.provision.api import CloudApi
from hedgerow.cloud.greengrass.trust import trust_findings
from hedgerow.kernel import CallerError


def role_findings(api: CloudApi) -> Iterator[Finding]:
    """Yield what is to be said of the service role and of every group's role."""
    source = f"arn:aws:greengrass:{api.region}:{api.account}:*"
    role = _associated(api, "get_service_role_for_account")
    if role is None:
        yield Finding(
            "service role",
            ok=False,
            found="none",
            advice="deployments need one: 'hedgerow core provision' makes it, or aws greengrass "
            "associate-service-role-to-account",
        )
    else:
        yield from _role(api, "service role", role, source)
    for group in api.pages("greengrass", "list_groups", "Groups"):
        role = _associated(api, "get_associated_role", GroupId=group["Id"])
        if role is not None:
            yield from _role(api, f"role of group {group['Name']}", role, group["Arn"])


def _role(api: CloudApi, subject: str, role_arn: str, source: str) -> Iterator[Finding]:
    name = role_arn.rpartition("/")[2]
    try:
        role = api.call("iam", "get_role", RoleName=name)["Role"]
    except CallerError:
        advice = f"make the role {name}, or associate another"
        yield Finding(subject, ok=False, found=f"{role_arn} does not exist", advice=advice)
        return
    found = trust_findings(
        json.dumps(role["AssumeRolePolicyDocument"]),
        role_arn=role_arn,
        account=api.account,
        source=source,
    )
    if not found.warnings:
        yield Finding(subject, ok=True, found=role_arn)
    for warning in found.warnings:
        usable = found.trusts_greengrass and "can never match" not in warning
        shown = "can be misused" if usable else "cannot be used"
        yield Finding(subject, ok=False, found=shown, advice=warning, optional=usable)


def _associated(api: CloudApi, operation: str, **members: str) -> str | None:
    try:
        role: str = api.call("greengrass", operation, **members)["RoleArn"]
    except CallerError as error:
        if error.reason_code != "404":
            raise
        return None
    return role
