"""What all operations of the `iot` service share: writing so that doors know, and paging."""

import base64
import binascii
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, ClassVar, TypeVar

import msgspec

from hedgerow.aws import Service
from hedgerow.cloud.home import Home
from hedgerow.cloud.iot.directory import DeviceDirectory
from hedgerow.cloud.iot.faults import invalid_request
from hedgerow.cloud.iot.role_aliases import RoleDirectory
from hedgerow.kernel import Clock
from hedgerow.pki import CertificateAuthority
from hedgerow.store import InvalidPageTokenError, Kind, Page, Store, Transaction

T = TypeVar("T", bound=msgspec.Struct)
Members = Mapping[str, Any]

DEFAULT_PAGE_SIZE = 25

_TO_MARKER = str.maketrans("-_", "+/")
_FROM_MARKER = str.maketrans("+/", "-_")


class IotOperations(Service):
    """The ground under the groups of operations."""

    model_name: ClassVar[str] = "iot"
    malformed_code: ClassVar[str] = "InvalidRequestException"
    invalid_code: ClassVar[str] = "InvalidRequestException"
    denied_code: ClassVar[str] = "UnauthorizedException"
    internal_code: ClassVar[str] = "InternalFailureException"

    def __init__(
        self,
        store: Store,
        home: Home,
        clock: Clock,
        *,
        authority: CertificateAuthority,
        directory: DeviceDirectory,
        roles: RoleDirectory,
        endpoint: str,
        parts: Sequence[Service] = (),
    ) -> None:
        """Take what signs device certificates, and the host that devices connect to.

        `parts` are operations of this API that other rooms answer.
        """
        self._parts = parts
        self._roles = roles
        self._store = store
        self._home = home
        self._clock = clock
        self._authority = authority
        self._directory = directory
        self._endpoint = endpoint

    def _writing(self) -> AbstractAsyncContextManager[Transaction]:
        """Give a transaction; when its block is left, every door of this process knows of it."""
        return self._store.transaction()

    async def _page(
        self, kind: Kind[T], limit: int | None, token: str | None, *, parent: str | None = None
    ) -> Page[T]:
        """Return a page of records; its token has the alphabet that this API's markers have."""
        try:
            page = await self._store.list(
                kind,
                self._home.account,
                parent=parent,
                limit=limit or DEFAULT_PAGE_SIZE,
                after=None if token is None else token.translate(_FROM_MARKER),
            )
        except InvalidPageTokenError as error:
            raise invalid_request(error.message) from error
        if page.next_token is None:
            return page
        return Page(records=page.records, next_token=page.next_token.translate(_TO_MARKER))


def page_of(
    members: Sequence[str], limit: int | None, token: str | None
) -> tuple[Sequence[str], str | None]:
    """Return some of a short list, and the token for the rest: the last member that was given."""
    start = 0 if token is None else _position_after(members, token)
    end = start + (limit or DEFAULT_PAGE_SIZE)
    shown = members[start:end]
    more = end < len(members)
    return shown, base64.b64encode(shown[-1].encode()).decode() if more else None


def with_token(answer: Members, member: str, token: str | None) -> Members:
    """Add the token of the next page to an answer, if there is one."""
    return answer if token is None else {**answer, member: token}


def _position_after(members: Sequence[str], token: str) -> int:
    try:
        return members.index(base64.b64decode(token, validate=True).decode()) + 1
    except (binascii.Error, ValueError) as error:
        raise invalid_request(
            "The page token is not valid: start the list again without one."
        ) from error
