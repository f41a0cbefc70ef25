"""ARNs of IAM: `arn:aws:iam::ACCOUNT:user/path/name` and the like, printed and read."""

from dataclasses import dataclass
from typing import Final

from hedgerow.kernel import Arn, CallerError

AWS_ACCOUNT: Final = "aws"
"""The account in the ARNs of managed policies that come with the service."""


@dataclass(frozen=True, slots=True)
class EntityName:
    """What an IAM ARN names: whose, of which kind (`user`, `role`, …), path and name."""

    account: str
    kind: str
    path: str
    name: str


def user_arn(account: str, path: str, name: str) -> str:
    """Return the ARN of a user."""
    return _arn(account, f"user{path}{name}")


def group_arn(account: str, path: str, name: str) -> str:
    """Return the ARN of a group."""
    return _arn(account, f"group{path}{name}")


def role_arn(account: str, path: str, name: str) -> str:
    """Return the ARN of a role."""
    return _arn(account, f"role{path}{name}")


def policy_arn(account: str, path: str, name: str) -> str:
    """Return the ARN of a managed policy."""
    return _arn(account, f"policy{path}{name}")


def root_arn(account: str) -> str:
    """Return the ARN of an account's root."""
    return _arn(account, "root")


def gone_arn(account: str, unique_id: str) -> str:
    """Return the ARN of who was deleted; no other can have it, as paths hold no space."""
    return _arn(account, f"user/ deleted /{unique_id}")


def read_entity_arn(text: str) -> EntityName | None:
    """Return what an IAM ARN with a kind, a path and a name says, else None."""
    try:
        arn = Arn.parse(text)
    except CallerError:
        return None
    kind, slash, rest = arn.resource.partition("/")
    path, _, name = rest.rpartition("/")
    if (arn.partition, arn.service, arn.region) != ("aws", "iam", "") or not slash or not name:
        return None
    return EntityName(account=arn.account, kind=kind, path=f"/{path}/" if path else "/", name=name)


def _arn(account: str, resource: str) -> str:
    return str(Arn(service="iam", region="", account=account, resource=resource))
