"""The errors of the cloudtrail API: AWS's codes; statuses come from the service's model."""

from hedgerow.aws import AwsError
from hedgerow.kernel import quoted


def trail_not_found(name: str, account: str) -> AwsError:
    """Return the error for a trail that does not exist."""
    return AwsError(
        "TrailNotFoundException", f"Unknown trail: {quoted(name)} for the account: {account}"
    )


def invalid_name(problem: str) -> AwsError:
    """Return the error for a name that no trail can have."""
    return AwsError("InvalidTrailNameException", problem)


def not_supported(member: str, why: str) -> AwsError:
    """Return the error for a setting that has no meaning here."""
    return AwsError("UnsupportedOperationException", f"{member} is not supported here: {why}.")
