"""Paths of users, groups, roles and managed policies, as far as the model leaves them open."""

import re
from typing import Final

from hedgerow.aws import AwsError
from hedgerow.cloud.iam.faults import validation_error
from hedgerow.kernel import quoted

_SEGMENT: Final = re.compile(r"[A-Za-z0-9.,+@=_-]+")
"""What stands between slashes; the model's own expression for paths cannot be run safely."""

_OF_PATTERNS: Final = frozenset("*?$")


def entity_path(path: str) -> str:
    """Return a path for a user, group or role, or raise ValidationError. Stricter than AWS.

    Whoever has a path has an ARN, and an ARN with a wildcard or a variable in it could not stand
    in a trust policy: one user could move to such a path and make the policies that name it
    unreadable for all others.
    """
    if not _OF_PATTERNS.isdisjoint(path):
        raise _invalid(path, "It must not contain * ? or $, which policies read as patterns")
    return path


def policy_path(path: str) -> str:
    """Return a path for a managed policy, or raise ValidationError."""
    slashes = path.startswith("/") and path.endswith("/")
    segments = path[1:-1].split("/") if path != "/" else []
    if not slashes or not all(_SEGMENT.fullmatch(segment) for segment in segments):
        raise _invalid(
            path,
            "It must begin and end with / and contain only alphanumeric characters and/or "
            "/ . , + @ = _ and -",
        )
    return path


def _invalid(path: str, why: str) -> AwsError:
    return validation_error(f"The specified value for path is invalid: {quoted(path)}. {why}")
