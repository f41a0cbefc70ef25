"""What the cloud is subscribed to in this core's persistent sessions, kept in a file.

The cloud keeps a session's subscriptions while the core is away, and does not say which they are.
The core has to know, so that it can take back what a deployment does not want any more. The file
names a filter from before it is asked for until after it was taken back.
"""

from collections.abc import Iterable
from pathlib import Path

import msgspec

from hedgerow.pki import write_private

_BYTES_LIMIT = 16 * 1_048_576


class HeldSubscriptions:
    """Filters by client id; a file that cannot be read is an empty one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._held = self._read()

    def of(self, client_id: str) -> frozenset[str]:
        """Return what a session may hold."""
        return frozenset(self._held.get(client_id, ()))

    def set(self, client_id: str, filters: Iterable[str]) -> None:
        """Say what a session may hold from now on; none: there is no session.

        Raises `OSError` if the file cannot be written.
        """
        wanted = tuple(sorted(filters))
        if wanted == self._held.get(client_id, ()):
            return
        if wanted:
            self._held[client_id] = wanted
        else:
            self._held.pop(client_id, None)
        write_private(self._path, msgspec.json.encode(self._held))

    def _read(self) -> dict[str, tuple[str, ...]]:
        try:
            with self._path.open("rb") as file:
                return msgspec.json.decode(file.read(_BYTES_LIMIT), type=dict[str, tuple[str, ...]])
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            return {}
