"""The users, groups, roles and policies of an account, as the IAM API tells them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from hedgerow.aws import Principal, Session
from hedgerow.cli.provision.api import CloudApi
from hedgerow.cloud.access import Grants, grants_of
from hedgerow.cloud.iam import PrincipalPolicies, RoleFacts
from hedgerow.kernel import Arn, CallerError, Clock, quoted
from hedgerow.policy import Dialect, NamedPolicy, parse_policy

SESSION_NAME = "why"
_SESSION_LIFE = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Holder:
    """A user, or a session of a role, with every policy that holds for it."""

    principal: Principal
    held: PrincipalPolicies
    role: RoleFacts | None = None
    """The role itself, with its trust policy; None for a user."""

    @property
    def grants(self) -> Grants:
        """All that judging its calls takes."""
        return grants_of(self.principal, self.held)


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
        theirs = account_in(text)
        if theirs not in ("", self.number):
            raise CallerError(
                f"{text} is of account {theirs}, and this is {self.number}; enter that one with: "
                f"hedgerow env --account {theirs}"
            )
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
            Principal("IAMUser", self.number, user["Arn"], user["UserId"], name=user["UserName"]),
            PrincipalPolicies((*own, *of_groups), self._boundary(user), _tags(user)),
        )

    def _role(self, role: Mapping[str, Any]) -> Holder:
        name, arn, now = role["RoleName"], role["Arn"], self.clock.now()
        tags, trust = _tags(role), role["AssumeRolePolicyDocument"]
        session = Session(
            issued_at=now,
            expires_at=now + _SESSION_LIFE,
            name=SESSION_NAME,
            issuer_arn=arn,
            issuer_id=role["RoleId"],
        )
        return Holder(
            Principal(
                "AssumedRole",
                self.number,
                f"arn:aws:sts::{self.number}:assumed-role/{name}/{SESSION_NAME}",
                f"{role['RoleId']}:{SESSION_NAME}",
                name=name,
                session=session,
            ),
            PrincipalPolicies(
                self._held("role", name, role, "RolePolicyList"), self._boundary(role), tags
            ),
            RoleFacts(
                account=self.number,
                name=name,
                arn=arn,
                id=role["RoleId"],
                path=role["Path"],
                trust=_named(f"role/{name}#trust", trust, Dialect.TRUST),
                trust_text=json.dumps(trust),
                max_session_s=int(_SESSION_LIFE.total_seconds()),
                tags=tags,
                created_at=role["CreateDate"],
            ),
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


def account_in(text: str) -> str:
    """Return the account of an ARN; nothing for a name."""
    return Arn.parse(text).account if text.startswith("arn:") else ""


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
