"""Roles that a service assumes for a resource: what services know of the room that does it."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Protocol

from hedgerow.aws import Principal
from hedgerow.kernel import Secret


class TemporaryKeys(Protocol):
    """Credentials of an assumed role (`cloud.sts.TemporaryCredentials`)."""

    @property
    def access_key_id(self) -> str:
        """The key's id."""

    @property
    def secret_access_key(self) -> Secret[str]:
        """The key."""

    @property
    def session_token(self) -> Secret[str]:
        """What has to go with it."""

    @property
    def expires_at(self) -> datetime:
        """When they end."""

    @property
    def principal(self) -> Principal:
        """Whom they stand for."""


class ServiceSessions(Protocol):
    """Who makes such credentials (`cloud.sts.Sessions`)."""

    async def assume_role_for_service(
        self,
        role_arn: str,
        *,
        service: str,
        source_account: str,
        source_arn: str,
        session_name: str,
        duration: timedelta,
        context: Mapping[str, str] | None = None,
    ) -> TemporaryKeys:
        """Assume a role, or raise `DeniedError` that says what its trust policy lacks.

        `context` is what conditions know of the session's calls beside what is known of everyone's.
        """

    async def revoke(self, account: str, access_key_id: str) -> None:
        """End credentials before their time."""
