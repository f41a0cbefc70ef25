"""What an account has from its first moment: an administrator, and roles that others need."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from hedgerow.cloud.iam.arns import role_arn, user_arn
from hedgerow.cloud.iam.aws_managed import ADMINISTRATOR_ACCESS
from hedgerow.cloud.iam.documents import DEFAULT_SESSION_S, ROLE, USER, Role, User
from hedgerow.cloud.iam.facts import RoleFacts, UserFacts
from hedgerow.cloud.iam.policy_text import named, trust_text
from hedgerow.cloud.iam.unique_ids import ROLE_PREFIX, USER_PREFIX, new_unique_id
from hedgerow.policy import Dialect
from hedgerow.store import Transaction

_NO_TAGS: Final[Mapping[str, str]] = MappingProxyType({})


async def found_account(
    tx: Transaction, account: str, *, administrator_name: str = "administrator"
) -> UserFacts:
    """Make the account's administrator: a user with AdministratorAccess, and no key yet.

    Raises `AlreadyExistsError` if the account has a user of this name.
    """
    user = User(name=administrator_name, attached=(ADMINISTRATOR_ACCESS,))
    record = await tx.insert(
        USER, account, new_unique_id(USER_PREFIX), user, name=administrator_name.lower()
    )
    return UserFacts(
        account=account,
        name=user.name,
        arn=user_arn(account, user.path, user.name),
        id=record.id,
        path=user.path,
        tags=user.tags,
        created_at=record.created_at,
    )


async def put_role(
    tx: Transaction,
    account: str,
    name: str,
    *,
    trust: str,
    attached: Sequence[str] = (),
    path: str = "/",
    description: str = "",
    max_session_s: int = DEFAULT_SESSION_S,
    tags: Mapping[str, str] = _NO_TAGS,
) -> RoleFacts:
    """Make a role with these managed policies (ARNs), such as OrganizationAccountAccessRole.

    Raises `AlreadyExistsError` if the name is taken, and MalformedPolicyDocument for a trust
    policy that is not sound.
    """
    role = Role(
        name=name,
        path=path,
        trust=trust_text(trust, role=name),
        attached=tuple(attached),
        description=description,
        max_session_s=max_session_s,
        tags=dict(tags),
    )
    record = await tx.insert(ROLE, account, new_unique_id(ROLE_PREFIX), role, name=name.lower())
    return RoleFacts(
        account=account,
        name=name,
        arn=role_arn(account, path, name),
        id=record.id,
        path=path,
        trust=named(f"role/{name}#trust", trust, Dialect.TRUST),
        trust_text=trust,
        max_session_s=max_session_s,
        tags=role.tags,
        created_at=record.created_at,
    )
