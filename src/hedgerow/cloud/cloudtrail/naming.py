"""What trails, buckets, prefixes and tags may be called, by CloudTrail's and S3's rules.

A bucket is a folder and a prefix is folders in it, so these rules are also what keeps a trail
inside its delivery folder.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from hedgerow.aws import AwsError
from hedgerow.cloud.cloudtrail.faults import invalid_name
from hedgerow.cloud.home import Home
from hedgerow.kernel import Arn, CallerError, quoted

MAX_TAGS: Final = 50
MAX_PREFIX_CHARACTERS: Final = 200
_TRAIL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9]|[._-](?![._-])){1,126}[A-Za-z0-9]")
_BUCKET = re.compile(r"[a-z0-9](?:[a-z0-9-]|\.(?!\.)){1,61}[a-z0-9]")
_ADDRESS = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}")
_PREFIX_PART = re.compile(r"[A-Za-z0-9!_.*'()-]+")
_RESOURCE: Final = "trail/"
_SERVICE: Final = "cloudtrail"


def trail_arn(home: Home, name: str) -> str:
    """Return the ARN of a trail."""
    return f"arn:aws:{_SERVICE}:{home.region}:{home.account}:{_RESOURCE}{name}"


def checked_name(name: str) -> str:
    """Return a name for a new trail, or raise `InvalidTrailNameException`."""
    if not _TRAIL.fullmatch(name) or _ADDRESS.fullmatch(name):
        raise invalid_name(
            f"The trail name {quoted(name)} is not valid: it has 3 to 128 letters, digits, and "
            "single periods, underscores or dashes between them, and is no IP address."
        )
    return name


def name_in(name_or_arn: str, home: Home) -> str:
    """Return the trail's name in a name or an ARN of this account and region.

    Raises `CloudTrailARNInvalidException` for any other ARN.
    """
    if not name_or_arn.startswith("arn:"):
        return checked_name(name_or_arn)
    try:
        arn = Arn.parse(name_or_arn)
    except CallerError as error:
        raise _invalid_arn(name_or_arn) from error
    name = arn.resource.removeprefix(_RESOURCE)
    if name_or_arn != trail_arn(home, name):
        raise _invalid_arn(name_or_arn)
    return name


def checked_bucket(bucket: str) -> str:
    """Return a bucket's name, or raise `InvalidS3BucketNameException`."""
    if not _BUCKET.fullmatch(bucket) or _ADDRESS.fullmatch(bucket):
        raise AwsError(
            "InvalidS3BucketNameException",
            f"The bucket name {quoted(bucket)} is not valid: it has 3 to 63 lower-case letters, "
            "digits, dashes, and single periods between them.",
        )
    return bucket


def checked_prefix(prefix: str) -> str:
    """Return a key prefix, or raise `InvalidS3PrefixException`."""
    parts = prefix.split("/") if prefix else []
    good = all(_PREFIX_PART.fullmatch(part) and part not in {".", ".."} for part in parts)
    if not good or len(prefix) > MAX_PREFIX_CHARACTERS or parts[:1] == ["AWSLogs"]:
        raise AwsError(
            "InvalidS3PrefixException",
            f"The prefix {quoted(prefix)} is not valid: it is one or more names with slashes "
            f"between them, at most {MAX_PREFIX_CHARACTERS} characters.",
        )
    return prefix


def checked_tags(tags: Sequence[Mapping[str, Any]], present: Mapping[str, str]) -> dict[str, str]:
    """Return the present tags with these added, or raise AWS's error."""
    added = {tag["Key"]: tag.get("Value") or "" for tag in tags}
    if len(added) != len(tags):
        raise AwsError("InvalidTagParameterException", "A tag key occurs twice in the request.")
    reserved = next((key for key in added if key.lower().startswith("aws:")), None)
    if reserved is not None:
        raise AwsError(
            "InvalidTagParameterException", f"The tag key {quoted(reserved)} is reserved."
        )
    merged = {**present, **added}
    if len(merged) > MAX_TAGS:
        raise AwsError("TagsLimitExceededException", f"A trail has at most {MAX_TAGS} tags.")
    return merged


def _invalid_arn(text: str) -> AwsError:
    return AwsError(
        "CloudTrailARNInvalidException",
        f"{quoted(text)} is not the ARN of a trail of this account and region.",
    )
