"""`admin.json`: the access key of the administrator that a new cloud has, for `hedgerow env`.

The administrator is a user like any other that its account makes; only its first key is written
down. The file can be removed once the key is kept elsewhere.
"""

from pathlib import Path

import msgspec

from hedgerow.pki import write_private


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
