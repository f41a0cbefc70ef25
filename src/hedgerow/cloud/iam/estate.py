"""An account's estate: all its users, groups, roles and policies in memory, and what follows.

It answers what a principal may (its policies, compiled) and what only all entities together can
tell: who is in a group, what a policy is attached to. `IamDirectory` keeps it as the store says.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from hedgerow.cloud.iam.arns import (
    gone_arn,
    group_arn,
    policy_arn,
    role_arn,
    user_arn,
)
from hedgerow.cloud.iam.aws_managed import AWS_MANAGED
from hedgerow.cloud.iam.documents import (
    GROUP,
    MANAGED_POLICY,
    ROLE,
    USER,
    Group,
    Identity,
    ManagedPolicy,
    PolicyHolder,
    Role,
    User,
)
from hedgerow.cloud.iam.facts import GroupFacts, PrincipalPolicies, RoleFacts, UserFacts
from hedgerow.cloud.iam.policy_text import named
from hedgerow.cloud.iam.trust import with_principals
from hedgerow.kernel import Arn, DeniedError
from hedgerow.policy import Dialect, NamedPolicy
from hedgerow.store import Kind, Record

KINDS: Final[dict[str, Kind[Any]]] = {
    kind.name: kind for kind in (USER, GROUP, ROLE, MANAGED_POLICY)
}


class Estate:
    """What one account has. Only `IamDirectory` changes it, in whole steps."""

    def __init__(self, account: str) -> None:
        self.account = account
        self.users: dict[str, Record[User]] = {}
        self.groups: dict[str, Record[Group]] = {}
        self.roles: dict[str, Record[Role]] = {}
        self.policies: dict[str, Record[ManagedPolicy]] = {}
        """The customer managed policies by their ARNs."""
        self._tables: dict[str, dict[str, Any]] = {
            USER.name: self.users,
            GROUP.name: self.groups,
            ROLE.name: self.roles,
        }
        self._names: dict[tuple[str, str], str] = {}
        self._policy_arns: dict[str, str] = {}
        self._principals: dict[str, PrincipalPolicies] = {}
        self._usage: tuple[Counter[str], Counter[str]] | None = None

    @property
    def empty(self) -> bool:
        """Whether the account has nothing at all here."""
        return not (self.users or self.groups or self.roles or self.policies)

    def put(self, kind: str, identifier: str, record: Record[Any] | None) -> None:
        """Replace (None: forget) a record; what was concluded from all of them is forgotten."""
        self._principals.clear()
        self._usage = None
        if kind == MANAGED_POLICY.name:
            self._put_policy(identifier, record)
            return
        table = self._tables[kind]
        before = table.pop(identifier, None)
        if before is not None and self._names.get((kind, before.document.name)) == identifier:
            del self._names[kind, before.document.name]
        if record is not None:
            table[identifier] = record
            self._names[kind, record.document.name] = identifier

    def user(self, name: str) -> Record[User] | None:
        """Return the user of exactly this name, or None."""
        return self.users.get(self._names.get((USER.name, name), ""))

    def group(self, name: str) -> Record[Group] | None:
        """Return the group of exactly this name, or None."""
        return self.groups.get(self._names.get((GROUP.name, name), ""))

    def role(self, name: str) -> Record[Role] | None:
        """Return the role of exactly this name, or None."""
        return self.roles.get(self._names.get((ROLE.name, name), ""))

    def policy(self, arn: str) -> ManagedPolicy | None:
        """Return a managed policy, the account's own or one of AWS, or None."""
        record = self.policies.get(arn)
        return record.document if record is not None else AWS_MANAGED.get(arn)

    def members(self, group_id: str) -> tuple[Record[User], ...]:
        """Return the users that are in a group."""
        return tuple(user for user in self.users.values() if group_id in user.document.groups)

    def holders(self) -> Iterator[tuple[str, Record[Any]]]:
        """Go through everything that can have policies, with its kind: user, group or role."""
        for kind, table in (("user", self.users), ("group", self.groups), ("role", self.roles)):
            for record in table.values():
                yield kind, record

    def attached_to(self, arn: str) -> tuple[tuple[str, Record[Any]], ...]:
        """Return what a managed policy is attached to, with its kind: user, group or role."""
        return tuple(found for found in self.holders() if arn in found[1].document.attached)

    def bounded_by(self, arn: str) -> tuple[tuple[str, Record[Any]], ...]:
        """Return the users and roles that a managed policy is the boundary of, with their kind."""
        return tuple(
            (kind, record)
            for kind, record in self.holders()
            if isinstance(record.document, Identity) and record.document.boundary == arn
        )

    def usage(self, arn: str) -> tuple[int, int]:
        """Return how many a managed policy is attached to, and how many it is the boundary of."""
        if self._usage is None:
            attached: Counter[str] = Counter()
            bounded: Counter[str] = Counter()
            for _, record in self.holders():
                attached.update(record.document.attached)
                if isinstance(record.document, Identity) and record.document.boundary:
                    bounded[record.document.boundary] += 1
            self._usage = (attached, bounded)
        return self._usage[0][arn], self._usage[1][arn]

    def principal_policies(self, unique_id: str) -> PrincipalPolicies | None:
        """Return all policies of a user or role by its id; None if there is none (any more).

        Raises `DeniedError` if one of them cannot be read: nothing is allowed then.
        """
        known = self._principals.get(unique_id)
        if known is None:
            record = self.users.get(unique_id) or self.roles.get(unique_id)
            if record is None:
                return None
            known = self._policies_of(record)
            self._principals[unique_id] = known
        return known

    def user_facts(self, record: Record[User]) -> UserFacts:
        """Return a user as others see it."""
        user = record.document
        return UserFacts(
            account=self.account,
            name=user.name,
            arn=user_arn(self.account, user.path, user.name),
            id=record.id,
            path=user.path,
            tags=user.tags,
            created_at=record.created_at,
        )

    def group_facts(self, record: Record[Group]) -> GroupFacts:
        """Return a group as others see it."""
        group = record.document
        return GroupFacts(
            account=self.account,
            name=group.name,
            arn=group_arn(self.account, group.path, group.name),
            id=record.id,
            path=group.path,
            created_at=record.created_at,
        )

    def arn_of(self, unique_id: str) -> str | None:
        """Return the ARN that a user or role with this id has now, or None."""
        user, role = self.users.get(unique_id), self.roles.get(unique_id)
        if user is not None:
            return user_arn(self.account, user.document.path, user.document.name)
        if role is not None:
            return role_arn(self.account, role.document.path, role.document.name)
        return None

    def others_now(self, role: Role) -> dict[str, str]:
        """Return the ARNs that those of this account have now whom a role's trust policy named.

        By the ARNs of then; who has the same is left out, and who is gone has one that no
        entity can have.
        """
        found: dict[str, str] = {}
        for arn, unique_id in role.held.items():
            if Arn.parse(arn).account == self.account:
                now = self.arn_of(unique_id) or gone_arn(self.account, unique_id)
                if now != arn:
                    found[arn] = now
        return found

    def shown_trust(self, record: Record[Role]) -> str:
        """Return a role's trust policy for its own account's eyes, as AWS shows it.

        Who is gone stands there by the unique id. What became of other accounts' is not told.
        """
        role = record.document
        now = self.others_now(role)
        shown = {
            arn: other if self.arn_of(role.held[arn]) else role.held[arn]
            for arn, other in now.items()
        }
        return with_principals(role.trust, shown)

    def role_facts(self, record: Record[Role], trust: str) -> RoleFacts:
        """Return a role as others see it, with its trust policy as it holds now.

        Raises `DeniedError` if that cannot be read.
        """
        role = record.document
        return RoleFacts(
            account=self.account,
            name=role.name,
            arn=role_arn(self.account, role.path, role.name),
            id=record.id,
            path=role.path,
            trust=named(f"role/{role.name}#trust", trust, Dialect.TRUST),
            trust_text=trust,
            max_session_s=role.max_session_s,
            tags=role.tags,
            created_at=record.created_at,
        )

    def _put_policy(self, identifier: str, record: Record[ManagedPolicy] | None) -> None:
        before = self._policy_arns.pop(identifier, None)
        if before is not None and self.policies[before].id == identifier:
            del self.policies[before]
        if record is not None:
            arn = policy_arn(self.account, record.document.path, record.document.name)
            self._policy_arns[identifier] = arn
            self.policies[arn] = record

    def _policies_of(self, record: Record[User] | Record[Role]) -> PrincipalPolicies:
        document: User | Role = record.document
        identity = list(self._own(document))
        if isinstance(document, User):
            for group_id in document.groups:
                group = self.groups.get(group_id)
                if group is None:
                    raise DeniedError(
                        f"a group of user {document.name} cannot be found, so nothing is allowed"
                    )
                identity += self._own(group.document)
        boundary = document.boundary
        return PrincipalPolicies(
            identity=tuple({policy.name: policy for policy in identity}.values()),
            boundary=(self._managed(boundary, Dialect.BOUNDARY),) if boundary else None,
            tags=document.tags,
        )

    def _own(self, holder: PolicyHolder) -> Iterator[NamedPolicy]:
        label = f"{type(holder).__name__.lower()}/{holder.name}"
        for name, text in holder.inline.items():
            yield named(f"{label}#{name}", text)
        for arn in holder.attached:
            yield self._managed(arn, Dialect.IDENTITY)

    def _managed(self, arn: str, dialect: Dialect) -> NamedPolicy:
        policy = self.policy(arn)
        if policy is None:
            raise DeniedError(f"the policy {arn} cannot be found, so nothing is allowed")
        return named(arn, policy.in_force.text, dialect)
