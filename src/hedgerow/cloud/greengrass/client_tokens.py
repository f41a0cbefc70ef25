"""Client tokens (`X-Amzn-Client-Token`): a repeated creating call gets the first call's answer.

The answer is kept in the transaction that made it, so a token never stands for something that
was not made.
"""

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec

from hedgerow.cloud.greengrass.documents import CLIENT_TOKEN, ClientToken
from hedgerow.cloud.greengrass.faults import bad_request
from hedgerow.cloud.home import Home
from hedgerow.store import Store, Transaction

Members = Mapping[str, Any]
KEPT_FOR = timedelta(hours=24)
MAX_TOKEN_LENGTH = 64
_TOKEN_MEMBER = "AmznClientToken"  # noqa: S105 - a member's name


async def once(
    tx: Transaction,
    home: Home,
    operation: str,
    request: Members,
    now: datetime,
    make: Callable[[], Awaitable[Members]],
) -> Members:
    """Return what `make` answers, or what it answered when this token came first.

    Raises `BadRequestException` if the token came with another request before.
    """
    if not request.get(_TOKEN_MEMBER):
        return await make()
    known = await remembered(tx, home, operation, request, now)
    if known is not None:
        return known
    answer = await make()
    kept = ClientToken(request_digest=_digest(request), answer=dict(answer))
    identifier = _identifier(operation, request)
    record = await tx.get(CLIENT_TOKEN, home.account, identifier)
    if record is None:
        await tx.insert(CLIENT_TOKEN, home.account, identifier, kept)
    else:
        await tx.update(record, kept)
    return answer


async def remembered(
    reader: Store | Transaction, home: Home, operation: str, request: Members, now: datetime
) -> Members | None:
    """Return what a call was answered when its token came first, None if it comes first now.

    What was made then may be gone by now; the answer is the same. Raises `BadRequestException` if
    the token came with another request before.
    """
    token = request.get(_TOKEN_MEMBER)
    if not token:
        return None
    if len(token) > MAX_TOKEN_LENGTH or not token.isascii():
        raise bad_request(f"a client token has at most {MAX_TOKEN_LENGTH} ASCII characters")
    record = await reader.get(CLIENT_TOKEN, home.account, _identifier(operation, request))
    if record is None or record.updated_at + KEPT_FOR <= now:
        return None
    if record.document.request_digest != _digest(request):
        raise bad_request("this client token was used for another request; take a new one")
    return record.document.answer


def _identifier(operation: str, request: Members) -> str:
    return _digest([operation, request[_TOKEN_MEMBER]])


def _digest(value: Any) -> str:
    return hashlib.sha256(msgspec.json.encode(value, order="deterministic")).hexdigest()
