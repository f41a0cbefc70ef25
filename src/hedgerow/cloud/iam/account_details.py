"""GetAccountAuthorizationDetails: everything that decides what may be done, in one list."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from hedgerow.aws import Answer, Call, operation
from hedgerow.cloud.iam import managed_policies
from hedgerow.cloud.iam.aws_managed import AWS_MANAGED
from hedgerow.cloud.iam.documents import Group, PolicyHolder, Role, User
from hedgerow.cloud.iam.estate import Estate
from hedgerow.cloud.iam.paging import page
from hedgerow.cloud.iam.policy_text import on_the_wire
from hedgerow.cloud.iam.role_use import last_used, role_uses
from hedgerow.cloud.iam.rows import group_row, identity_members, role_row, user_row
from hedgerow.cloud.iam.service_base import IamOperations, attached_rows
from hedgerow.store import Record

Members = dict[str, Any]

_LISTS: Final[Mapping[str, str]] = {
    "User": "UserDetailList",
    "Group": "GroupDetailList",
    "Role": "RoleDetailList",
    "LocalManagedPolicy": "Policies",
    "AWSManagedPolicy": "Policies",
}
"""The filter's words, in the order in which the entities are listed, and where they stand."""

_Entry = tuple[str, str, Callable[[], Members]]
"""The filter's word, the key within it, and what makes the row."""


class AccountDetailOperations(IamOperations):
    """GetAccountAuthorizationDetails."""

    @operation("GetAccountAuthorizationDetails")
    async def get_account_authorization_details(self, call: Call) -> Answer:
        """Return a page of all entities with all their policies; of AWS's, those in use."""
        asked = call.input.get("Filter") or tuple(_LISTS)
        entries = [entry for entry in _entries(await self._estate()) if entry[0] in asked]
        order = tuple(_LISTS)
        shown, paging = page(entries, call.input, lambda one: f"{order.index(one[0])}{one[1]}")
        answer: dict[str, Any] = {name: [] for name in _LISTS.values()}
        uses = await role_uses(self._store, self._home.account)
        for word, _, row in shown:
            answer[_LISTS[word]].append(row())
        for role in answer["RoleDetailList"]:
            role["RoleLastUsed"] = last_used(uses.get(role["RoleId"]))
        return {**answer, **paging}


def _entries(estate: Estate) -> Iterator[_Entry]:
    for user in estate.users.values():
        yield "User", user.document.name, _bound(_user, estate, user)
    for group in estate.groups.values():
        yield "Group", group.document.name, _bound(_group, estate, group)
    for role in estate.roles.values():
        yield "Role", role.document.name, _bound(_role, estate, role)
    for arn, policy in estate.policies.items():
        yield "LocalManagedPolicy", policy.document.name, _bound(_policy, estate, arn)
    for arn, of_aws in AWS_MANAGED.items():
        if any(estate.usage(arn)):
            yield "AWSManagedPolicy", of_aws.name, _bound(_policy, estate, arn)


def _bound(
    make: Callable[[Estate, Any], Members], estate: Estate, of: Any
) -> Callable[[], Members]:
    return lambda: make(estate, of)


def _user(estate: Estate, record: Record[User]) -> Members:
    user = record.document
    groups = (estate.groups.get(group) for group in user.groups)
    return {
        **user_row(record),
        **identity_members(user),
        **_policies(estate, user, "UserPolicyList"),
        "GroupList": [group.document.name for group in groups if group is not None],
    }


def _group(estate: Estate, record: Record[Group]) -> Members:
    return {**group_row(record), **_policies(estate, record.document, "GroupPolicyList")}


def _role(estate: Estate, record: Record[Role]) -> Members:
    row = role_row(record, estate.shown_trust(record))
    kept = {name: row[name] for name in row if name not in ("MaxSessionDuration", "Description")}
    return {
        **kept,
        **identity_members(record.document),
        **_policies(estate, record.document, "RolePolicyList"),
        "InstanceProfileList": [],
    }


def _policy(estate: Estate, arn: str) -> Members:
    policy = estate.policy(arn)
    versions = policy.versions if policy is not None else ()
    default = policy.default if policy is not None else 0
    rows = [managed_policies.version_row(one, default, text=True) for one in reversed(versions)]
    return {**managed_policies.policy_row(estate, arn), "PolicyVersionList": rows}


def _policies(estate: Estate, holder: PolicyHolder, inline: str) -> Members:
    return {
        inline: [
            {"PolicyName": name, "PolicyDocument": on_the_wire(text)}
            for name, text in holder.inline.items()
        ],
        "AttachedManagedPolicies": attached_rows(estate, holder),
    }
