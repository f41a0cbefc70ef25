"""A cloud, a group with three devices, and the root folder of its core: a whole estate."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiomqtt
from tests.support.cloud import (
    ACCOUNT,
    REGION,
    CloudGroup,
    EnrolledThing,
    RunningCloud,
    running_cloud,
)
from tests.support.core import CloudPlace, until, write_root

from hedgerow.cloud.app import CloudApp, Endpoints
from hedgerow.contract import CLOUD, discovery_path
from hedgerow.core.app import CoreApp
from hedgerow.pki import client_context
from hedgerow.policy import minimal_core_policy

CORE = "edge"


def row(source: EnrolledThing | str, subject: str, target: EnrolledThing | str) -> dict[str, str]:
    """Return a row of a subscription table."""
    names = [end if isinstance(end, str) else end.arn for end in (source, target)]
    return {"Id": f"row-{hash((*names, subject)) % 10**9}", "Source": names[0],
            "Subject": subject, "Target": names[1]}  # fmt: skip


def core_policy(group_id: str, *topics: str) -> str:
    """Return the documented minimal policy, with messages to and from the cloud on some topics."""
    policy = json.loads(
        minimal_core_policy(region=REGION, account=ACCOUNT, core_thing_name=CORE, group_id=group_id)
    )
    base = f"arn:aws:iot:{REGION}:{ACCOUNT}"
    policy["Statement"] += [
        {
            "Effect": "Allow",
            "Action": ["iot:Publish", "iot:Receive"],
            "Resource": [f"{base}:topic/{topic}" for topic in topics],
        },
        {
            "Effect": "Allow",
            "Action": "iot:Subscribe",
            "Resource": [f"{base}:topicfilter/{topic}" for topic in topics],
        },
    ]
    return json.dumps(policy)


@dataclass
class Estate:
    """A cloud, a group with devices A, B and C, and the root folder of its core."""

    cloud: RunningCloud
    group: CloudGroup
    a: EnrolledThing
    b: EnrolledThing
    c: EnrolledThing
    root: Path
    endpoints: Endpoints

    async def deploy(self, core: CoreApp, state: str = "Success") -> dict[str, Any]:
        """Deploy the newest version, and wait until the core has said how it went."""
        self.group.deployment_id = (
            await self.cloud.greengrass(
                "create_deployment",
                GroupId=self.group.group_id,
                DeploymentType="NewDeployment",
                GroupVersionId=self.group.version_id,
            )
        )["DeploymentId"]
        await until(lambda: core.agent._folder.reported() == self.group.deployment_id)
        status = await self.group.status()
        assert status["DeploymentStatus"] == state, status
        return status

    async def set_addresses(self, *hosts: str) -> None:
        """Set the core's addresses as an administrator."""
        await self.cloud.greengrass(
            "update_connectivity_info",
            ThingName=CORE,
            ConnectivityInfo=[
                {"Id": host, "HostAddress": host, "PortNumber": 8883} for host in hosts
            ],
        )

    async def group_roots(self, device: EnrolledThing) -> str:
        """Return the CA certificates that discovery gives a device."""
        async with self.cloud.https(device.identity) as https:
            answer = await https.get(discovery_path(device.name))
        assert answer.status == 200, answer.body
        return "".join(answer.json["GGGroups"][0]["CAs"])

    @asynccontextmanager
    async def device(
        self, core: CoreApp, thing: EnrolledThing, client_id: str | None = None
    ) -> AsyncIterator[aiomqtt.Client]:
        """Connect a device as a person would: with what discovery says."""
        roots = await self.group_roots(thing)
        context = client_context(roots, thing.identity.key, thing.identity.certificate_pem)
        async with aiomqtt.Client(
            "127.0.0.1",
            core.mqtt_port,
            identifier=client_id or thing.name,
            tls_context=context,
            protocol=aiomqtt.ProtocolVersion.V311,
            timeout=10,
        ) as client:
            yield client


async def message(client: aiomqtt.Client) -> tuple[str, bytes]:
    """Return the next message of a client."""
    async with asyncio.timeout(10):
        async for received in client.messages:
            return received.topic.value, bytes(received.payload)
    raise AssertionError("no more messages")


@asynccontextmanager
async def watching(cloud: RunningCloud, who: EnrolledThing, topic: str) -> AsyncIterator[Any]:
    """Subscribe in the cloud, as a program there would."""
    context = client_context(cloud.roots_pem, who.identity.key, who.identity.certificate_pem)
    async with aiomqtt.Client(
        "localhost",
        cloud.endpoints.device_mqtt_port,
        identifier=who.name,
        tls_context=context,
        protocol=aiomqtt.ProtocolVersion.V5,
    ) as client:
        await client.subscribe(topic, 1)
        yield client


async def restarted(estate: Estate) -> None:
    """Start the cloud again on the ports it had."""
    old = estate.endpoints
    estate.cloud.app = await CloudApp.open(
        estate.cloud.data_dir,
        host="127.0.0.1",
        api_port=old.api_port,
        device_https_port=old.device_https_port,
        device_mqtt_port=old.device_mqtt_port,
        combined_port=None,
    )
    await estate.cloud.app.start()


async def watcher(estate: Estate) -> EnrolledThing:
    """Enrol somebody in the cloud who may do everything there."""
    policy = {"Effect": "Allow", "Action": "iot:*", "Resource": "*"}
    return await estate.cloud.enrol(
        "watcher", json.dumps({"Version": "2012-10-17", "Statement": [policy]})
    )


def clients(cloud: RunningCloud) -> set[str]:
    """Return the client ids that are connected to the cloud."""
    return set(cloud.app._rooms.accounts.founding.broker.client_ids)


def without(policy: str, action: str) -> str:
    """Return a policy that no longer allows an action."""
    document = json.loads(policy)
    for statement in document["Statement"]:
        actions = (
            [statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"]
        )
        statement["Action"] = [a for a in actions if a != action]
    document["Statement"] = [s for s in document["Statement"] if s["Action"]]
    return json.dumps(document)


DETECTOR = {
    "Id": "detector",
    "FunctionArn": "arn:aws:lambda:::function:GGIPDetector:1",
    "FunctionConfiguration": {"Pinned": True, "MemorySize": 32768, "Timeout": 3},
}
"""The system function that switches address detection on."""


async def drop_old_versions(estate: Estate, whose: str = CORE) -> None:
    """Make room: a policy has at most five versions."""
    name = f"{whose}-policy"
    versions = await estate.cloud.iot("list_policy_versions", policyName=name)
    for version in versions["policyVersions"]:
        if not version["isDefaultVersion"]:
            await estate.cloud.iot(
                "delete_policy_version", policyName=name, policyVersionId=version["versionId"]
            )


def spooler(**variables: str) -> dict[str, Any]:
    """Return the system function that configures the queue for the cloud, as documented."""
    return {
        "Id": "spooler",
        "FunctionArn": "arn:aws:lambda:::function:GGCloudSpooler:1",
        "FunctionConfiguration": {
            "Environment": {"Variables": variables},
            "Executable": "spooler",
            "MemorySize": 32768,
            "Pinned": True,
            "Timeout": 3,
        },
    }


async def with_detector(estate: Estate) -> None:
    """Make a group version like the newest one, with detection of addresses."""
    await with_functions(estate, DETECTOR)


async def with_functions(estate: Estate, *members: dict[str, Any]) -> None:
    """Make a group version like the newest one, with these functions."""
    call = estate.cloud.greengrass
    version = await call(
        "get_group_version",
        GroupId=estate.group.group_id,
        GroupVersionId=estate.group.version_id,
    )
    functions = await call(
        "create_function_definition", InitialVersion={"Functions": list(members)}
    )
    made = await call(
        "create_group_version",
        GroupId=estate.group.group_id,
        **version["Definition"] | {"FunctionDefinitionVersionArn": functions["LatestVersionArn"]},
    )
    estate.group.version_id = made["Version"]


@asynccontextmanager
async def core_estate(tmp_path: Path) -> AsyncIterator[Estate]:
    """Make an estate with rows A -> B, A -> cloud and cloud -> B; nothing is deployed yet."""
    async with running_cloud(tmp_path) as cloud:
        a, b, c = [await cloud.enrol_device(name) for name in ("A", "B", "C")]
        rows = (row(a, "t/ab", b), row(a, "t/up", CLOUD), row(CLOUD, "t/down", b))
        group = await cloud.group(CORE, a, b, c, rows=rows)
        await cloud.edit_policy(CORE, core_policy(group.group_id, "t/up", "t/down"))
        place = CloudPlace(
            https_port=cloud.endpoints.device_https_port,
            mqtt_port=cloud.endpoints.device_mqtt_port,
            roots_pem=cloud.roots_pem,
        )
        root = write_root(tmp_path / "greengrass", group.core.arn, group.core.identity, place)
        made = Estate(cloud, group, a, b, c, root, cloud.endpoints)
        first = cloud.app
        await made.set_addresses("127.0.0.1")
        yield made
        if cloud.app is not first:
            await cloud.app.stop()
