"""Identity follows the thing: certificates come, go and move in the cloud, without a deployment."""

import json
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from tests.support.cloud import ACCOUNT, REGION, EnrolledThing, signing_request
from tests.support.core import running_core, until
from tests.support.core_estate import Estate, core_estate
from tests.support.mqtt_client import ConnectionEndedError, MqttClient
from tests.support.pki import Identity, new_key

from hedgerow.core.app import CoreApp
from hedgerow.mqtt import ReasonCode
from hedgerow.pki import client_context

_IN_FORCE_S = 1.0


@pytest.fixture
async def estate(tmp_path: Path) -> AsyncIterator[Estate]:
    async with core_estate(tmp_path) as made:
        yield made


async def _certificate(estate: Estate, *things: str) -> Identity:
    """Make a further certificate of things, as for a rotation on the device."""
    key = new_key()
    made = await estate.cloud.iot(
        "create_certificate_from_csr",
        certificateSigningRequest=signing_request(key),
        setAsActive=True,
    )
    for thing in things:
        await estate.cloud.iot(
            "attach_policy", policyName=f"{thing}-policy", target=made["certificateArn"]
        )
        await estate.cloud.iot(
            "attach_thing_principal", thingName=thing, principal=made["certificateArn"]
        )
    return Identity(key, made["certificatePem"])


def _arn(identity: Identity) -> str:
    return f"arn:aws:iot:{REGION}:{ACCOUNT}:cert/{identity.certificate_id}"


async def _connected(core: CoreApp, roots: str, identity: Identity, name: str) -> MqttClient:
    context = client_context(roots, identity.key, identity.certificate_pem)
    client = await MqttClient.open(
        "127.0.0.1", core.mqtt_port, tls=context, server_hostname="127.0.0.1"
    )
    answer = await client.connect(name)
    assert answer.reason == 0, answer
    return client


async def _listed(core: CoreApp, identity: Identity, name: str) -> None:
    await until(
        lambda: core.server.authority.serving.member(identity.certificate_id, name) is not None
    )


async def _unlisted(core: CoreApp, identity: Identity, name: str) -> None:
    await until(lambda: core.server.authority.serving.member(identity.certificate_id, name) is None)


async def test_a_thing_has_several_certificates_and_a_new_one_needs_no_deployment(
    estate: Estate,
) -> None:
    async with running_core(estate.root) as core:
        await estate.deploy(core)
        running = core.agent.state.running
        roots = await estate.group_roots(estate.b)
        second = await _certificate(estate, "A")
        await _listed(core, second, "A")
        async with await _connected(core, roots, estate.b.identity, "B") as receiver:
            await receiver.subscribe("t/ab")
            for identity in (estate.a.identity, second):
                async with await _connected(core, roots, identity, "A") as sender:
                    await sender.publish("t/ab", b"either", qos=1)
                    assert (await receiver.message()).payload == b"either"
            # The rotation ends: the old certificate goes, the device is on the new one.
            async with await _connected(core, roots, second, "A") as device:
                await estate.cloud.iot(
                    "update_certificate",
                    certificateId=estate.a.identity.certificate_id,
                    newStatus="INACTIVE",
                )
                await _unlisted(core, estate.a.identity, "A")
                await device.publish("t/ab", b"rotated", qos=1)
                assert (await receiver.message()).payload == b"rotated"
        assert core.agent.state.running == running
        with pytest.raises((ssl.SSLError, ConnectionEndedError)):
            await _connected(core, roots, estate.a.identity, "A")


Change = Callable[[Estate], Awaitable[None]]


async def _deactivated(estate: Estate) -> None:
    await estate.cloud.iot(
        "update_certificate",
        certificateId=estate.a.identity.certificate_id,
        newStatus="INACTIVE",
    )


async def _revoked(estate: Estate) -> None:
    await estate.cloud.iot(
        "update_certificate", certificateId=estate.a.identity.certificate_id, newStatus="REVOKED"
    )


async def _detached(estate: Estate) -> None:
    await estate.cloud.iot(
        "detach_thing_principal", thingName="A", principal=estate.a.certificate_arn
    )


async def _without_policy(estate: Estate) -> None:
    await estate.cloud.iot("detach_policy", policyName="A-policy", target=estate.a.certificate_arn)


async def _thing_deleted(estate: Estate) -> None:
    await _detached(estate)
    await estate.cloud.iot("delete_thing", thingName="A")


async def _moved(estate: Estate) -> None:
    await estate.cloud.iot(
        "attach_thing_principal", thingName="C", principal=estate.a.certificate_arn
    )
    await _detached(estate)


@pytest.mark.promise(4)
@pytest.mark.parametrize(
    "change", [_deactivated, _revoked, _detached, _without_policy, _thing_deleted, _moved]
)
async def test_a_live_connection_is_cut_within_a_second_of_the_answer(
    estate: Estate, change: Change
) -> None:
    async with running_core(estate.root) as core:
        await estate.deploy(core)
        roots = await estate.group_roots(estate.b)
        async with (
            await _connected(core, roots, estate.b.identity, "B") as stays,
            await _connected(core, roots, estate.a.identity, "A") as goes,
        ):
            await change(estate)
            answered = time.monotonic()
            await goes.expect_end()
            assert time.monotonic() - answered < _IN_FORCE_S
            await stays.sync()
        assert core.server.authority.serving.member(estate.a.identity.certificate_id, "A") is None


async def test_a_certificate_that_moves_stands_for_its_new_thing_only(estate: Estate) -> None:
    async with running_core(estate.root) as core:
        await estate.deploy(core)
        roots = await estate.group_roots(estate.b)
        await _moved(estate)
        await _listed(core, estate.a.identity, "C")
        async with await _connected(core, roots, estate.a.identity, "C") as client:
            await client.sync()
        context = client_context(roots, estate.a.identity.key, estate.a.identity.certificate_pem)
        async with await MqttClient.open(
            "127.0.0.1", core.mqtt_port, tls=context, server_hostname="127.0.0.1"
        ) as client:
            assert (await client.connect("A")).reason != ReasonCode.SUCCESS


async def test_two_things_share_a_certificate_each_under_its_own_name(estate: Estate) -> None:
    async with running_core(estate.root) as core:
        await estate.deploy(core)
        roots = await estate.group_roots(estate.b)
        shared = await _certificate(estate, "A", "C")
        await _listed(core, shared, "C")
        async with (
            await _connected(core, roots, shared, "A") as one,
            await _connected(core, roots, shared, "C") as other,
        ):
            await estate.cloud.iot("detach_thing_principal", thingName="C", principal=_arn(shared))
            await other.expect_end()
            await one.sync()


@pytest.mark.promise(4)
async def test_what_waits_for_a_device_goes_with_its_last_certificate(estate: Estate) -> None:
    path = estate.root / "config/config.json"
    config = json.loads(path.read_text())
    config["hedgerow"] = {"localQos": 1, "localSessions": 3600}
    path.write_text(json.dumps(config))
    async with running_core(estate.root) as core:
        await estate.deploy(core)
        roots = await estate.group_roots(estate.b)
        away = await _away(core, roots, estate.b)
        async with await _connected(core, roots, estate.a.identity, "A") as sender:
            await sender.publish("t/ab", b"waits", qos=1)
            await estate.cloud.iot(
                "update_certificate",
                certificateId=away.certificate_id,
                newStatus="INACTIVE",
            )
            await until(lambda: not core.server.broker.sessions_away)
            await sender.publish("t/ab", b"for nobody", qos=1)
            await estate.cloud.iot(
                "update_certificate", certificateId=away.certificate_id, newStatus="ACTIVE"
            )
            await _listed(core, away, "B")
            async with await _connected(core, roots, away, "B") as back:
                await back.sync()


async def _away(core: CoreApp, roots: str, thing: EnrolledThing) -> Identity:
    """Have a device subscribe with a session that lasts, and go."""
    context = client_context(roots, thing.identity.key, thing.identity.certificate_pem)
    client = await MqttClient.open(
        "127.0.0.1", core.mqtt_port, tls=context, server_hostname="127.0.0.1"
    )
    async with client:
        await client.connect(thing.name, clean_start=False)
        await client.subscribe("t/ab", qos=1)
    await until(lambda: bool(core.server.broker.sessions_away))
    return thing.identity
