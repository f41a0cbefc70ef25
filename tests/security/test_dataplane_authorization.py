"""Attacks on the data plane: without the permission, with somebody else's, with all of them."""

import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.support.cloud import (
    ACCOUNT,
    REGION,
    Answer,
    CloudGroup,
    DeviceHttps,
    EnrolledThing,
    RunningCloud,
    running_cloud,
    signing_request,
)
from tests.support.group_role import give_role
from tests.support.pki import new_key

from hedgerow.cloud.dataplane import ROUTES
from hedgerow.contract import (
    CERTIFICATE_PATH,
    CertificateRequest,
    artifact_path,
    connectivity_path,
    deployment_path,
    deployment_status_path,
    discovery_path,
    encode,
    group_credentials_path,
    shadow_http_path,
)
from hedgerow.policy import minimal_core_policy

EVERYTHING = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
    }
)
JOB_CALLS = (
    "GetPendingJobExecutions",
    "StartNextPendingJobExecution",
    "DescribeJobExecution",
    "UpdateJobExecution",
)
REPORT = b'{"Status":"InProgress"}'


@dataclass(frozen=True)
class CoreCall:
    """One call as a core makes it, and the action it needs."""

    action: str
    method: str
    path: Callable[[CloudGroup], str]
    body: Callable[[CloudGroup], bytes] = lambda _group: b""


def certificate_request(group: CloudGroup) -> bytes:
    return encode(
        CertificateRequest(
            group_id=group.group_id, certificate_signing_request=signing_request(new_key())
        )
    )


CORE_CALLS = {
    "get-deployment": CoreCall(
        "greengrass:GetDeployment",
        "GET",
        lambda group: deployment_path(group.group_id, group.deployment_id),
    ),
    "get-group-file": CoreCall(
        "greengrass:GetDeploymentArtifacts",
        "GET",
        lambda group: artifact_path(group.group_id, group.deployment_id, "group.json"),
    ),
    "get-membership-file": CoreCall(
        "greengrass:GetDeploymentArtifacts",
        "GET",
        lambda group: artifact_path(group.group_id, group.deployment_id, "membership.json"),
    ),
    "report-status": CoreCall(
        "greengrass:UpdateCoreDeploymentStatus",
        "PUT",
        lambda group: deployment_status_path(group.group_id, group.deployment_id, group.core.arn),
        lambda _group: REPORT,
    ),
    "create-certificate": CoreCall(
        "greengrass:CreateCertificate", "POST", lambda _group: CERTIFICATE_PATH, certificate_request
    ),
    "assume-group-role": CoreCall(
        "greengrass:AssumeRoleForGroup",
        "POST",
        lambda group: group_credentials_path(group.group_id),
    ),
    "get-connectivity": CoreCall(
        "greengrass:GetConnectivityInfo", "GET", lambda group: connectivity_path(group.core.name)
    ),
    "update-connectivity": CoreCall(
        "greengrass:UpdateConnectivityInfo",
        "PUT",
        lambda group: connectivity_path(group.core.name),
        lambda _group: b'{"ConnectivityInfo":[]}',
    ),
}


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[RunningCloud]:
    async with running_cloud(tmp_path, combined=False) as running:
        yield running


async def ask(connection: DeviceHttps, call: CoreCall, group: CloudGroup) -> Answer:
    return await connection.request(call.method, call.path(group), call.body(group))


def without(policy: str, action: str) -> str:
    """Return the policy with one action taken out of every statement."""
    document = json.loads(policy)
    kept = []
    for statement in document["Statement"]:
        actions = statement["Action"]
        named = [actions] if isinstance(actions, str) else actions
        left = [name for name in named if name != action]
        if left:
            kept.append({**statement, "Action": left})
    return json.dumps({**document, "Statement": kept})


@pytest.mark.spec("C04", "D04", "D05", "D06", "D07", "D08", "D09", "D10", "D12", "D13", "D15")
@pytest.mark.promise(1)
async def test_every_core_call_needs_its_action_and_the_documented_policy_has_them_all(
    cloud: RunningCloud,
) -> None:
    group = await cloud.group("core")
    await give_role(cloud, group.group_id, "line")
    await group.deploy(succeed=False)
    minimal = minimal_core_policy(
        region=REGION, account=ACCOUNT, core_thing_name="core", group_id=group.group_id
    )
    async with cloud.https(group.core.identity) as core:
        for call in CORE_CALLS.values():
            assert (await ask(core, call, group)).status == 200, call.action
        for call in CORE_CALLS.values():
            await cloud.edit_policy("core", without(minimal, call.action))
            answer = await ask(core, call, group)
            assert answer.status == 403
            assert call.action in answer.message
            assert "arn:aws:" in answer.message or "on * " in answer.message
            await cloud.edit_policy("core", minimal)
            assert (await ask(core, call, group)).status == 200
            await prune_policy_versions(cloud, "core")


async def prune_policy_versions(cloud: RunningCloud, name: str) -> None:
    """Delete old versions: a policy has at most five."""
    listed = await cloud.iot("list_policy_versions", policyName=f"{name}-policy")
    for version in listed["policyVersions"]:
        if not version["isDefaultVersion"]:
            await cloud.iot(
                "delete_policy_version",
                policyName=f"{name}-policy",
                policyVersionId=version["versionId"],
            )


def test_the_table_has_every_call_that_is_attacked_here() -> None:
    attacked = {call.action for call in CORE_CALLS.values()}
    attacked |= {"greengrass:Discover"}
    attacked |= {"iot:GetThingShadow", "iot:UpdateThingShadow", "iot:DeleteThingShadow"}
    attacked |= {"iot:ListNamedShadowsForThing"}
    attacked |= {"iot:AssumeRoleWithCertificate"}  # in tests/interop/test_role_aliases.py
    attacked |= {"iot:Publish", "iot:GetRetainedMessage", "iot:ListRetainedMessages"}
    attacked |= {f"iotjobsdata:{name}" for name in JOB_CALLS}  # in test_jobs_attacks.py
    assert {route.action for route in ROUTES} == attacked


@pytest.mark.promise(1)
async def test_a_core_with_every_permission_reaches_no_other_group(cloud: RunningCloud) -> None:
    """`*` lets it name the other group; it still is not that group's core."""
    group = await cloud.group("core")
    await group.deploy(succeed=False)
    attacker = await cloud.group("attacker")
    await give_role(cloud, attacker.group_id, "of-attacker")
    await attacker.deploy()
    await cloud.edit_policy("attacker", EVERYTHING)
    async with cloud.https(attacker.core.identity) as connection:
        for call in CORE_CALLS.values():
            assert (await ask(connection, call, attacker)).status == 200, call
            answer = await ask(connection, call, group)
            assert answer.status == 403, call
            assert "policy" in answer.message or "not attached" in answer.message
    assert (await group.status())["DeploymentStatus"] == "InProgress"


@pytest.mark.promise(1)
async def test_a_client_device_of_the_group_with_every_permission_is_not_its_core(
    cloud: RunningCloud,
) -> None:
    device = await cloud.enrol("sensor", EVERYTHING)
    group = await cloud.group("core", device)
    await group.deploy()
    async with cloud.https(device.identity) as connection:
        for call in CORE_CALLS.values():
            assert (await ask(connection, call, group)).status == 403, call


@pytest.mark.promise(1)
async def test_a_core_cannot_report_for_another_core_or_an_older_deployment(
    cloud: RunningCloud,
) -> None:
    group = await cloud.group("core")
    first = await group.deploy()
    await cloud.edit_policy("core", EVERYTHING)
    other = group.core.arn.replace("thing/core", "thing/other")
    async with cloud.https(group.core.identity) as core:
        path = deployment_status_path(group.group_id, group.deployment_id, other)
        assert (await core.put(path, REPORT)).status == 403
        second = await group.deploy(succeed=False)
        assert first != second
        path = deployment_status_path(group.group_id, first, group.core.arn)
        assert (await core.put(path, b'{"Status":"Failure"}')).status == 400
        assert (await core.get(deployment_path(group.group_id, "none"))).status == 404
    status = await cloud.greengrass(
        "get_deployment_status", GroupId=group.group_id, DeploymentId=first
    )
    assert status["DeploymentStatus"] == "Success"


@pytest.mark.spec("W05")
@pytest.mark.promise(4)
async def test_a_core_that_was_replaced_gets_nothing_any_more(cloud: RunningCloud) -> None:
    device = await cloud.enrol_device("sensor")
    group = await cloud.group("old", device)
    await group.deploy()
    old, old_deployment = group.core, group.deployment_id
    minimal = minimal_core_policy(
        region=REGION, account=ACCOUNT, core_thing_name="new", group_id=group.group_id
    )
    group.core = await cloud.enrol("new", minimal)
    await group.new_version(device)
    await group.deploy(succeed=False)
    async with cloud.https(old.identity) as lost:
        for name in ("get-group-file", "get-membership-file", "create-certificate"):
            assert (await ask(lost, CORE_CALLS[name], group)).status == 403
        path = artifact_path(group.group_id, old_deployment, "membership.json")
        assert (await lost.get(path)).status == 403
    async with cloud.https(group.core.identity) as new:
        assert (await ask(new, CORE_CALLS["get-group-file"], group)).status == 200
        assert (await new.get(deployment_path(group.group_id, old_deployment))).status == 403


@pytest.mark.spec("D03")
@pytest.mark.promise(1)
async def test_a_policy_of_a_thing_group_grants_no_call_of_a_core(cloud: RunningCloud) -> None:
    group = await cloud.group("core")
    await give_role(cloud, group.group_id, "line")
    await group.deploy(succeed=False)
    await cloud.iot("create_thing_group", thingGroupName="cores")
    await cloud.iot("create_policy", policyName="all", policyDocument=EVERYTHING)
    arn = (await cloud.iot("describe_thing_group", thingGroupName="cores"))["thingGroupArn"]
    await cloud.iot("attach_policy", policyName="all", target=arn)
    await cloud.iot("add_thing_to_thing_group", thingGroupName="cores", thingName="core")
    await cloud.edit_policy("core", EVERYTHING.replace('"*"', '"iot:Connect"', 1))
    async with cloud.https(group.core.identity) as core:
        for call in CORE_CALLS.values():
            answer = await ask(core, call, group)
            assert answer.status == 403, call.action
            assert call.action in answer.message
        shadow = await core.get(shadow_http_path("core"))
        assert shadow.status == 404, "what is not Greengrass's is granted by the group"
        await cloud.iot("attach_policy", policyName="all", target=group.core.certificate_arn)
        for call in CORE_CALLS.values():
            assert (await ask(core, call, group)).status == 200, call.action


@pytest.mark.spec("D11")
@pytest.mark.promise(1)
async def test_a_device_discovers_for_itself_only(cloud: RunningCloud) -> None:
    curious = await cloud.enrol("curious", EVERYTHING)
    victim = await cloud.enrol_device("victim")
    group = await cloud.group("core", curious, victim)
    await group.deploy()
    async with cloud.https(curious.identity) as connection:
        assert (await connection.get(discovery_path("curious"))).status == 200
        answer = await connection.get(discovery_path("victim"))
    assert answer.status == 403
    assert "GGGroups" not in answer.body.decode()


@pytest.mark.promise(1)
async def test_shadows_are_reached_only_as_the_policy_says(cloud: RunningCloud) -> None:
    group = await cloud.group("core")
    await cloud.enrol_device("sensor")
    update = b'{"state":{"reported":{"a":1}}}'
    async with cloud.https(group.core.identity) as core:
        own = shadow_http_path("core-gda")
        assert (await core.post(own, update)).status == 200
        assert (await core.get(own)).json["state"]["reported"] == {"a": 1}
        for method in ("GET", "POST", "DELETE"):
            answer = await core.request(method, shadow_http_path("sensor"), update)
            assert answer.status == 403
            assert "iot:" in answer.message
            assert "thing/sensor" in answer.message
        assert (await core.request("DELETE", own)).status == 200
        assert (await core.get(own)).status == 404
        assert (await core.get(own + "?name=none")).status == 404
        for query in ("?name=", "?name=a&name=b", "?name=a%2Fb", "?name=%2A", "?name=%FF"):
            assert (await core.get(own + query)).status == 400, query
        assert (await core.get(own + "?nick=n&name")).status == 400
        assert (await core.get(own + "?nick=n")).status == 404
        assert (await core.request("PUT", own)).status == 405


@pytest.mark.promise(1)
async def test_a_named_shadow_is_a_resource_of_its_own(cloud: RunningCloud) -> None:
    """A right to the classic one is none to a named one, and the other way round."""
    lamp = await cloud.enrol_device("lamp")
    thing = f"arn:aws:iot:{REGION}:{ACCOUNT}:thing/lamp"
    update = b'{"state":{"reported":{"a":1}}}'
    listing = "/api/things/shadow/ListNamedShadowsForThing/lamp"
    for allowed, name, other in ((thing, "", "config"), (f"{thing}/config", "config", "")):
        await cloud.edit_policy("lamp", _policy_for(allowed))
        async with cloud.https(lamp.identity) as device:
            assert (await device.post(shadow_http_path("lamp", name), update)).status == 200
            for method in ("GET", "POST", "DELETE"):
                refused = await device.request(method, shadow_http_path("lamp", other), update)
                assert refused.status == 403
                assert (f"{thing}/{other}" if other else thing) in refused.message
            sly = await device.get("/things/lamp%2Fconfig/shadow")
            assert sly.status == (400 if name else 403)
            assert (await device.get("/things/lamp/shadow%3Fname=config")).status == 404
            assert (await device.get(listing)).status == 403
        await prune_policy_versions(cloud, "lamp")
    listed = json.loads(_policy_for(f"{thing}/*"))
    listed["Statement"].append(
        {"Effect": "Allow", "Action": "iot:ListNamedShadowsForThing", "Resource": "*"}
    )
    await cloud.edit_policy("lamp", json.dumps(listed))
    async with cloud.https(lamp.identity) as device:
        assert (await device.get(listing)).json["results"] == ["config"]
        assert (await device.get(f"{listing}?pageSize=0")).status == 400
        assert (await device.get(f"{listing}?nextToken=x")).status == 400


def _policy_for(resource: str) -> str:
    shadow = ["iot:GetThingShadow", "iot:UpdateThingShadow", "iot:DeleteThingShadow"]
    statement = {"Effect": "Allow", "Action": shadow, "Resource": resource}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@pytest.mark.promise(4)
async def test_a_kept_connection_is_judged_anew_with_every_request(cloud: RunningCloud) -> None:
    device = await cloud.enrol_device("sensor")
    group = await cloud.group("core", device)
    await group.deploy()
    async with cloud.https(device.identity) as connection:
        path = discovery_path("sensor")
        assert (await connection.get(path)).status == 200
        await detach_policy(cloud, device)
        answer = await connection.get(path)
        assert answer.status == 401
        assert "greengrass:Discover" in answer.message
        assert device.arn in answer.message
        await cloud.iot("attach_policy", policyName="sensor-policy", target=device.certificate_arn)
        assert (await connection.get(path)).status == 200
        await cloud.iot(
            "update_certificate",
            certificateId=device.identity.certificate_id,
            newStatus="INACTIVE",
        )
        assert (await connection.get(path)).status == 401
        await cloud.iot(
            "update_certificate",
            certificateId=device.identity.certificate_id,
            newStatus="ACTIVE",
        )
        await cloud.iot(
            "detach_thing_principal", thingName="sensor", principal=device.certificate_arn
        )
        assert (await connection.get(path)).status == 401


async def detach_policy(cloud: RunningCloud, thing: EnrolledThing) -> None:
    await cloud.iot(
        "detach_policy", policyName=f"{thing.name}-policy", target=thing.certificate_arn
    )


@pytest.mark.promise(1)
async def test_an_explicit_deny_wins(cloud: RunningCloud) -> None:
    device = await cloud.enrol_device("sensor")
    group = await cloud.group("core", device)
    await group.deploy()
    deny: dict[str, Any] = {"Effect": "Deny", "Action": "greengrass:Discover", "Resource": "*"}
    allow = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    await cloud.edit_policy(
        "sensor", json.dumps({"Version": "2012-10-17", "Statement": [allow, deny]})
    )
    async with cloud.https(device.identity) as connection:
        answer = await connection.get(discovery_path("sensor"))
    assert answer.status == 403
    assert "explicit" in answer.message
