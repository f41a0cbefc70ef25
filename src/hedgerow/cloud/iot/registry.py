"""Questions that other services ask the registry; answers are read from the store each time."""

from collections.abc import Iterable
from dataclasses import dataclass

from hedgerow.cloud.home import Home
from hedgerow.cloud.iot.documents import CERTIFICATE, THING, CertificateStatus
from hedgerow.store import Store, Transaction


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
        for name in dict.fromkeys(names):
            record = await self._store.get(THING, self._home.account, name)
            if record is not None:
                found[name] = record.document.principals
        return found

    async def certificates(self, ids: Iterable[str]) -> dict[str, RegisteredCertificate]:
        """Map each of the ids that is registered to its certificate, whatever its status."""
        found: dict[str, RegisteredCertificate] = {}
        for certificate_id in dict.fromkeys(ids):
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
