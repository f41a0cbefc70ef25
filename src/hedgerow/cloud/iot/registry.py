"""Questions that other services ask the registry; answers are read from the store each time."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import Final

from hedgerow.cloud.home import Home
from hedgerow.cloud.iot.documents import CERTIFICATE, THING, CertificateStatus
from hedgerow.store import Store, Transaction

_READ_AT_ONCE: Final = 100
"""So many records are read before others have their turn: about two milliseconds' worth."""


@dataclass(frozen=True, slots=True)
class RegisteredCertificate:
    """A certificate as registered, with the names of the things it is attached to."""

    certificate_id: str
    pem: str
    status: CertificateStatus
    things: tuple[str, ...]

    @property
    def active(self) -> bool:
        """Whether devices may use it."""
        return self.status == "ACTIVE"


class Registry:
    """Reads things and certificates of one account."""

    def __init__(self, store: Store | Transaction, home: Home) -> None:
        self._store = store
        self._home = home

    async def thing_principals(self, names: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """Map each of the names that is a registered thing to the ids of its certificates."""
        found: dict[str, tuple[str, ...]] = {}
        async for name in _in_turns(names):
            record = await self._store.get(THING, self._home.account, name)
            if record is not None:
                found[name] = record.document.principals
        return found

    async def certificates(self, ids: Iterable[str]) -> dict[str, RegisteredCertificate]:
        """Map each of the ids that is registered to its certificate, whatever its status."""
        found: dict[str, RegisteredCertificate] = {}
        async for certificate_id in _in_turns(ids):
            record = await self._store.get(CERTIFICATE, self._home.account, certificate_id)
            if record is not None:
                found[certificate_id] = RegisteredCertificate(
                    certificate_id=record.id,
                    pem=record.document.pem,
                    status=record.document.status,
                    things=record.document.things,
                )
        return found

    async def certificates_of(self, thing_name: str) -> tuple[RegisteredCertificate, ...]:
        """Return the certificates attached to a thing, oldest attachment first."""
        principals = await self.thing_principals([thing_name])
        return tuple((await self.certificates(principals.get(thing_name, ()))).values())


async def _in_turns(names: Iterable[str]) -> AsyncIterator[str]:
    """Yield each name once, and let others have their turn now and then: there can be thousands.

    A look into the store by an id does not wait for anything, so it gives nobody a turn by itself.
    """
    for number, name in enumerate(dict.fromkeys(names)):
        if number and number % _READ_AT_ONCE == 0:
            await asyncio.sleep(0)
        yield name
