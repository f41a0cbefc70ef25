"""The documented minimal policy of a core is enough, and every statement of it is needed.

A real cloud and a real core. With a statement taken out, something that has a name no longer works,
and the core's health says which action on which resource is missing.
"""

import functools
import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.support.cloud import ACCOUNT, REGION
from tests.support.core import running_core, until
from tests.support.core_estate import (
    CORE,
    Estate,
    core_estate,
    drop_old_versions,
    message,
    row,
    with_detector,
)

from hedgerow.core.app import CoreApp
from hedgerow.policy import minimal_core_policy

IOT = f"arn:aws:iot:{REGION}:{ACCOUNT}"
GROUPS = f"arn:aws:greengrass:{REGION}:{ACCOUNT}:/greengrass/groups/"
NOTICES = f"topic/$aws/things/{CORE}-gda/shadow/"

MISSED: dict[frozenset[str], tuple[str, str]] = {
    frozenset({"iot:Connect"}): ("iot:Connect", f"{IOT}:client/{CORE}-c00"),
    frozenset({"iot:Publish", "iot:Receive"}): ("iot:Publish", f"{IOT}:{NOTICES}get"),
    frozenset({"iot:Subscribe"}): (
        "iot:Subscribe",
        f"{IOT}:topicfilter/$aws/things/{CORE}-gda/shadow/",
    ),
    frozenset({"iot:GetThingShadow", "iot:UpdateThingShadow", "iot:DeleteThingShadow"}): (
        "iot:UpdateThingShadow",
        f"{IOT}:thing/{CORE}-gda",
    ),
    frozenset({"greengrass:AssumeRoleForGroup", "greengrass:CreateCertificate"}): (
        "greengrass:CreateCertificate",
        "on *",
    ),
    frozenset({"greengrass:GetDeployment"}): ("greengrass:GetDeployment", GROUPS),
    frozenset({"greengrass:GetDeploymentArtifacts"}): (
        "greengrass:GetDeploymentArtifacts",
        GROUPS,
    ),
    frozenset({"greengrass:UpdateCoreDeploymentStatus"}): (
        "greengrass:UpdateCoreDeploymentStatus",
        GROUPS,
    ),
    frozenset({"greengrass:GetConnectivityInfo", "greengrass:UpdateConnectivityInfo"}): (
        "greengrass:GetConnectivityInfo",
        f"{IOT}:thing/{CORE}-gci",
    ),
}
"""By the actions of each statement: the action and resource that are named without it."""


@pytest.fixture
async def estate(tmp_path: Path) -> AsyncIterator[Estate]:
    """Make a group with the row A -> B and detection of addresses; nothing is deployed yet."""
    async with core_estate(tmp_path) as made:
        await made.group.new_version(made.a, made.b, rows=(row(made.a, "t/ab", made.b),))
        await with_detector(made)
        yield made


def minimal(estate: Estate) -> str:
    return minimal_core_policy(
        region=REGION, account=ACCOUNT, core_thing_name=CORE, group_id=estate.group.group_id
    )


async def deploy_and_use(estate: Estate, core: CoreApp) -> None:
    """Deploy with success, and send a message from A to B through the core."""
    await estate.deploy(core)
    async with estate.device(core, estate.a) as a, estate.device(core, estate.b) as b:
        await b.subscribe("t/ab")
        await a.publish("t/ab", b"allowed", qos=1)
        assert await message(b) == ("t/ab", b"allowed")


def fresh_root(estate: Estate, root: Path) -> Path:
    """Make the root folder of the same core anew, without anything it was deployed."""
    for name in ("certs", "config"):
        shutil.copytree(estate.root / name, root / name)
    (root / "certs").chmod(0o700)
    config = root / "config/config.json"
    config.write_text(config.read_text().replace(str(estate.root), str(root)))
    return root


def names(core: CoreApp, action: str, resource: str) -> bool:
    return any(action in problem and resource in problem for problem in core.problems)


async def test_the_minimal_policy_is_enough(estate: Estate) -> None:
    await estate.cloud.edit_policy(CORE, minimal(estate))
    async with running_core(estate.root) as core:
        await deploy_and_use(estate, core)
        await until(lambda: core.agent._reporter._shadow is not None)
        assert core.problems == ()


@pytest.mark.spec("D12", "D15")
async def test_without_any_one_statement_the_missing_action_and_resource_are_named(
    estate: Estate, tmp_path: Path
) -> None:
    await estate.cloud.edit_policy(CORE, minimal(estate))
    async with running_core(estate.root) as core:
        await deploy_and_use(estate, core)
    statements = json.loads(minimal(estate))["Statement"]
    assert {frozenset(each["Action"]) for each in statements} == MISSED.keys()
    assert len(statements) == len(MISSED)
    for position, left_out in enumerate(statements):
        action, resource = MISSED[frozenset(left_out["Action"])]
        policy = json.loads(minimal(estate))
        del policy["Statement"][position]
        await drop_old_versions(estate)
        await estate.cloud.edit_policy(CORE, json.dumps(policy))
        async with running_core(fresh_root(estate, tmp_path / f"without-{position}")) as core:
            core.notices._answer_seconds = 0.5
            await until(functools.partial(names, core, action, resource))
