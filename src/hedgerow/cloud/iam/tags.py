"""Tags of identities and policies: keys are unique whatever their case.

Source: IAM User Guide, "Tags for AWS Identity and Access Management resources".
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from hedgerow.cloud.iam import quotas
from hedgerow.cloud.iam.faults import invalid_input, limit_exceeded
from hedgerow.cloud.iam.paging import page

_RESERVED: Final = "aws:"

Rows = Sequence[Mapping[str, str]]


def tagged(before: Mapping[str, str], given: Rows) -> dict[str, str]:
    """Return the tags with those given added; a key in another case is replaced."""
    keys = [tag["Key"].lower() for tag in given]
    if len(set(keys)) != len(keys):
        raise invalid_input(
            "Duplicate tag keys found. Please note that tag keys are case insensitive."
        )
    reserved = next((key for key in keys if key.startswith(_RESERVED)), None)
    if reserved is not None:
        raise invalid_input(f"Tag keys that begin with {_RESERVED} are reserved.")
    kept = {key: value for key, value in before.items() if key.lower() not in keys}
    tags = {**kept, **{tag["Key"]: tag["Value"] for tag in given}}
    if len(tags) > quotas.QUOTAS[quotas.TAGS]:
        raise limit_exceeded(
            f"The number of tags has reached the maximum limit of {quotas.QUOTAS[quotas.TAGS]}."
        )
    return tags


def untagged(before: Mapping[str, str], keys: Iterable[str]) -> dict[str, str]:
    """Return the tags without those of these keys, in any case."""
    gone = {key.lower() for key in keys}
    return {key: value for key, value in before.items() if key.lower() not in gone}


def tag_rows(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Return tags as the API shows them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def tag_page(tags: Mapping[str, str], request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the answer to a request for a page of tags."""
    numbered = [(f"{number:03}", row) for number, row in enumerate(tag_rows(tags))]
    shown, paging = page(numbered, request, lambda pair: pair[0])
    return {"Tags": [row for _, row in shown], **paging}
