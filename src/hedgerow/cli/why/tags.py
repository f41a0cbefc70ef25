"""The tags of a resource, read by the list-tags operation of the service that keeps it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from hedgerow.cli.provision.api import CloudApi
from hedgerow.cli.why.path import Step
from hedgerow.cli.why.registry import found
from hedgerow.kernel import Arn, DeniedError


@dataclass(frozen=True, slots=True)
class _Listing:
    """How tags are asked for: the operation, the member that names the resource, and its value."""

    operation: str
    member: str
    named: Callable[[str], Any]
    tags: Callable[[Mapping[str, Any]], Mapping[str, str]]


def _whole(arn: str) -> str:
    return arn


def _name(arn: str) -> str:
    return arn.rpartition("/")[2]


def _mapping(answer: Mapping[str, Any]) -> Mapping[str, str]:
    return dict(answer.get("tags", {}))


def _pairs(answer: Mapping[str, Any]) -> Mapping[str, str]:
    return {tag["Key"]: tag["Value"] for tag in answer.get("Tags", ())}


def _of_trail(answer: Mapping[str, Any]) -> Mapping[str, str]:
    return {
        tag["Key"]: tag.get("Value", "")
        for one in answer.get("ResourceTagList", ())
        for tag in one.get("TagsList", ())
    }


_LISTINGS: Final[Mapping[tuple[str, str], _Listing]] = {
    ("greengrass", ""): _Listing("list_tags_for_resource", "ResourceArn", _whole, _mapping),
    ("iam", "user"): _Listing("list_user_tags", "UserName", _name, _pairs),
    ("iam", "role"): _Listing("list_role_tags", "RoleName", _name, _pairs),
    ("iam", "policy"): _Listing("list_policy_tags", "PolicyArn", _whole, _pairs),
    ("iam", "mfa"): _Listing("list_mfa_device_tags", "SerialNumber", _whole, _pairs),
    ("cloudtrail", "trail"): _Listing("list_tags", "ResourceIdList", lambda arn: [arn], _of_trail),
}
"""By service and kind of resource: what the cloud keeps tags of."""


@dataclass(frozen=True, slots=True)
class Tags:
    """The tags of a resource, and the step that tells of them."""

    of_resource: Mapping[str, str]
    step: Step


def tags_of(api: CloudApi, arn: str) -> Tags:
    """Return the tags of a resource: none if it has none, is not there, or cannot have any."""
    named = Arn.parse(arn)
    kind = named.resource.partition("/")[0]  # Greengrass begins with the slash
    listing = _LISTINGS.get((named.service, kind))
    if listing is None or "*" in arn:
        return _known({}, f"{arn} has no tags that are kept here")
    try:
        answer = found(
            api, named.service, listing.operation, **{listing.member: listing.named(arn)}
        )
    except DeniedError as denied:
        return _known(
            {},
            f"you may not read the tags of {arn}; give them with --context "
            f"aws:ResourceTag/KEY=VALUE ({denied})",
        )
    if answer is None:
        return _known({}, f"there is no {arn}, so it has no tags")
    tags = listing.tags(answer)
    shown = ", ".join(f"{key}={value}" for key, value in sorted(tags.items()))
    return _known(tags, f"{arn} has {shown or 'none'}")


def _known(tags: Mapping[str, str], says: str) -> Tags:
    return Tags(tags, Step("tags", passed=None, says=says))
