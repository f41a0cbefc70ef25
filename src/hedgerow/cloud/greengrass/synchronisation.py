"""The account's veto over synchronisation: what its service role says to a core's shadow calls.

A core's calls on the shadows of its clients are judged by the core's own policy (guide page
device-auth), and by the account's service role too (page security_iam_troubleshoot: without its
rights shadows are not synchronised). AWS's managed role allows shadow actions on `GG_*` and on
`<core>-gcm`, `-gda` and `-gci`, not on clients' things, so the role is asked for the action on
anything of the group, and a deny on the client's own shadow always counts (docs/shadows.md).
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from hedgerow.cloud.greengrass.index import GroupIndex
from hedgerow.cloud.greengrass.permissions import Need
from hedgerow.cloud.greengrass.role_desk import RoleDesk, ServiceRoleError
from hedgerow.cloud.home import Home
from hedgerow.cloud.iot import AdmittedDevice
from hedgerow.cloud.iot.arns import thing_arn
from hedgerow.cloud.service_sessions import TemporaryKeys
from hedgerow.contract import (
    ShadowId,
    configuration_thing,
    connectivity_thing,
    deployment_thing,
)
from hedgerow.kernel import Clock, DeniedError

RENEWED_BEFORE_END: Final = timedelta(minutes=1)
"""How long before its end an assumed role is assumed anew."""

REFUSAL_KEPT: Final = timedelta(seconds=5)
"""How long a role that cannot be assumed is not tried again: many shadows ask at once."""

SESSION_NAME: Final = "greengrass-shadow-sync"

_GET: Final = "iot:GetThingShadow"
_UPDATE: Final = "iot:UpdateThingShadow"
_STANDS_FOR: Final[Mapping[str, str]] = {
    "iot:DeleteThingShadow": _UPDATE,
    "iot:ListNamedShadowsForThing": _GET,
}
"""What is not among the two documented rights goes by one of them; a deny of itself counts too."""


def may_forbid(action: str, shadow: ShadowId, home: Home) -> Need:
    """Return what the service role must not deny for this call of a core."""
    return Need(action, thing_arn(home, str(shadow)))


def enough(action: str, shadow: ShadowId, core: str, home: Home) -> tuple[Need, ...]:
    """Return what lets this call of a core pass, if the service role allows any one of it.

    The shadow itself, or one of those that the managed role names for this core.
    """
    names = (
        str(shadow),
        deployment_thing(core),
        connectivity_thing(core),
        configuration_thing(core),
        f"GG_{core}",
    )
    actions = dict.fromkeys((action, _STANDS_FOR.get(action, action)))
    return tuple(Need(one, thing_arn(home, name)) for name in names for one in actions)


def is_judged(thing_name: str, things: Collection[str], core: str) -> bool:
    """Tell whether the account has a say in it: not about a core's own things."""
    own = {core, deployment_thing(core), connectivity_thing(core), configuration_thing(core)}
    return thing_name not in own and thing_name not in things


@dataclass(frozen=True, slots=True)
class _Assumed:
    """What assuming the service role for one group came to, and until when that counts."""

    role_arn: str
    until: datetime
    outcome: TemporaryKeys | ServiceRoleError


class SynchronisationRights:
    """Asks the service role about cores' shadow calls; one session of it a group is kept."""

    def __init__(self, index: GroupIndex, roles: RoleDesk, home: Home, clock: Clock) -> None:
        self._index = index
        self._roles = roles
        self._home = home
        self._clock = clock
        self._assumed: dict[str, _Assumed] = {}

    async def require(self, device: AdmittedDevice, action: str, shadow: ShadowId) -> None:
        """Raise `DeniedError` for what the account's service role does not let a core do.

        Devices that are no cores, and what a core does with its own shadows, are not judged.
        """
        if shadow.thing_name in device.things:
            return
        for group_id, core in sorted((await self._index.cores_among(device.things)).items()):
            if is_judged(shadow.thing_name, device.things, core):
                await self._require(group_id, core, action, shadow)

    async def _require(self, group_id: str, core: str, action: str, shadow: ShadowId) -> None:
        wanted = may_forbid(action, shadow, self._home)
        try:
            keys = await self._keys(group_id)
        except ServiceRoleError as error:
            raise DeniedError(f"{_refused(wanted)}: {error.message}") from error
        own = await self._roles.judged(keys, wanted)
        if own.allowed:
            return
        role = self._assumed[group_id].role_arn
        if own.effect == "explicit-deny":
            raise DeniedError(f"{_refused(wanted)} with the service role {role}: {own.reason}")
        for need in enough(action, shadow, core, self._home):
            if (await self._roles.judged(keys, need)).allowed:
                return
        raise DeniedError(
            f"{_refused(wanted)} with the service role {role}: {own.reason}, nor is it allowed "
            f"on any other shadow of the group (thing/{deployment_thing(core)}, say)"
        )

    async def _keys(self, group_id: str) -> TemporaryKeys:
        role_arn, now = await self._roles.service_role(), self._clock.now()
        known = self._assumed.get(group_id)
        if known is None or known.role_arn != role_arn or now >= known.until:
            known = self._assumed[group_id] = await self._assume(group_id, role_arn, now)
        if isinstance(known.outcome, ServiceRoleError):
            raise known.outcome
        return known.outcome

    async def _assume(self, group_id: str, role_arn: str, now: datetime) -> _Assumed:
        try:
            keys = await self._roles.service_keys(role_arn, group_id, session_name=SESSION_NAME)
        except ServiceRoleError as error:
            return _Assumed(role_arn, now + REFUSAL_KEPT, error)
        return _Assumed(role_arn, keys.expires_at - RENEWED_BEFORE_END, keys)


def _refused(wanted: Need) -> str:
    return (
        f"{wanted.action} on {wanted.resource} is refused: Greengrass is not authorized to "
        "synchronise this shadow"
    )
