"""Credentials for devices: a role's, under an alias, for nothing but their certificate.

Source: AWS IoT Core Developer Guide, "Authorizing direct calls to AWS services using AWS IoT Core
credential provider"; for `aws:SourceArn` and `aws:SourceAccount`, "Cross-service confused deputy
prevention". The session is called by the certificate's id; conditions and variables of the role's
policies know certificate, thing and thing type.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Protocol

from hedgerow.cloud.home import Home
from hedgerow.cloud.iot.admission import AdmittedDevice
from hedgerow.cloud.iot.arns import role_alias_arn
from hedgerow.cloud.iot.directory import DeviceDirectory
from hedgerow.cloud.iot.documents import ROLE_ALIAS
from hedgerow.cloud.service_sessions import ServiceSessions, TemporaryKeys
from hedgerow.kernel import CallerError, DeniedError, quoted
from hedgerow.store import Store

SERVICE: Final = "credentials.iot.amazonaws.com"
CERTIFICATE_ID: Final = "credentials-iot:AwsCertificateId"
THING_NAME: Final = "credentials-iot:ThingName"
THING_TYPE_NAME: Final = "credentials-iot:ThingTypeName"


class NoRoleAliasError(CallerError):
    """There is no such role alias."""

    code = "ResourceNotFound"


class Lender(Protocol):
    """Who ends credentials with the certificate that they were given to."""

    async def remember(self, certificate_id: str, access_key_id: str, expires_at: datetime) -> None:
        """Write a session down before it is given out; `DeniedError` if it must not be."""


@dataclass(frozen=True, slots=True)
class RoleAssumption:
    """One attempt to assume a role for a device, as it is recorded.

    `keys` are what it gave; without any, `refusal` says why.
    """

    role_arn: str
    session_name: str
    source_arn: str
    duration: timedelta
    keys: TemporaryKeys | None = None
    refusal: str = ""


class CredentialProvider:
    """Gives devices of one account credentials. Whether they may ask is the data plane's to say."""

    def __init__(
        self,
        store: Store,
        home: Home,
        *,
        directory: DeviceDirectory,
        sessions: ServiceSessions,
        lender: Lender,
        record: Callable[[RoleAssumption], None],
    ) -> None:
        """`record` raises if the record cannot be kept; nothing is given then."""
        self._store = store
        self._home = home
        self._directory = directory
        self._sessions = sessions
        self._lender = lender
        self._record = record

    async def credentials(
        self, device: AdmittedDevice, alias: str, thing_name: str | None
    ) -> TemporaryKeys:
        """Return credentials that end with the device's certificate, if that is before their time.

        `thing_name` is the thing that the device says it is, one of its own. Raises
        `NoRoleAliasError`, and `DeniedError` if the role does not let itself be assumed.
        """
        record = await self._store.get(ROLE_ALIAS, self._home.account, alias)
        if record is None:
            raise NoRoleAliasError(f"there is no role alias {quoted(alias)}")
        attempt = RoleAssumption(
            role_arn=record.document.role_arn,
            session_name=device.certificate_id,
            source_arn=role_alias_arn(self._home, alias),
            duration=timedelta(seconds=record.document.duration_s),
        )
        try:
            keys = await self._sessions.assume_role_for_service(
                attempt.role_arn,
                service=SERVICE,
                source_account=self._home.account,
                source_arn=attempt.source_arn,
                session_name=attempt.session_name,
                duration=attempt.duration,
                context=self._known_of(device, thing_name),
            )
        except DeniedError as error:
            self._record(replace(attempt, refusal=error.message))
            raise
        self._record(replace(attempt, keys=keys))
        await self._lender.remember(device.certificate_id, keys.access_key_id, keys.expires_at)
        return keys

    def _known_of(self, device: AdmittedDevice, thing_name: str | None) -> Mapping[str, str]:
        known = {CERTIFICATE_ID: device.certificate_id}
        if thing_name is not None:
            known[THING_NAME] = thing_name
            thing_type = self._directory.thing_type(thing_name)
            if thing_type:
                known[THING_TYPE_NAME] = thing_type
        return known
