"""The execution role of a bulk deployment: assumed while it runs, and asked before every step.

It needs `s3:GetObject` on the input file, and `greengrass:CreateDeployment` on every group or group
version in it (guide page bulk-deploy-cli). A policy may name either; a deny of either decides.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from hedgerow.cloud.greengrass.arns import group_arn, group_version_arn
from hedgerow.cloud.greengrass.role_desk import RoleDesk
from hedgerow.cloud.greengrass.role_sources import CallJudge
from hedgerow.cloud.home import Home
from hedgerow.cloud.service_sessions import TemporaryKeys
from hedgerow.kernel import Clock, DeniedError
from hedgerow.policy import Decision

GET_OBJECT = "s3:GetObject"
CREATE_DEPLOYMENT = "greengrass:CreateDeployment"
_RENEWED_BEFORE_END = timedelta(minutes=1)


class ExecutionRole:
    """An assumed execution role. Only `ExecutionRoles.assumed` makes these."""

    def __init__(
        self,
        roles: RoleDesk,
        judge: CallJudge,
        home: Home,
        clock: Clock,
        *,
        role_arn: str,
        bulk_arn: str,
        keys: TemporaryKeys,
    ) -> None:
        self._roles = roles
        self._judge = judge
        self._home = home
        self._clock = clock
        self._role_arn = role_arn
        self._bulk_arn = bulk_arn
        self._keys = keys

    async def require_input(self, object_arn: str) -> None:
        """Return if the role may read the input file, else raise `DeniedError`."""
        decision = await self._decided(GET_OBJECT, object_arn)
        if not decision.allowed:
            raise self._denied(GET_OBJECT, object_arn, decision)

    async def require_deployment(self, group_id: str, version_id: str) -> None:
        """Return if the role may deploy a group version, else raise `DeniedError`."""
        group = group_arn(self._home, group_id)
        version = group_version_arn(self._home, group_id, version_id)
        on_group = await self._decided(CREATE_DEPLOYMENT, group, tagged=group)
        on_version = await self._decided(CREATE_DEPLOYMENT, version, tagged=group)
        if on_version.effect == "explicit-deny":
            raise self._denied(CREATE_DEPLOYMENT, version, on_version)
        if on_group.effect == "explicit-deny" or not (on_group.allowed or on_version.allowed):
            raise self._denied(CREATE_DEPLOYMENT, group, on_group)

    async def _decided(self, action: str, resource: str, tagged: str | None = None) -> Decision:
        if self._clock.now() >= self._keys.expires_at - _RENEWED_BEFORE_END:
            await self._roles.release(self._keys)
            self._keys = await self._roles.execution_keys(self._role_arn, self._bulk_arn)
        return await self._judge.judge(self._keys.principal, action, resource, tagged=tagged)

    async def release(self) -> None:
        """End the session."""
        await self._roles.release(self._keys)

    def _denied(self, action: str, resource: str, decision: Decision) -> DeniedError:
        return DeniedError(
            f"The execution role {self._role_arn} is not authorized to perform: {action} on "
            f"resource: {resource}: {decision.reason}"
        )


class ExecutionRoles:
    """Assumes the execution roles of one account's bulk deployments."""

    def __init__(self, roles: RoleDesk, judge: CallJudge, home: Home, clock: Clock) -> None:
        self._roles = roles
        self._judge = judge
        self._home = home
        self._clock = clock

    @asynccontextmanager
    async def assumed(self, role_arn: str, bulk_arn: str) -> AsyncIterator[ExecutionRole]:
        """Assume a role until the block ends. Raises `DeniedError` if it cannot be."""
        role = ExecutionRole(
            self._roles,
            self._judge,
            self._home,
            self._clock,
            role_arn=role_arn,
            bulk_arn=bulk_arn,
            keys=await self._roles.execution_keys(role_arn, bulk_arn),
        )
        try:
            yield role
        finally:
            await role.release()
