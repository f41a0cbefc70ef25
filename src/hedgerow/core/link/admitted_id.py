"""Which client id the cloud let in last: the core begins with it, so that no refusal is provoked.

The minimal policy admits `<core>-*` only. A core that begins with `<core>` at every start would
be refused every time, and the operators' records of refusals would be full of ordinary starts.
"""

from collections.abc import Sequence
from pathlib import Path

from hedgerow.pki import write_private

_BYTES_LIMIT = 4096


class AdmittedId:
    """The client id that was let in last, kept in a file; only ever a preference among those given.

    The file names all of them, in their configured order: another configuration starts anew.
    """

    def __init__(self, path: Path, client_ids: Sequence[str]) -> None:
        self._path = path
        self._client_ids = tuple(client_ids)

    def in_turn(self) -> tuple[str, ...]:
        """Return the client ids, with the one that was let in last at the front."""
        last = self._read()
        return tuple(sorted(self._client_ids, key=lambda client_id: client_id != last))

    def keep(self, client_id: str | None) -> None:
        """Remember a client id that was let in; None: forget it, for it was refused."""
        if client_id is None:
            self._path.unlink(missing_ok=True)
        elif client_id != self._read():
            write_private(self._path, "\n".join((*self._client_ids, client_id)).encode())

    def _read(self) -> str | None:
        try:
            with self._path.open("rb") as file:
                *configured, last = file.read(_BYTES_LIMIT).decode().split("\n")
        except (OSError, UnicodeDecodeError):
            return None
        return last if tuple(configured) == self._client_ids else None
