"""The cloud's store under the kill: a committed transaction is there, and none is there in part.

Transaction `n` does what `_document` says for its slot, in two places at once, and counts.
"""

import asyncio
import random
from pathlib import Path
from typing import Final

import msgspec

from bench.kill9.zygote import READY, Entry, FailedError, Tell
from hedgerow.kernel import SystemClock
from hedgerow.store import Kind, MasterKey, Store, Transaction

_ACCOUNT: Final = "111122223333"
_SLOTS: Final = 8
_DELETING: Final = 5


class Half(msgspec.Struct, frozen=True):
    """Half of what one transaction writes."""

    number: int
    filling: str


class Counter(msgspec.Struct, frozen=True):
    """The number of the last transaction."""

    number: int


_LEFT: Final = Kind("left", Half)
_RIGHT: Final = Kind("right", Half)
_COUNTER: Final = Kind("counter", Counter)


class Stored:
    """The subject. The account: the last transaction that was committed, and the last begun."""

    name = "store"

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._database = folder / "state.db"
        self._key = MasterKey.create_file(folder / "master.key")
        self._committed = 0
        self._begun = 0

    @property
    def acknowledged(self) -> int:
        """How many transactions were committed."""
        return self._committed

    def take(self, entry: Entry) -> None:
        """Take what was told into the account."""
        if entry[0] == "begin":
            self._begun = entry[1]
        elif entry[0] == "done":
            self._committed = entry[1]

    def settle(self) -> None:
        """Forget nothing: the account is two numbers."""

    def live(self, tell: Tell, chance: random.Random) -> None:
        """Work for ever."""
        del chance

        async def work() -> None:
            store = await self._open(tell)
            tell(READY)
            while True:
                number = self._committed + 1
                tell("begin", number)
                async with store.transaction() as transaction:
                    await _write(transaction, number)
                tell("done", number)

        asyncio.run(work())

    def end(self, tell: Tell) -> None:
        """Compare once more."""

        async def work() -> None:
            await (await self._open(tell)).close()

        asyncio.run(work())

    async def _open(self, tell: Tell) -> Store:
        store = await Store.open(self._database, self._key, SystemClock())
        counter = await store.get(_COUNTER, _ACCOUNT, "counter")
        number = 0 if counter is None else counter.document.number
        if not self._committed <= number <= self._begun:
            raise FailedError(
                f"transaction {number} is the last there, {self._committed} was committed and "
                f"{self._begun} begun"
            )
        for kind in (_LEFT, _RIGHT):
            found = {one.id: one.document for one in await store.all(kind, _ACCOUNT)}
            if found != _state_after(number):
                raise FailedError(f"{kind.name} is not what {number} transactions come to")
        tell("done", number)
        return store


def _document(number: int) -> Half | None:
    """Return what a transaction writes into its slot; None: it deletes what is there."""
    if not number % _DELETING:
        return None
    return Half(number, "x" * random.Random(number).randrange(20_000))  # noqa: S311 - a length


def _state_after(number: int) -> dict[str, Half]:
    """Return what all transactions up to this one come to."""
    recent = range(max(1, number - _SLOTS + 1), number + 1)
    last = {str(one % _SLOTS): _document(one) for one in recent}
    return {slot: half for slot, half in last.items() if half is not None}


async def _write(transaction: Transaction, number: int) -> None:
    slot, wanted = str(number % _SLOTS), _document(number)
    for kind in (_LEFT, _RIGHT):
        found = await transaction.get(kind, _ACCOUNT, slot)
        if wanted is None:
            if found is not None:
                await transaction.delete(found)
        elif found is None:
            await transaction.insert(kind, _ACCOUNT, slot, wanted, name=f"{kind.name} {slot}")
        else:
            await transaction.update(found, wanted)
        if kind is _LEFT:
            await _count(transaction, number)


async def _count(transaction: Transaction, number: int) -> None:
    counter = await transaction.get(_COUNTER, _ACCOUNT, "counter")
    if counter is None:
        await transaction.insert(_COUNTER, _ACCOUNT, "counter", Counter(number))
    else:
        await transaction.update(counter, Counter(number))
