"""The administrator: the one principal that a new cloud has, and all that its API allows for now.

The secret is kept in the encrypted store, where the gateway finds it, and in `admin.json` (0600),
where `hedgerow env` does; the file can be removed once the key is kept elsewhere.
"""

import base64
from pathlib import Path

import msgspec

from hedgerow.aws import AccessDeniedError, Asked, Credential, Facts, Principal
from hedgerow.cloud.home import Home
from hedgerow.kernel import Secret, new_token, random_bytes
from hedgerow.pki import write_private
from hedgerow.store import Kind, Store

_KEY_ID_BYTES = 10  # 16 characters of Base32
_SECRET_BITS = 240  # 40 characters


class AccessKey(msgspec.Struct, frozen=True, kw_only=True):
    """A long-lived access key, under its id."""

    secret: str
    arn: str
    principal_id: str

    def __repr__(self) -> str:
        """Show no secret."""
        return f"AccessKey(arn={self.arn!r})"


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


ACCESS_KEY = Kind("access-key", AccessKey)


def administrator_arn(home: Home) -> str:
    """Return who the administrator is."""
    return f"arn:aws:iam::{home.account}:user/administrator"


async def create_administrator(store: Store, home: Home) -> AdministratorFile:
    """Make the administrator's access key in the store, and return what belongs into the file."""
    key_id = "AKIA" + base64.b32encode(random_bytes(_KEY_ID_BYTES)).decode()
    principal_id = "AIDA" + base64.b32encode(random_bytes(_KEY_ID_BYTES)).decode()
    secret = new_token(_SECRET_BITS)
    key = AccessKey(secret=secret, arn=administrator_arn(home), principal_id=principal_id)
    async with store.transaction() as tx:
        await tx.insert(ACCESS_KEY, home.account, key_id, key)
    return AdministratorFile(
        access_key_id=key_id,
        secret_access_key=secret,
        account=home.account,
        arn=key.arn,
        region=home.region,
    )


def write_administrator(path: Path, administrator: AdministratorFile) -> None:
    """Write `admin.json`."""
    write_private(path, msgspec.json.format(msgspec.json.encode(administrator)))


class StoredAccessKeys:
    """Finds access keys in the store: the gateway's credential source."""

    def __init__(self, store: Store, home: Home) -> None:
        self._store = store
        self._home = home

    async def find(self, access_key_id: str, session_token: str | None) -> Credential | None:
        """Return the long-lived key of this id; a session token never belongs to one."""
        if session_token is not None:
            return None
        record = await self._store.get(ACCESS_KEY, self._home.account, access_key_id)
        if record is None:
            return None
        return Credential(
            secret=Secret(record.document.secret),
            principal=Principal(
                kind="IAMUser",
                account=self._home.account,
                arn=record.document.arn,
                id=record.document.principal_id,
                name="administrator",
            ),
        )


class AdministratorOnly:
    """Lets the administrator of the account do everything, and everybody else nothing."""

    def __init__(self, home: Home) -> None:
        self._home = home

    async def authorize(self, asked: Asked) -> Facts:
        """Return for the administrator; raise `AccessDeniedError` for anybody else."""
        caller = asked.caller
        if caller.account == self._home.account and caller.arn == administrator_arn(self._home):
            return {"effect": "allow"}
        raise AccessDeniedError(
            f"User: {caller.arn} is not authorized to perform: "
            f"{asked.iam_prefix}:{asked.operation} because only the administrator is",
            decision={"effect": "implicit-deny"},
        )
