"""Whose credentials a call is about: a user named, the calling user itself, or the root."""

from dataclasses import dataclass

from hedgerow.aws import AwsError, Call
from hedgerow.cloud.iam.directory import IamDirectory
from hedgerow.cloud.iam.documents import USER
from hedgerow.cloud.iam.faults import no_such_entity, validation_error
from hedgerow.store import Transaction


@dataclass(frozen=True, slots=True)
class Owner:
    """A user or the root; `id` is the user's unique id, or the account's number for the root."""

    id: str
    name: str
    """The user's name; `<root_account>` for the root, as AWS prints it."""


ROOT_NAME = "<root_account>"


async def owner_of(directory: IamDirectory, call: Call, user_name: str | None) -> Owner:
    """Return the user that a call names; without a name, the caller itself.

    Raises NoSuchEntity for a name that no user has, and ValidationError where a role's session
    names nobody.
    """
    if user_name is not None:
        user = await directory.user(call.account, user_name)
        if user is None:
            raise no_such_entity("user", user_name)
        return Owner(user.id, user.name)
    caller = call.caller.principal
    if caller.kind == "Root":
        return Owner(call.account, ROOT_NAME)
    if caller.kind != "IAMUser":
        raise validation_error("Must specify userName when calling with non-User credentials")
    return Owner(caller.id, caller.name)


async def require_there(tx: Transaction, account: str, owner_id: str) -> None:
    """Raise NoSuchEntity if the user was deleted meanwhile: the gone get nothing more."""
    if owner_id != account and await tx.get(USER, account, owner_id) is None:
        raise no_such_entity("user", owner_id)


def require_user(owner: Owner, account: str) -> Owner:
    """Return the owner if it is a user; the root has no password here, and is no user."""
    if owner.id == account:
        raise AwsError(
            "InvalidUserType", "The root of an account cannot do this; name an IAM user."
        )
    return owner
