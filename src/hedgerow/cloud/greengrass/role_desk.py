"""How Greengrass comes by roles: which may be associated, and the two that it assumes.

A role is always assumed for one Greengrass resource of one account, and says so: `aws:SourceArn`
is the group's ARN and `aws:SourceAccount` the group's account. Both come from the same `Home`, so
they cannot disagree (statement L12), and the credentials of a group's role are made for nobody
but the core that `OwnGroup` proves (guide page cross-service-confused-deputy-prevention).
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Final

import structlog

from hedgerow.aws import Principal
from hedgerow.cloud.greengrass.arns import group_arn
from hedgerow.cloud.greengrass.core_desk import OwnGroup
from hedgerow.cloud.greengrass.documents import GROUP, SERVICE_ROLE
from hedgerow.cloud.greengrass.faults import bad_request
from hedgerow.cloud.greengrass.permissions import Need, Refusal
from hedgerow.cloud.greengrass.role_sessions import RoleSessions
from hedgerow.cloud.greengrass.role_sources import (
    Assumption,
    CallJudge,
    RecordAssumption,
    RoleDirectory,
    RoleFacts,
)
from hedgerow.cloud.greengrass.trust import GREENGRASS, trust_findings
from hedgerow.cloud.home import Home
from hedgerow.cloud.service_sessions import ServiceSessions, TemporaryKeys
from hedgerow.contract import GroupCredentials
from hedgerow.kernel import Arn, CallerError, DeniedError
from hedgerow.policy import Decision
from hedgerow.store import Store

INVALID_ROLE: Final = "That role ARN is invalid."
EXECUTION_ROLE_REFUSED: Final = (
    "Greengrass is not authorized to assume the execution role of this bulk deployment"
)
NO_GROUP_ROLE: Final = "You need to attach an IAM role to this deployment group."
NO_SERVICE_ROLE: Final = "TES service role is not associated with this account."
SERVICE_ROLE_REFUSED: Final = (
    "Greengrass is not authorized to assume the Service Role associated with this account"
)
GROUP_ROLE_REFUSED: Final = "Greengrass is not authorized to assume the Group Role of this group"
EXECUTION_ROLE_LIFE: Final = timedelta(hours=1)
GROUP_ROLE_LIFE: Final = timedelta(hours=1)
"""How long a core can go on with its group's role when it cannot reach the cloud."""

SERVICE_ROLE_LIFE: Final = timedelta(minutes=15)
_JUDGED_AT_ONCE: Final = 100
_SERVICE_SESSION: Final = "greengrass-deployment"

_SEAL = object()
_LOG = structlog.get_logger(__name__)


class NoGroupRoleError(CallerError):
    """The core's own group has no role; V1's words and status 404."""

    code = "NoGroupRole"


class ServiceRoleError(DeniedError):
    """Greengrass has no service role that it may use; `code` is the deployment's error code."""

    code = "SERVICE_ROLE_NOT_FOUND_ERROR"


@dataclass(frozen=True, slots=True)
class AssociableRole:
    """A role that exists in the account it is to be associated in.

    INVARIANT: only `RoleDesk.associable` makes these. `warnings` say what its trust policy lacks.
    """

    arn: str
    warnings: tuple[str, ...]
    trusts_greengrass: bool
    _seal: object = field(repr=False, compare=False)

    def __post_init__(self) -> None:
        if self._seal is not _SEAL:
            raise TypeError("an AssociableRole comes from RoleDesk.associable only")


class RoleDesk:
    """Looks roles up and assumes them for the groups of one account."""

    def __init__(
        self,
        store: Store,
        home: Home,
        *,
        directory: RoleDirectory,
        sessions: ServiceSessions,
        judge: CallJudge,
        given: RoleSessions,
        record: RecordAssumption,
    ) -> None:
        self._store = store
        self._home = home
        self._directory = directory
        self._sessions = sessions
        self._judge = judge
        self._given = given
        self._record = record

    async def associable(self, role_arn: str, group_id: str | None = None) -> AssociableRole:
        """Return the proof that a role can be a group's, or without a group the account's.

        Raises AWS's own `BadRequestException` for what is no role of this account. A trust policy
        that is too loose, or does not trust Greengrass yet, is accepted and written to the log.
        """
        facts = await self._role_of_this_account(role_arn)
        if facts is None:
            raise bad_request(INVALID_ROLE)
        home = self._home
        source = f"arn:aws:greengrass:{home.region}:{home.account}:*"
        found = trust_findings(
            facts.trust_text,
            role_arn=facts.arn,
            account=home.account,
            source=source if group_id is None else group_arn(home, group_id),
        )
        for warning in found.warnings:
            _LOG.warning("a role that Greengrass is to use is too open or unusable", reason=warning)
        return AssociableRole(
            arn=facts.arn,
            warnings=found.warnings,
            trusts_greengrass=found.trusts_greengrass,
            _seal=_SEAL,
        )

    async def executable(self, role_arn: str) -> AssociableRole:
        """Return the proof that a role can be a bulk deployment's.

        It is used at once, so one that does not trust Greengrass is refused here.
        """
        role = await self.associable(role_arn)
        if not role.trusts_greengrass:
            raise bad_request("; ".join(role.warnings))
        return role

    async def execution_keys(self, role_arn: str, bulk_arn: str) -> TemporaryKeys:
        """Assume the execution role of a bulk deployment; `release` the keys when it has ended.

        Raises `DeniedError` if the role does not trust Greengrass for this bulk deployment.
        """
        try:
            return await self._assume(
                role_arn,
                bulk_arn,
                session_name=f"bulk-{bulk_arn.rpartition('/')[2]}",
                duration=EXECUTION_ROLE_LIFE,
            )
        except DeniedError as error:
            raise DeniedError(f"{EXECUTION_ROLE_REFUSED}: {error.message}") from error

    async def release(self, keys: TemporaryKeys) -> None:
        """End credentials that are needed no more."""
        await self._sessions.revoke(self._home.account, keys.access_key_id)

    async def service_role_refusals(
        self, group_id: str, needs: Sequence[Need]
    ) -> tuple[Refusal, ...]:
        """Assume the account's service role for work on a group, and return what it forbids.

        Nothing may be done that is not among the needs. Raises `ServiceRoleError` in the words
        that operators know if the role cannot be assumed.
        """
        role_arn = await self.service_role()
        keys = await self.service_keys(role_arn, group_id, session_name=_SERVICE_SESSION)
        try:
            return await self._refusals(keys.principal, role_arn, needs)
        finally:
            await self.release(keys)

    async def service_role(self) -> str:
        """Return the account's service role; raises `ServiceRoleError` if it has none."""
        record = await self._store.get(SERVICE_ROLE, self._home.account, self._home.region)
        if record is None:
            raise ServiceRoleError(NO_SERVICE_ROLE)
        return record.document.role_arn

    async def service_keys(
        self, role_arn: str, group_id: str, *, session_name: str
    ) -> TemporaryKeys:
        """Assume the account's service role for work on a group.

        Raises `ServiceRoleError` in the words that operators know if it does not let itself.
        """
        try:
            return await self._assume(
                role_arn,
                group_arn(self._home, group_id),
                session_name=session_name,
                duration=SERVICE_ROLE_LIFE,
            )
        except DeniedError as error:
            raise ServiceRoleError(
                f"{SERVICE_ROLE_REFUSED}: {error.message}", code="SERVICE_ROLE_ASSUME_ERROR"
            ) from error

    async def judged(self, keys: TemporaryKeys, need: Need) -> Decision:
        """Decide whether an assumed role allows one thing."""
        return await self._judged(keys.principal, need)

    async def group_credentials(self, own: OwnGroup) -> GroupCredentials:
        """Return credentials of a group's role for its core; the session is the certificate's.

        They end with the certificate, if that is before their time. Raises `NoGroupRoleError`,
        and `DeniedError` if the role does not trust Greengrass for this group.
        """
        group_id, certificate_id = own.view.group_id, own.device.certificate_id
        record = await self._store.get(GROUP, self._home.account, group_id)
        role_arn = None if record is None else record.document.role_arn
        if role_arn is None or not own.view.deployed:
            raise NoGroupRoleError(NO_GROUP_ROLE)
        try:
            keys = await self._assume(
                role_arn,
                group_arn(self._home, group_id),
                session_name=certificate_id,
                duration=GROUP_ROLE_LIFE,
            )
        except DeniedError as error:
            raise DeniedError(f"{GROUP_ROLE_REFUSED}: {error.message}") from error
        await self._given.remember(certificate_id, keys.access_key_id, keys.expires_at)
        return GroupCredentials(
            access_key_id=keys.access_key_id,
            secret_access_key=keys.secret_access_key.reveal(),
            session_token=keys.session_token.reveal(),
            expires_at=keys.expires_at,
            role_arn=role_arn,
        )

    async def _refusals(
        self, principal: Principal, role_arn: str, needs: Sequence[Need]
    ) -> tuple[Refusal, ...]:
        refusals: list[Refusal] = []
        for number, need in enumerate(needs):
            if number % _JUDGED_AT_ONCE == 0:
                await asyncio.sleep(0)  # let others have their turn: there can be thousands
            decision = await self._judged(principal, need)
            if not decision.allowed:
                refusals.append(Refusal(need, role_arn, decision.reason))
        return tuple(refusals)

    async def _judged(self, principal: Principal, need: Need) -> Decision:
        return await self._judge.judge(principal, need.action, need.resource, tagged=need.resource)

    async def _assume(
        self, role_arn: str, source_arn: str, *, session_name: str, duration: timedelta
    ) -> TemporaryKeys:
        """Assume a role for a resource of ours, and record that, or that it was refused."""
        attempt = Assumption(role_arn, session_name, source_arn, duration)
        try:
            await self._require_role(role_arn)
            keys = await self._sessions.assume_role_for_service(
                role_arn,
                service=GREENGRASS,
                source_account=self._home.account,
                source_arn=source_arn,
                session_name=session_name,
                duration=duration,
            )
        except DeniedError as error:
            self._record(replace(attempt, refusal=error.message))
            raise
        self._record(replace(attempt, keys=keys))
        return keys

    async def _require_role(self, role_arn: str) -> None:
        if await self._role_of_this_account(role_arn) is None:
            raise DeniedError(f"there is no role {role_arn} in this account any more")

    async def _role_of_this_account(self, role_arn: str) -> RoleFacts | None:
        try:
            arn = Arn.parse(role_arn)
        except CallerError:
            return None
        if (arn.service, arn.region, arn.account) != ("iam", "", self._home.account):
            return None
        if not arn.resource.startswith("role/"):
            return None
        facts = await self._directory.role(role_arn)
        return None if facts is None or facts.account != self._home.account else facts
