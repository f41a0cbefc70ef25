"""`admin.json`: the access key of the administrator that a new cloud has, for `hedgerow env`.

The administrator is a user like any other that its account makes; only its first key is written
down. The file can be removed once the key is kept elsewhere.
"""

from pathlib import Path

import msgspec

from hedgerow.kernel import ConfigurationError
from hedgerow.pki import read_private, write_private


class AdministratorFile(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """`admin.json`, with the names that AWS gives the parts of an access key."""

    access_key_id: str
    secret_access_key: str
    account: str
    arn: str
    region: str

    def __repr__(self) -> str:
        """Show no secret."""
        return f"AdministratorFile(arn={self.arn!r})"


def write_administrator(path: Path, administrator: AdministratorFile) -> None:
    """Write `admin.json`."""
    write_private(path, msgspec.json.format(msgspec.json.encode(administrator)))


def read_administrator(path: Path) -> AdministratorFile | None:
    """Return what `admin.json` holds, or None if it was moved away.

    Raises `ConfigurationError`, with the command that mends it, if others can use the file.
    """
    if not path.exists():
        return None
    try:
        return msgspec.json.decode(read_private(path), type=AdministratorFile)
    except msgspec.DecodeError as error:
        raise ConfigurationError(f"cannot read {path}: {error}") from error


def require_private_administrator(path: Path) -> None:
    """Raise `ConfigurationError` if there is an `admin.json` that others can use."""
    if path.exists():
        read_private(path)
