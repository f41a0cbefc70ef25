"""A core that would go on synchronising by its own policy, against the account's service role."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.support.cloud import (
    ACCOUNT,
    REGION,
    SERVICE_ROLE,
    SERVICE_ROLE_POLICY,
    CloudGroup,
    DeviceHttps,
    EnrolledThing,
    running_cloud,
)
from tests.support.roles import trust_policy

from hedgerow.policy import core_shadow_policies

LAMP = f"arn:aws:iot:{REGION}:{ACCOUNT}:thing/lamp"
SHADOW = "/things/lamp/shadow"


def statement(effect: str, action: str, *resources: str) -> dict[str, object]:
    return {"Effect": effect, "Action": action, "Resource": list(resources) or "*"}


@asynccontextmanager
async def deployed(
    folder: Path,
) -> AsyncIterator[tuple[CloudGroup, EnrolledThing, DeviceHttps]]:
    """Give a deployed group, its device, and its core on HTTPS with every right to its shadow."""
    async with running_cloud(folder) as cloud:
        lamp = await cloud.enrol_device("lamp")
        group = await cloud.group("core", lamp)
        [text] = core_shadow_policies(region=REGION, account=ACCOUNT, thing_names=["lamp"])
        await cloud.iot("create_policy", policyName="sync", policyDocument=text)
        target = group.core.certificate_arn
        await cloud.iot("attach_policy", policyName="sync", target=target)
        await group.deploy()
        async with cloud.https(group.core.identity) as core:
            yield group, lamp, core


async def service_role_may(group: CloudGroup, *statements: dict[str, object]) -> None:
    """Let the service role have these statements, beside the managed policy if it has that."""
    await group.cloud.call(
        "iam",
        "put_role_policy",
        RoleName=SERVICE_ROLE,
        PolicyName="own",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": list(statements)}),
    )


async def without_managed_policy(group: CloudGroup) -> None:
    await group.cloud.call(
        "iam", "detach_role_policy", RoleName=SERVICE_ROLE, PolicyArn=SERVICE_ROLE_POLICY
    )


async def statuses(core: DeviceHttps, shadow: str = SHADOW) -> tuple[int, int, int]:
    """Return what updating, reading and deleting come to."""
    body = b'{"state":{"desired":{"on":true}}}'
    return (
        (await core.post(shadow, body)).status,
        (await core.get(shadow)).status,
        (await core.request("DELETE", shadow)).status,
    )


@pytest.mark.spec("Q04")
@pytest.mark.promise(4)
async def test_the_service_role_stops_synchronisation_within_the_next_call(tmp_path: Path) -> None:
    """The managed role lets the core's own policy decide; a deny, or no right at all, stops it."""
    async with deployed(tmp_path) as (group, _, core):
        assert await statuses(core) == (200, 200, 200)
        await service_role_may(group, statement("Deny", "iot:UpdateThingShadow", LAMP))
        assert await statuses(core) == (403, 404, 404)
        refused = await core.post(SHADOW, b'{"state":{}}')
        assert refused.message.startswith(f"iot:UpdateThingShadow on {LAMP} is refused: Greengrass")
        assert f"role/{SERVICE_ROLE}: explicit deny" in refused.message
        await service_role_may(group, statement("Allow", "iot:Describe*"))
        assert await statuses(core) == (200, 200, 200)
        await without_managed_policy(group)
        assert await statuses(core) == (403, 403, 403)
        refused = await core.get(SHADOW)
        assert f"no policy allows iot:GetThingShadow on {LAMP}" in refused.message
        assert "thing/core-gda" in refused.message


async def test_the_two_documented_rights_on_anything_of_the_group_are_enough(
    tmp_path: Path,
) -> None:
    """Deleting goes by the right to update, since the page names no other."""
    things = f"arn:aws:iot:{REGION}:{ACCOUNT}:thing/"
    async with deployed(tmp_path) as (group, _, core):
        await without_managed_policy(group)
        for name, status in (
            ("lamp", 200),
            ("other-gda", 403),
            ("core-gda", 200),
            ("panel", 403),
            ("GG_*", 200),
        ):
            await service_role_may(
                group,
                statement("Allow", "iot:GetThingShadow", things + name),
                statement("Allow", "iot:UpdateThingShadow", things + name),
            )
            assert await statuses(core) == (status, status, status), name


@pytest.mark.spec("Q04")
@pytest.mark.promise(4)
async def test_without_a_service_role_nothing_is_synchronised(tmp_path: Path) -> None:
    async with deployed(tmp_path) as (group, _, core):
        await group.cloud.greengrass("disassociate_service_role_from_account")
        refused = await core.get(SHADOW)
        assert refused.status == 403
        assert "TES service role is not associated with this account." in refused.message
        await group.cloud.service_role()
        assert (await core.get(SHADOW)).status == 404
        other = await group.cloud.role("pinned", trust_policy(account="210987654321"))
        await group.cloud.greengrass("associate_service_role_to_account", RoleArn=other)
        refused = await core.get(SHADOW)
        assert refused.status == 403
        assert "Greengrass is not authorized to assume the Service Role" in refused.message


async def test_the_account_has_no_veto_over_a_things_own_shadow(tmp_path: Path) -> None:
    """Neither over the core's, nor over a device's; nor over what a device that is no core does."""
    async with deployed(tmp_path) as (group, lamp, core):
        await without_managed_policy(group)
        await service_role_may(group, statement("Deny", "iot:*", "*"))
        gda = "/things/core-gda/shadow"
        assert (await core.get(gda)).status == 200
        own = {"Version": "2012-10-17", "Statement": [statement("Allow", "iot:*", "*")]}
        await group.cloud.edit_policy(lamp.name, json.dumps(own))
        async with group.cloud.https(lamp.identity) as device:
            assert await statuses(device) == (200, 200, 200)
            assert await statuses(device, "/things/another/shadow") == (200, 200, 200)
        await group.cloud.edit_policy(group.core.name, json.dumps(own))
        assert await statuses(core, "/things/core/shadow") == (200, 200, 200)
        names = "/api/things/shadow/ListNamedShadowsForThing/"
        assert (await core.get(f"{names}core")).status == 200
        refused = await core.get(f"{names}lamp")
        assert refused.status == 403
        assert "not authorized to synchronise" in refused.message
        assert await statuses(core, f"{SHADOW}?name=night") == (403, 403, 403)
