"""What others learn of IAM's entities: values that the directory gives out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from hedgerow.policy import NamedPolicy


@dataclass(frozen=True, slots=True)
class PrincipalPolicies:
    """All policies that a principal has now.

    `identity` holds its own inline and attached policies, and for a user those of its groups.
    Managed policies are named by their ARN, inline ones as in `user/alice#name`. `boundary` is
    None where there is none. `tags` are the user's or role's; session tags are the session's.
    For a root, everything is allowed, and `root` says why.
    """

    identity: tuple[NamedPolicy, ...]
    boundary: tuple[NamedPolicy, ...] | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    root: bool = False


@dataclass(frozen=True, slots=True)
class UserFacts:
    """A user as it is now."""

    account: str
    name: str
    arn: str
    id: str
    path: str
    tags: Mapping[str, str]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class GroupFacts:
    """A group as it is now."""

    account: str
    name: str
    arn: str
    id: str
    path: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class RoleFacts:
    """A role as it is now, with its trust policy ready to be judged and as it was written."""

    account: str
    name: str
    arn: str
    id: str
    path: str
    trust: NamedPolicy
    trust_text: str
    max_session_s: int
    tags: Mapping[str, str]
    created_at: datetime
