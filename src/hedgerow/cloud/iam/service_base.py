"""What all operations of the `iam` service share."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, ClassVar, TypeVar

from hedgerow.aws import Service
from hedgerow.cloud.home import Home
from hedgerow.cloud.iam.directory import IamDirectory
from hedgerow.cloud.iam.documents import PolicyHolder
from hedgerow.cloud.iam.estate import Estate
from hedgerow.kernel import Clock
from hedgerow.store import Record, Store

H = TypeVar("H", bound=PolicyHolder)


class IamOperations(Service):
    """The ground under the groups of operations; each group is a mixin of `IamService`.

    What a transaction has committed holds for the next question of anybody: the directory reads
    again what changed.
    """

    model_name: ClassVar[str] = "iam"
    signing_regions: ClassVar[tuple[str, ...]] = ("us-east-1",)

    def __init__(self, store: Store, home: Home, clock: Clock, *, directory: IamDirectory) -> None:
        """Serve one account; the directory is that of all accounts."""
        self._store = store
        self._home = home
        self._clock = clock
        self._directory = directory

    async def _estate(self) -> Estate:
        """Return the account's entities as of now; inside a transaction, as they were before it."""
        return await self._directory.estate(self._home.account)

    async def _founded(self) -> datetime:
        """Return since when the account has been here: its first user's first moment."""
        users = (await self._estate()).users.values()
        return min((user.created_at for user in users), default=self._clock.now())


def under(request: Mapping[str, Any], records: Iterable[Record[H]]) -> list[Record[H]]:
    """Return the records whose path begins as the request's `PathPrefix` says."""
    prefix = request.get("PathPrefix", "/")
    return [record for record in records if record.document.path.startswith(prefix)]


def name_of(record: Record[H]) -> str:
    """Return an entity's name: the key that its lists go by."""
    return record.document.name


def attached_rows(estate: Estate, holder: PolicyHolder, prefix: str = "/") -> list[dict[str, str]]:
    """Return the managed policies attached to a holder, of those under a path."""
    found = ((arn, estate.policy(arn)) for arn in holder.attached)
    return [
        {"PolicyName": policy.name, "PolicyArn": arn}
        for arn, policy in found
        if policy is not None and policy.path.startswith(prefix)
    ]
