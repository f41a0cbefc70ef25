"""Tokens of processes: one each, known here only by its digest, dead with the process."""

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from hedgerow.core.credentials.processes import Process, is_running
from hedgerow.kernel import DeniedError, Secret, UnavailableError, new_token

TOKENS_LIMIT: Final = 1000
"""How many processes can hold a token at a time; more are refused, none is pushed out."""

_NAME_BITS: Final = 64
_NO_TOKEN: Final = hashlib.sha256(b"").digest()


class UnknownTokenError(DeniedError):
    """What was presented is no token that is in force."""

    code = "InvalidToken"


@dataclass(frozen=True, slots=True)
class _Issued:
    digest: bytes
    process: Process


class TokenBook:
    """Which tokens are in force. A token is `<name>.<secret>`; the secret is compared by digest."""

    def __init__(self, is_alive: Callable[[Process], bool] = is_running) -> None:
        self._is_alive = is_alive
        self._issued: dict[str, _Issued] = {}

    def __len__(self) -> int:
        return len(self._issued)

    def issue(self, process: Process) -> Secret[str]:
        """Return a new token of a process, in place of any it had."""
        self.revoke(process)
        if len(self._issued) >= TOKENS_LIMIT:
            self.sweep()
        if len(self._issued) >= TOKENS_LIMIT:
            raise UnavailableError(f"{TOKENS_LIMIT} processes hold tokens; end some of them")
        name, secret = new_token(_NAME_BITS), new_token()
        token = f"{name}.{secret}"
        self._issued[name] = _Issued(digest=_digest(token), process=process)
        return Secret(token)

    def holder(self, presented: str) -> Process:
        """Return the process a token was issued to, or raise `UnknownTokenError`.

        Takes the same time whatever part of the secret is right.
        """
        issued = self._issued.get(presented.partition(".")[0])
        expected = _NO_TOKEN if issued is None else issued.digest
        if not hmac.compare_digest(_digest(presented), expected) or issued is None:
            raise UnknownTokenError("this is no token of a process of this core")
        return issued.process

    def revoke(self, process: Process) -> None:
        """Take back the token of a process, if it has one."""
        for name, issued in tuple(self._issued.items()):
            if issued.process == process:
                del self._issued[name]

    def revoke_all(self) -> None:
        """Take back every token."""
        self._issued.clear()

    def sweep(self) -> None:
        """Forget the tokens of processes that have ended."""
        for name, issued in tuple(self._issued.items()):
            if not self._is_alive(issued.process):
                del self._issued[name]


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", errors="surrogateescape")).digest()
