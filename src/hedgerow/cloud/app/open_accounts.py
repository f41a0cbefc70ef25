"""Credentials of accounts that are open, and of no others."""

from hedgerow.aws import Credential, CredentialSource
from hedgerow.cloud.app.accounts import Accounts


class OpenAccountsOnly:
    """Finds credentials as its source does; those of a closed account count as unknown."""

    def __init__(self, source: CredentialSource, accounts: Accounts) -> None:
        self._source = source
        self._accounts = accounts

    async def find(self, access_key_id: str, session_token: str | None) -> Credential | None:
        """Return the active credential of that id in an open account, or None."""
        found = await self._source.find(access_key_id, session_token)
        if found is None or not self._accounts.is_open(found.principal.account):
            return None
        return found
