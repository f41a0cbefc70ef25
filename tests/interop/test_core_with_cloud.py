"""A whole core against a whole cloud, with paho as the client devices."""

import asyncio
import dataclasses
import functools
import shutil
import ssl
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiomqtt
import pytest
from tests.support.cloud import ACCOUNT, REGION, signing_request
from tests.support.core import CloudPlace, running_core, until, write_root
from tests.support.core_estate import (
    CORE,
    Estate,
    clients,
    core_estate,
    core_policy,
    drop_old_versions,
    message,
    restarted,
    row,
    watcher,
    watching,
    with_detector,
    without,
)
from tests.support.mqtt_client import ConnectionEndedError, MqttClient
from tests.support.pki import Identity, new_key

from hedgerow.contract import discovery_path
from hedgerow.core.app import CoreApp
from hedgerow.core.link import CloudLink, LinkOutlet
from hedgerow.pki import client_context
from hedgerow.policy import minimal_core_policy


@pytest.fixture
async def estate(tmp_path: Path) -> AsyncIterator[Estate]:
    async with core_estate(tmp_path) as made:
        yield made


@pytest.mark.spec("A03", "F01", "F02", "P05")
async def test_a_message_goes_where_the_table_says_and_nowhere_else(estate: Estate) -> None:
    async with running_core(estate.root) as core:
        await estate.deploy(core)
        async with (
            estate.device(core, estate.a) as a,
            estate.device(core, estate.b) as b,
            estate.device(core, estate.c) as c,
        ):
            await b.subscribe("t/#")
            refused = await c.subscribe("t/#")
            assert str(refused[0]) != "Granted QoS 0"
            await a.publish("t/ab", b"hello", qos=1)
            assert await message(b) == ("t/ab", b"hello")
            await a.publish("t/other", b"no row", qos=1)
            await b.publish("t/ab", b"against the arrow", qos=1)
            await a.publish("t/ab", b"again", qos=1)
            assert await message(b) == ("t/ab", b"again")
            assert len(c.messages) == 0


@pytest.mark.spec("H13")
async def test_messages_pass_to_and_from_the_cloud_along_rows(estate: Estate) -> None:
    who = await watcher(estate)
    async with running_core(estate.root) as core:
        await estate.deploy(core)
        async with (
            watching(estate.cloud, who, "t/#") as cloud,
            estate.device(core, estate.a) as a,
            estate.device(core, estate.b) as b,
        ):
            await b.subscribe("t/down")
            await a.publish("t/up", b"to the cloud", qos=1)
            assert await message(cloud) == ("t/up", b"to the cloud")
            await until(lambda: f"{CORE}-c01" in clients(estate.cloud))
            await cloud.publish("t/down", b"from the cloud", qos=1)
            assert await message(b) == ("t/down", b"from the cloud")
            assert f"{CORE}-c00" in clients(estate.cloud)


def held_until_somebody_listens(link: CloudLink) -> asyncio.Event:
    """Let the queue send nothing over the next connection until the event is set."""
    listening, outlet = asyncio.Event(), link.outlet

    async def later() -> LinkOutlet:
        await listening.wait()
        return await outlet()

    link.outlet = later  # type: ignore[method-assign]  # held up, for the test
    return listening


@pytest.mark.spec("H01")
@pytest.mark.promise(10)
async def test_without_a_cloud_local_messages_go_on_and_the_queue_arrives_later_in_order(
    estate: Estate,
) -> None:
    who = await watcher(estate)
    async with running_core(estate.root) as core:
        await estate.deploy(core)
        async with estate.device(core, estate.a) as a, estate.device(core, estate.b) as b:
            await b.subscribe("t/ab")
            listening = held_until_somebody_listens(core.link)
            await estate.cloud.app.stop()
            await until(lambda: not core.link.is_connected)
            for number in range(20):
                await a.publish("t/up", b"%d" % number, qos=1)
            await a.publish("t/ab", b"still here", qos=1)
            assert await message(b) == ("t/ab", b"still here")
            assert core.queue.counters.waiting == 20
            await restarted(estate)
            async with watching(estate.cloud, who, "t/up") as cloud:
                listening.set()
                received = [(await message(cloud))[1] for _ in range(20)]
            assert received == [b"%d" % number for number in range(20)]
            await a.publish("t/ab", b"never cut", qos=1)
            assert await message(b) == ("t/ab", b"never cut")


@pytest.mark.spec("A05")
@pytest.mark.promise(10)
async def test_a_core_that_starts_without_its_cloud_serves_what_was_deployed(
    estate: Estate,
) -> None:
    async with running_core(estate.root) as core:
        await estate.deploy(core)
    roots = await estate.group_roots(estate.a)
    await estate.cloud.app.stop()
    async with running_core(estate.root) as core:
        contexts = [
            client_context(roots, thing.identity.key, thing.identity.certificate_pem)
            for thing in (estate.a, estate.b)
        ]
        async with (
            aiomqtt.Client(
                "127.0.0.1", core.mqtt_port, identifier="A", tls_context=contexts[0]
            ) as a,
            aiomqtt.Client(
                "127.0.0.1", core.mqtt_port, identifier="B", tls_context=contexts[1]
            ) as b,
        ):
            await b.subscribe("t/ab")
            await a.publish("t/ab", b"offline", qos=1)
            assert await message(b) == ("t/ab", b"offline")
    await restarted(estate)


@pytest.mark.promise(4)
async def test_a_revoked_certificate_is_cut_within_a_second_and_stays_out(estate: Estate) -> None:
    async with running_core(estate.root) as core:
        await estate.deploy(core)
        async with estate.device(core, estate.b) as b:
            await b.subscribe("t/ab")
            with pytest.raises(aiomqtt.MqttError):  # noqa: PT012 - the connection ends inside
                async with estate.device(core, estate.a) as a:
                    await a.publish("t/ab", b"before", qos=1)
                    assert await message(b) == ("t/ab", b"before")
                    await estate.cloud.iot(
                        "update_certificate",
                        certificateId=estate.a.certificate_arn.rpartition("/")[2],
                        newStatus="REVOKED",
                    )
                    revoked = time.monotonic()
                    await message(a)
            assert time.monotonic() - revoked < 1
            with pytest.raises((ConnectionEndedError, ssl.SSLError)):
                await refused_by(core, estate)
            assert [s.client_id for s in core.server.broker.sessions] == ["B"]


async def refused_by(core: CoreApp, estate: Estate) -> None:
    """Try to connect A with the certificate it had."""
    roots = await estate.group_roots(estate.b)
    identity = estate.a.identity
    context = client_context(roots, identity.key, identity.certificate_pem)
    client = await MqttClient.open(
        "127.0.0.1", core.mqtt_port, tls=context, server_hostname="127.0.0.1"
    )
    async with client:
        await client.connect("A")


@pytest.mark.spec("C05", "Y02")
@pytest.mark.promise(5)
async def test_a_new_server_certificate_disconnects_nobody(estate: Estate) -> None:
    async with running_core(estate.root) as core:
        await estate.deploy(core)
        async with estate.device(core, estate.a) as a, estate.device(core, estate.b) as b:
            await b.subscribe("t/ab")
            sessions = {session.id for session in core.server.broker.sessions}
            before = core.keeper.served
            await estate.set_addresses("127.0.0.1", "core.example")
            await until(lambda: core.keeper.served is not before)
            served = core.keeper.served
            assert served is not None
            assert set(served.requested_names) == {"127.0.0.1", "core.example"}
            await a.publish("t/ab", b"on the old connection", qos=1)
            assert await message(b) == ("t/ab", b"on the old connection")
            assert {session.id for session in core.server.broker.sessions} == sessions
            async with estate.device(core, estate.c) as c:
                presented = _presented(c)
            assert presented == ssl.PEM_cert_to_DER_cert(served.pem)


def _presented(client: aiomqtt.Client) -> bytes | None:
    connection = client._client.socket()
    assert isinstance(connection, ssl.SSLSocket)
    return connection.getpeercert(binary_form=True)


@pytest.mark.spec("P05")
async def test_a_later_deployment_keeps_clients_and_a_failed_one_keeps_everything(
    estate: Estate,
) -> None:
    async with running_core(estate.root) as core:
        await estate.deploy(core)
        async with estate.device(core, estate.a) as a, estate.device(core, estate.c) as c:
            await estate.group.new_version(
                estate.a, estate.c, rows=(row(estate.a, "t/ac", estate.c),)
            )
            await estate.deploy(core)
            await c.subscribe("t/ac")
            await a.publish("t/ac", b"new row", qos=1)
            assert await message(c) == ("t/ac", b"new row")
            running = core.agent.state.running
            policy = core_policy(estate.group.group_id, "t/up", "t/down")
            await estate.cloud.edit_policy(
                CORE, policy.replace("greengrass:GetDeploymentArtifacts", "greengrass:Nothing")
            )
            status = await estate.deploy(core, "Failure")
            assert "greengrass:GetDeploymentArtifacts" in status["ErrorMessage"]
            assert core.agent.state.running == running
            await a.publish("t/ac", b"as before", qos=1)
            assert await message(c) == ("t/ac", b"as before")


@pytest.mark.spec("D05", "D06", "D07", "D08", "D09", "D10", "D12", "D15")
async def test_every_action_of_the_minimal_policy_is_needed_and_missed_by_name(
    estate: Estate, tmp_path: Path
) -> None:
    arn = f"arn:aws:iot:{REGION}:{ACCOUNT}"
    deployments = f"arn:aws:greengrass:{REGION}:{ACCOUNT}:/greengrass/groups/"
    shadow = f"{arn}:topic/$aws/things/{CORE}-gda/shadow/get"
    needed = {
        "iot:Connect": f"{arn}:client/{CORE}-c00",
        "iot:Subscribe": f"{arn}:topicfilter/$aws/things/{CORE}-gda/shadow/",
        "iot:Publish": shadow,
        "iot:Receive": f"{shadow}/accepted",
        "iot:GetThingShadow": f"{arn}:thing/{CORE}-gcm",
        "iot:UpdateThingShadow": f"{arn}:thing/{CORE}-gda",
        "greengrass:GetDeployment": deployments,
        "greengrass:GetDeploymentArtifacts": deployments,
        "greengrass:UpdateCoreDeploymentStatus": deployments,
        "greengrass:GetConnectivityInfo": f"{arn}:thing/{CORE}-gci",
        "greengrass:UpdateConnectivityInfo": f"{arn}:thing/{CORE}-gci",
        "greengrass:CreateCertificate": "on *",
    }
    policy = minimal_core_policy(
        region=REGION, account=ACCOUNT, core_thing_name=CORE, group_id=estate.group.group_id
    )
    await estate.group.new_version(estate.a, estate.b, rows=(row(estate.a, "t/ab", estate.b),))
    await with_detector(estate)
    await estate.cloud.edit_policy(CORE, policy)
    async with running_core(estate.root) as core:
        await estate.deploy(core)
        await until(lambda: core.agent._reporter._shadow is not None)
        assert core.problems == ()
    for action, resource in needed.items():
        await drop_old_versions(estate)
        await estate.cloud.edit_policy(CORE, without(policy, action))
        root = tmp_path / action.replace(":", "-")
        shutil.copytree(estate.root / "certs", root / "certs")
        shutil.copytree(estate.root / "config", root / "config")
        (root / "certs").chmod(0o700)
        config = (root / "config/config.json").read_text().replace(str(estate.root), str(root))
        (root / "config/config.json").write_text(config)
        async with running_core(root) as core:
            core.notices._answer_seconds = 0.5
            await until(functools.partial(_names, core, action, resource))


def _names(core: CoreApp, action: str, resource: str) -> bool:
    return any(action in problem and resource in problem for problem in core.problems)


@pytest.mark.spec("E08", "E09", "Y03")
async def test_detected_addresses_reach_discovery_and_the_server_certificate(
    estate: Estate,
) -> None:
    await with_detector(estate)
    async with running_core(estate.root) as core:
        await estate.deploy(core)
        async with estate.cloud.https(estate.a.identity) as https:
            answer = await https.get(discovery_path("A"))
        entries = answer.json["GGGroups"][0]["Cores"][0]["Connectivity"]
        assert {"127.0.0.1"} < {entry["HostAddress"] for entry in entries}
        assert {entry["PortNumber"] for entry in entries} == {core.mqtt_port}
        assert all(entry["Id"].startswith("AUTOIP_") for entry in entries)
        served = core.keeper.served
        assert served is not None
        assert set(served.requested_names) == {entry["HostAddress"] for entry in entries}
        async with estate.device(core, estate.a) as a:
            await a.publish("t/ab", b"connected as discovered", qos=1)


@pytest.mark.promise(4)
async def test_a_reset_takes_everything_of_the_group_from_the_core_but_not_its_identity(
    estate: Estate,
) -> None:
    async with running_core(estate.root) as core:
        await estate.deploy(core)
        assert (estate.root / "ggc/var/state/server/server.crt").exists()
        async with estate.device(core, estate.a):
            await estate.cloud.greengrass("reset_deployments", GroupId=estate.group.group_id)
            await until(lambda: core.agent.state.running is None)
            await until(lambda: core.server.broker.sessions == ())
        assert list((estate.root / "ggc/var/state/server").iterdir()) == []
        assert not (estate.root / "ggc/deployment/group").exists()
        assert (estate.root / "config/config.json").exists()
        assert (estate.root / "certs/core.private.key").exists()


@pytest.mark.spec("I10")
async def test_everything_works_over_one_port_by_alpn(
    estate: Estate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Port 443 itself is not free on every machine, so another one takes its part."""
    port = estate.endpoints.combined_port
    assert port is not None
    monkeypatch.setattr("hedgerow.core.link.identity._ALPN_PORT", port)
    place = CloudPlace(port, port, estate.cloud.roots_pem)
    write_root(estate.root, estate.group.core.arn, estate.group.core.identity, place)
    async with running_core(estate.root) as core:
        await estate.deploy(core)
        async with estate.device(core, estate.a) as a, estate.device(core, estate.b) as b:
            await b.subscribe("t/ab")
            await a.publish("t/ab", b"over one port", qos=1)
            assert await message(b) == ("t/ab", b"over one port")


@pytest.mark.promise(4)
async def test_a_device_whose_policy_is_detached_is_cut_by_the_core_too(estate: Estate) -> None:
    """All three artefacts are needed: thing, certificate and policy (statement A02)."""
    async with running_core(estate.root) as core:
        await estate.deploy(core)
        with pytest.raises(aiomqtt.MqttError):  # noqa: PT012 - the connection ends inside
            async with estate.device(core, estate.a) as a:
                await estate.cloud.iot(
                    "detach_policy", policyName="A-policy", target=estate.a.certificate_arn
                )
                detached = time.monotonic()
                await message(a)
        assert time.monotonic() - detached < 1


async def test_a_certificate_made_after_the_deployment_gets_in_without_another(
    estate: Estate,
) -> None:
    async with running_core(estate.root) as core:
        await estate.deploy(core)
        serial = core.agent.state.membership_serial or 0
        key = new_key()
        made = await estate.cloud.iot(
            "create_certificate_from_csr",
            certificateSigningRequest=signing_request(key),
            setAsActive=True,
        )
        for operation, members in (
            ("attach_policy", {"policyName": "A-policy", "target": made["certificateArn"]}),
            ("attach_thing_principal", {"thingName": "A", "principal": made["certificateArn"]}),
        ):
            await estate.cloud.iot(operation, **members)
        await until(lambda: (core.agent.state.membership_serial or 0) > serial)
        identity = Identity(key, made["certificatePem"])
        second = dataclasses.replace(estate.a, identity=identity)
        async with estate.device(core, second) as client:
            await client.publish("t/ab", b"with the new certificate", qos=1)


@pytest.mark.spec("P12")
@pytest.mark.promise(4)
async def test_a_core_that_comes_back_after_a_forced_reset_wipes_itself(estate: Estate) -> None:
    async with running_core(estate.root) as core:
        await estate.deploy(core)
    await estate.cloud.greengrass("reset_deployments", GroupId=estate.group.group_id, Force=True)
    async with running_core(estate.root) as core:
        await until(lambda: core.agent.state.running is None)
    assert list((estate.root / "ggc/var/state/server").iterdir()) == []
    assert not (estate.root / "ggc/deployment/group").exists()
