"""Session policies and tags as they are passed: checked, and measured as AWS packs them.

Sources: STS API Reference, `AssumeRole` (Policy, PolicyArns, PackedPolicySize); IAM User Guide,
"Pass session tags in AWS STS".
"""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from hedgerow.aws import AwsError
from hedgerow.cloud.iam.directory import IamDirectory
from hedgerow.kernel import quoted
from hedgerow.policy import Dialect, MalformedPolicyError, parse_policy

MAX_PLAIN_CHARACTERS: Final = 2048
MAX_MANAGED: Final = 10
MAX_KEY_CHARACTERS: Final = 128
MAX_VALUE_CHARACTERS: Final = 256
PACKED_BYTES: Final = 2048
"""What policies and tags may take together once packed; AWS does not publish its own figure."""

_RESERVED: Final = "aws:"
_ALL: Final = 100


@dataclass(frozen=True, slots=True)
class SessionPolicies:
    """Session policies that were understood, and what they and the tags take, in per cent."""

    text: str
    arns: tuple[str, ...]
    packed_percent: int


async def session_policies(
    directory: IamDirectory, account: str, request: Mapping[str, Any], tags: Mapping[str, str]
) -> SessionPolicies:
    """Return the policies of a request for a session in this account.

    Raises MalformedPolicyDocument, PackedPolicyTooLarge or ValidationError.
    """
    text = request.get("Policy", "")
    _require_room(len(text))
    if text:
        _require_sound(text)
    arns = tuple(dict.fromkeys(entry.get("arn", "") for entry in request.get("PolicyArns", ())))
    managed = await _managed(directory, account, arns)
    _require_room(len(text) + sum(len("".join(each.split())) for each in managed))
    return SessionPolicies(text, arns, _packed_percent(text, arns, tags))


def session_tags(given: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Return the tags of a request by their keys, or raise what is wrong with them."""
    tags = {tag["Key"]: tag["Value"] for tag in given}
    if len({key.lower() for key in tags}) != len(given):
        raise invalid_parameter(
            "Duplicate tag keys found. Please note that Tag keys are case insensitive."
        )
    for key, value in tags.items():
        if key.lower().startswith(_RESERVED):
            raise invalid_parameter(f"Tag keys that begin with {_RESERVED} are reserved.")
        if len(key) > MAX_KEY_CHARACTERS or len(value) > MAX_VALUE_CHARACTERS:
            raise AwsError(
                "ValidationError",
                f"The tag {quoted(key)} is too long: keys have up to {MAX_KEY_CHARACTERS} "
                f"characters and values up to {MAX_VALUE_CHARACTERS}.",
            )
    return tags


def invalid_parameter(message: str) -> AwsError:
    """Return the error for a parameter that has the right form and makes no sense."""
    return AwsError("InvalidParameterValue", message)


def _require_room(characters: int) -> None:
    if characters > MAX_PLAIN_CHARACTERS:
        raise AwsError(
            "PackedPolicyTooLarge",
            f"The session policies together have more than {MAX_PLAIN_CHARACTERS} characters; "
            "pass a smaller policy, or fewer managed ones.",
        )


def _require_sound(text: str) -> None:
    try:
        parse_policy(text, Dialect.SESSION)
    except MalformedPolicyError as error:
        raise AwsError("MalformedPolicyDocument", error.message) from error


async def _managed(directory: IamDirectory, account: str, arns: Sequence[str]) -> list[str]:
    if len(arns) > MAX_MANAGED:
        raise AwsError("ValidationError", f"Pass at most {MAX_MANAGED} managed session policies.")
    texts: list[str] = []
    for arn in arns:
        policy = (await directory.estate(account)).policy(arn)
        if policy is None:
            raise AwsError(
                "ValidationError",
                f"{quoted(arn)} is no managed policy of account {account} or of AWS.",
            )
        _require_sound(policy.in_force.text)
        texts.append(policy.in_force.text)
    return texts


def _packed_percent(text: str, arns: Sequence[str], tags: Mapping[str, str]) -> int:
    """Return how much of the room is taken; raise PackedPolicyTooLarge if it is more than all."""
    if not (text or arns or tags):
        return 0
    parts = [text, *arns, *(f"{key}={value}" for key, value in tags.items())]
    packed = len(zlib.compress("\n".join(parts).encode(), 9))
    percent = -(-packed * _ALL // PACKED_BYTES)
    if percent > _ALL:
        what = "Packed policy" if text or arns else "Packed size of session tags"
        raise AwsError(
            "PackedPolicyTooLarge",
            f"{what} consumes {percent}% of allotted space, please use smaller policy.",
        )
    return percent
