"""The users, groups, roles and policies of an account, as the IAM API tells them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from hedgerow.aws import Principal, Session
from hedgerow.cli.provision.api import CloudApi
from hedgerow.kernel import CallerError, Clock, quoted
from hedgerow.policy import Dialect, NamedPolicy, parse_policy

_LISTS = ("UserDetailList", "GroupDetailList", "RoleDetailList", "Policies")


@dataclass(frozen=True, slots=True)
class Holder:
    """A user or role with every policy that holds for it."""

    principal: Principal
    tags: Mapping[str, str]
    identity: tuple[NamedPolicy, ...]
    boundary: tuple[NamedPolicy, ...] | None
    trust: NamedPolicy | None = None
    """A role's trust policy."""


@dataclass(slots=True)
class Account:
    """What GetAccountAuthorizationDetails says, by name."""

    number: str
    clock: Clock
    users: dict[str, Any] = field(default_factory=dict)
    groups: dict[str, Any] = field(default_factory=dict)
    roles: dict[str, Any] = field(default_factory=dict)
    policies: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, api: CloudApi, clock: Clock) -> "Account":
        """Read the whole account; the caller needs iam:GetAccountAuthorizationDetails."""
        account = cls(api.account, clock)
        named = {
            "UserDetailList": (account.users, "UserName"),
            "GroupDetailList": (account.groups, "GroupName"),
            "RoleDetailList": (account.roles, "RoleName"),
            "Policies": (account.policies, "Arn"),
        }
        marker: dict[str, str] = {}
        while True:
            page = api.call("iam", "get_account_authorization_details", **marker)
            for result, (kept, key) in named.items():
                kept.update({one[key]: one for one in page.get(result, ())})
            if not page.get("IsTruncated"):
                return account
            marker = {"Marker": page["Marker"]}

    def holder(self, text: str) -> Holder:
        """Return a user or role by name, `user/NAME`, `role/NAME` or ARN.

        Raises `CallerError` if there is none, or if a name could be either.
        """
        kind, name = _kind_and_name(text)
        user = self.users.get(name) if kind in ("", "user") else None
        role = self.roles.get(name) if kind in ("", "role", "assumed-role") else None
        if user is not None and role is not None:
            raise CallerError(
                f"there are a user and a role {quoted(name)}; say user/{name} or role/{name}"
            )
        if user is not None:
            return self._user(user)
        if role is not None:
            return self._role(role)
        known = ", ".join([*sorted(self.users), *sorted(self.roles)])
        raise CallerError(
            f"account {self.number} has no user or role {quoted(name)}; it has: {known}"
        )

    def _user(self, user: Mapping[str, Any]) -> Holder:
        groups = [self.groups[name] for name in user.get("GroupList", ())]
        own = self._held("user", user["UserName"], user, "UserPolicyList")
        of_groups = [
            policy
            for group in groups
            for policy in self._held("group", group["GroupName"], group, "GroupPolicyList")
        ]
        return Holder(
            principal=Principal(
                "IAMUser", self.number, user["Arn"], user["UserId"], name=user["UserName"]
            ),
            tags=_tags(user),
            identity=(*own, *of_groups),
            boundary=self._boundary(user),
        )

    def _role(self, role: Mapping[str, Any]) -> Holder:
        name, now = role["RoleName"], self.clock.now()
        session = Session(
            issued_at=now,
            expires_at=now + timedelta(hours=1),
            name="why",
            issuer_arn=role["Arn"],
            issuer_id=role["RoleId"],
        )
        return Holder(
            principal=Principal(
                "AssumedRole",
                self.number,
                f"arn:aws:sts::{self.number}:assumed-role/{name}/why",
                f"{role['RoleId']}:why",
                name=name,
                session=session,
            ),
            tags=_tags(role),
            identity=self._held("role", name, role, "RolePolicyList"),
            boundary=self._boundary(role),
            trust=_named(f"role/{name}#trust", role["AssumeRolePolicyDocument"], Dialect.TRUST),
        )

    def _held(
        self, kind: str, name: str, holder: Mapping[str, Any], inline: str
    ) -> tuple[NamedPolicy, ...]:
        written = [
            _named(f"{kind}/{name}#{one['PolicyName']}", one["PolicyDocument"])
            for one in holder.get(inline, ())
        ]
        attached = [
            self._managed(one["PolicyArn"]) for one in holder.get("AttachedManagedPolicies", ())
        ]
        return (*written, *attached)

    def _boundary(self, holder: Mapping[str, Any]) -> tuple[NamedPolicy, ...] | None:
        boundary = holder.get("PermissionsBoundary")
        return None if boundary is None else (self._managed(boundary["PermissionsBoundaryArn"]),)

    def _managed(self, arn: str) -> NamedPolicy:
        versions = self.policies[arn]["PolicyVersionList"]
        in_force = next(one for one in versions if one["IsDefaultVersion"])
        return _named(arn, in_force["Document"])


def _named(name: str, document: Any, dialect: Dialect = Dialect.IDENTITY) -> NamedPolicy:
    return NamedPolicy(name, parse_policy(json.dumps(document), dialect))


def _tags(holder: Mapping[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in holder.get("Tags", ())}


def _kind_and_name(text: str) -> tuple[str, str]:
    resource = text.rpartition(":")[2] if text.startswith("arn:") else text
    kind, slash, rest = resource.partition("/")
    if not slash:
        return "", text
    if kind == "assumed-role":
        return kind, rest.partition("/")[0]
    return kind, rest.rpartition("/")[2]
