"""What IAM keeps of an account, as frozen documents: users, groups, roles, managed policies.

Every record stands under its entity's unique id (`AIDA…`, `AGPA…`, `AROA…`, `ANPA…`), so that a
renamed entity stays what it was, and one that was deleted and made again is another. Its store
name is the entity's in lower case: names are unique whatever their case.

Records of other modules that belong to a user (access keys, a password, MFA devices) have the
user's id as their parent.
"""

from datetime import datetime
from typing import Final

import msgspec

from hedgerow.store import Kind

DEFAULT_SESSION_S: Final = 3600
"""How long a role's session lasts at most unless its role says otherwise."""


class PolicyHolder(msgspec.Struct, frozen=True, kw_only=True):
    """What can have policies: inline ones by name, and attached managed ones by ARN, in order."""

    name: str
    path: str = "/"
    inline: dict[str, str] = {}
    attached: tuple[str, ...] = ()


class Group(PolicyHolder, frozen=True, kw_only=True):
    """A group of users; who is in it stands with the users."""


class Identity(PolicyHolder, frozen=True, kw_only=True):
    """What can act: it may be tagged, and held within a permissions boundary (a policy's ARN)."""

    tags: dict[str, str] = {}
    boundary: str = ""


class User(Identity, frozen=True, kw_only=True):
    """An IAM user. `groups` are the unique ids of the groups it is in."""

    groups: tuple[str, ...] = ()


class Role(Identity, frozen=True, kw_only=True):
    """A role, and the trust policy that says who may assume it.

    `held` are the unique ids of the users and roles that the trust policy named when it was
    written, by their ARNs of then.
    """

    trust: str
    held: dict[str, str] = {}
    description: str = ""
    max_session_s: int = DEFAULT_SESSION_S


class PolicyVersion(msgspec.Struct, frozen=True, kw_only=True):
    """One immutable version of a managed policy: the text as it was given."""

    number: int
    text: str
    created_at: datetime

    @property
    def id(self) -> str:
        """The version's id, as in `v2`."""
        return f"v{self.number}"


class ManagedPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """A managed policy with its versions, oldest first; version numbers are never used twice."""

    name: str
    path: str = "/"
    description: str = ""
    tags: dict[str, str] = {}
    versions: tuple[PolicyVersion, ...]
    default: int = 1
    last: int = 1
    updated_at: datetime

    def version(self, version_id: str) -> PolicyVersion | None:
        """Return the version with this id (`v2`), or None."""
        return next((version for version in self.versions if version.id == version_id), None)

    @property
    def in_force(self) -> PolicyVersion:
        """The default version: the one that counts."""
        return next(version for version in self.versions if version.number == self.default)


USER: Final = Kind("iam-user", User)
GROUP: Final = Kind("iam-group", Group)
ROLE: Final = Kind("iam-role", Role)
MANAGED_POLICY: Final = Kind("iam-policy", ManagedPolicy)
