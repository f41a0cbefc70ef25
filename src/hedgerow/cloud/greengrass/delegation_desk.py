"""Authorities for cores: what lets a core renew its server certificate without the cloud.

A group has none unless an administrator tags it with `hedgerow:delegated-issuing-days`, and its
authority was made after that. What a core gets is bound three ways: it can issue servers only, of
the core's own names only, and not beyond its end, the fence. The key stays on the core. It is taken
back with a new group authority (`CreateGroupCertificateAuthority`), which clients then discover.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from cryptography.hazmat.primitives.asymmetric import rsa

from hedgerow.cloud.greengrass import authorities
from hedgerow.cloud.greengrass.arns import group_arn
from hedgerow.cloud.greengrass.core_desk import OwnGroup
from hedgerow.cloud.greengrass.documents import DELEGATION, Authority, Delegation
from hedgerow.cloud.greengrass.lookup import existing_group
from hedgerow.cloud.greengrass.server_certificates import (
    NOTHING_ANNOUNCED,
    Announcement,
    granted_names,
    require_deployed,
)
from hedgerow.cloud.home import Home
from hedgerow.contract import CertificateAnswer
from hedgerow.kernel import CallerError, Clock, DeniedError, quoted
from hedgerow.pki import certificate_id, load_certificate, load_csr
from hedgerow.pki.profiles import delegated_authority
from hedgerow.store import Record, Store

MAX_DAYS: Final = 90
"""How long a core may issue for itself at most."""


@dataclass(frozen=True, slots=True)
class DelegationRecord:
    """What is recorded of an authority before it leaves."""

    group_arn: str
    core_certificate_id: str
    certificate_id: str
    names: tuple[str, ...]
    not_after: datetime


class DelegationDesk:
    """Gives cores authorities, each for its own names. `record` raises if it cannot keep one."""

    def __init__(
        self,
        store: Store,
        home: Home,
        clock: Clock,
        record: Callable[[DelegationRecord], None],
    ) -> None:
        self._store = store
        self._home = home
        self._clock = clock
        self._record = record

    async def issue(
        self, own: OwnGroup, csr_pem: str, announced: Announcement = NOTHING_ANNOUNCED
    ) -> CertificateAnswer:
        """Return an authority over the key of a request.

        Raises `DeniedError` for a group without the setting, and `CallerError` for a bad request or
        a group authority that can have none below it.
        """
        require_deployed(own)
        group = await existing_group(self._store, self._home, own.view.group_id)
        days = delegated_days(group.document.tags)
        csr = load_csr(csr_pem)
        if not isinstance(csr.public_key(), rsa.RSAPublicKey):
            raise CallerError("an authority needs an RSA key: what it signs is read by old clients")
        names = granted_names((), own.view.connectivity, announced)
        active = await authorities.active(self._store, self._home, own.view.group_id)
        authority = authorities.open_authority(active.document, self._clock)
        profile = delegated_authority(
            f"core of {self._home.account}:{own.view.group_id}", names, timedelta(days=days)
        )
        require_room_below(active.document)
        pem = await asyncio.to_thread(authority.issue, profile, csr)
        await self._note(own, active, pem, profile.permitted)
        return CertificateAnswer(
            certificate=pem,
            authority=active.document.certificate_pem,
            not_after=load_certificate(pem).not_valid_after_utc,
        )

    async def _note(
        self, own: OwnGroup, active: Record[Authority], pem: str, names: tuple[str, ...]
    ) -> None:
        """Keep and record to whom which authority goes, before it does."""
        core, identifier = own.device.certificate_id, certificate_id(pem)
        ends = load_certificate(pem).not_valid_after_utc
        document = Delegation(
            core_certificate_id=core, authority_id=active.id, names=names, not_after=ends
        )
        async with self._store.transaction() as tx:
            current = await authorities.active(tx, self._home, own.view.group_id)
            if current.id != active.id:
                raise DeniedError("the group has a new authority since; ask again")
            await authorities.note_issue(tx, current, core, self._clock.now())
            account = self._home.account
            for old in await tx.all(DELEGATION, account, parent=own.view.group_id):
                if old.document.not_after <= self._clock.now():
                    await tx.delete(old)
            await tx.insert(DELEGATION, account, identifier, document, parent=own.view.group_id)
        self._record(
            DelegationRecord(
                group_arn=group_arn(self._home, own.view.group_id),
                core_certificate_id=core,
                certificate_id=identifier,
                names=names,
                not_after=ends,
            )
        )


def delegated_days(tags: Mapping[str, str]) -> int:
    """Return how long a group's core may issue for itself, or raise `DeniedError`."""
    value = tags.get(authorities.DELEGATION_TAG)
    if value is None:
        raise DeniedError(
            "this group's core may not have an authority of its own; an administrator allows it "
            f"with: aws greengrass tag-resource --resource-arn GROUP_ARN --tags "
            f"{authorities.DELEGATION_TAG}={MAX_DAYS}, and then create-group-certificate-authority"
        )
    if not (value.isascii() and value.isdecimal() and 1 <= int(value) <= MAX_DAYS):
        raise DeniedError(
            f"the group's tag {authorities.DELEGATION_TAG} is {quoted(value)}; it is a number of "
            f"days from 1 to {MAX_DAYS}"
        )
    return int(value)


def require_room_below(document: Authority) -> None:
    """Raise `CallerError` if clients would not accept an authority below a group's authority."""
    if not authorities.has_room_below(document):
        raise CallerError(
            "the group's authority was made before the group was tagged, and can have none below "
            "it; make another with: aws greengrass create-group-certificate-authority"
        )
