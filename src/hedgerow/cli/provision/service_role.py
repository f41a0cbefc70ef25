"""The account's service role, which deployments need: found, or made as the guide makes it.

Source: guide page service-role, with the trust policy held to this account and region (page
cross-service-confused-deputy-prevention).
"""

import json

from hedgerow.cli.provision.api import CloudApi
from hedgerow.kernel import CallerError, HedgerowError

SERVICE_ROLE = "Greengrass_ServiceRole"
SERVICE_ROLE_POLICY = "arn:aws:iam::aws:policy/service-role/AWSGreengrassResourceAccessRolePolicy"
_GREENGRASS = "greengrass.amazonaws.com"


def ensure_service_role(api: CloudApi) -> None:
    """Give the account a service role unless it has one.

    A role of the default name that exists already is associated as it is.
    """
    try:
        api.call("greengrass", "get_service_role_for_account")
    except CallerError:
        role = _found(api) or _made(api)
        api.call("greengrass", "associate_service_role_to_account", RoleArn=role)


def service_trust(region: str, account: str) -> str:
    """Return the trust policy of a service role: Greengrass, for this account and region only."""
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": _GREENGRASS},
        "Action": "sts:AssumeRole",
        "Condition": {
            "StringEquals": {"aws:SourceAccount": account},
            "ArnLike": {"aws:SourceArn": f"arn:aws:greengrass:{region}:{account}:*"},
        },
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]}, indent=4)


def _found(api: CloudApi) -> str | None:
    try:
        role: str = api.call("iam", "get_role", RoleName=SERVICE_ROLE)["Role"]["Arn"]
    except CallerError as error:
        if error.reason_code != "NoSuchEntity":
            raise
        return None
    return role


def _made(api: CloudApi) -> str:
    made = api.call(
        "iam",
        "create_role",
        RoleName=SERVICE_ROLE,
        AssumeRolePolicyDocument=service_trust(api.region, api.account),
        Description="What Greengrass may do in this account when it deploys groups.",
    )
    try:
        api.call("iam", "attach_role_policy", RoleName=SERVICE_ROLE, PolicyArn=SERVICE_ROLE_POLICY)
    except HedgerowError:
        # A role without its policy would be found, and used as it is, at the next try.
        api.call("iam", "delete_role", RoleName=SERVICE_ROLE)
        raise
    arn: str = made["Role"]["Arn"]
    return arn
