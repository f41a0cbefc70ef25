"""An attack by way of thing groups: their policies must not open the Greengrass data plane."""

from pathlib import Path

import pytest
from tests.support.cloud import running_cloud
from tests.support.registry import POLICY

from hedgerow.contract import discovery_path

EVERYTHING = POLICY.replace("iot:*", "*")


@pytest.mark.promise(1)
@pytest.mark.spec("D03")
async def test_a_group_policy_that_allows_everything_does_not_grant_discovery(
    tmp_path: Path,
) -> None:
    async with running_cloud(tmp_path, combined=False) as cloud:
        device = await cloud.enrol("lamp", POLICY)
        group = await cloud.group("core", device)
        await group.deploy()
        await cloud.iot("create_thing_group", thingGroupName="lamps")
        await cloud.iot("create_policy", policyName="all", policyDocument=EVERYTHING)
        arn = (await cloud.iot("describe_thing_group", thingGroupName="lamps"))["thingGroupArn"]
        await cloud.iot("attach_policy", policyName="all", target=arn)
        await cloud.iot("add_thing_to_thing_group", thingGroupName="lamps", thingName="lamp")
        async with cloud.https(device.identity) as lamp:
            refused = await lamp.get(discovery_path("lamp"))
            assert refused.status == 403
            assert "greengrass:Discover" in refused.message
            await cloud.iot("attach_policy", policyName="all", target=device.certificate_arn)
            assert (await lamp.get(discovery_path("lamp"))).status == 200
