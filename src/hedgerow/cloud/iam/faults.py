"""The errors of the iam API: AWS's codes; statuses come from the service's model."""

from http import HTTPStatus

from hedgerow.aws import AwsError
from hedgerow.cloud.iam.quotas import QUOTAS
from hedgerow.kernel import quoted


def no_such_entity(what: str, name: str) -> AwsError:
    """Return the error for an entity (`user`, `role policy`, …) that is not there."""
    return AwsError("NoSuchEntity", f"The {what} with name {_plain(name)} cannot be found.")


def no_such_policy(arn: str) -> AwsError:
    """Return the error for a managed policy that is not there."""
    return AwsError("NoSuchEntity", f"Policy {_plain(arn)} does not exist or is not attachable.")


def no_such_version(arn: str, version_id: str) -> AwsError:
    """Return the error for a version that a managed policy does not have."""
    return AwsError(
        "NoSuchEntity",
        f"Policy {_plain(arn)} version {_plain(version_id)} does not exist or is not attachable.",
    )


def already_exists(what: str, name: str) -> AwsError:
    """Return the error for a name that is taken; upper and lower case make no difference."""
    return AwsError("EntityAlreadyExists", f"{what} with name {_plain(name)} already exists.")


def quota_exceeded(quota: str) -> AwsError:
    """Return the error for one too many of what a quota counts."""
    return AwsError("LimitExceeded", f"Cannot exceed quota for {quota}: {QUOTAS[quota]}")


def limit_exceeded(message: str) -> AwsError:
    """Return the error for a limit that is no quota of its own."""
    return AwsError("LimitExceeded", message)


def delete_conflict(message: str) -> AwsError:
    """Return the error for deleting what still has or holds something."""
    return AwsError("DeleteConflict", message)


def invalid_input(message: str) -> AwsError:
    """Return the error for values that make no sense."""
    return AwsError("InvalidInput", message)


def validation_error(message: str) -> AwsError:
    """Return the error for values of a wrong form."""
    return AwsError("ValidationError", message)


def malformed_policy(message: str) -> AwsError:
    """Return the error for a text that is not a sound policy; it says where."""
    return AwsError("MalformedPolicyDocument", message)


def owned_by_aws(arn: str) -> AwsError:
    """Return the error for changing a policy that comes with the service."""
    return AwsError(
        "AccessDenied",
        f"Policy {_plain(arn)} is AWS's own and cannot be changed; create one of your own.",
        http_status=HTTPStatus.FORBIDDEN,
    )


def _plain(name: str) -> str:
    """Return a name as AWS prints it, without quotes, but safely."""
    return quoted(name)[1:-1]
