"""The core's server certificate with a real cloud: names before addresses, permission each time."""

import ipaddress
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography import x509
from tests.support.core import running_core, until
from tests.support.core_estate import (
    CORE,
    Estate,
    core_estate,
    core_policy,
    with_detector,
    without,
)
from tests.support.mqtt_client import MqttClient

from hedgerow.contract import ConnectivityInfo
from hedgerow.core.addresses import local_addresses
from hedgerow.core.certificates import ServerCertificate
from hedgerow.pki import FileKey, client_context

OURS = ipaddress.ip_address("127.0.0.1")
NEW = ipaddress.ip_address("127.0.0.9")


@pytest.fixture
async def estate(tmp_path: Path) -> AsyncIterator[Estate]:
    async with core_estate(tmp_path) as made:
        yield made


@pytest.mark.spec("C04", "E09")
@pytest.mark.promise(5)
async def test_an_address_is_published_only_once_a_certificate_that_names_it_is_served(
    estate: Estate,
) -> None:
    await with_detector(estate)
    async with running_core(estate.root) as core:
        found = [OURS]
        core.detector._addresses = lambda: tuple(found)
        named_when_published: list[tuple[set[str], set[str]]] = []
        publish = core.http.update_connectivity

        async def watched(info: ConnectivityInfo) -> None:
            served = core.keeper.served
            assert served is not None
            hosts = {entry.host_address for entry in info.connectivity_info}
            named_when_published.append((hosts, set(served.names())))
            await publish(info)

        core.http.update_connectivity = watched  # type: ignore[method-assign]  # and goes on
        await estate.deploy(core)
        await until(lambda: len(named_when_published) == 1)
        roots = await estate.group_roots(estate.a)
        context = client_context(roots, estate.a.identity.key, estate.a.identity.certificate_pem)
        async with await MqttClient.open(
            "127.0.0.1", core.mqtt_port, tls=context, server_hostname="127.0.0.1"
        ) as client:
            await client.connect("A")
            found.append(NEW)
            core.detector.look_again()
            await until(lambda: len(named_when_published) == 2)
            await client.sync()
        assert [hosts <= named for hosts, named in named_when_published] == [True, True]
        assert named_when_published[1][0] == {str(OURS), str(NEW)}
        async with await MqttClient.open(
            str(NEW), core.mqtt_port, tls=context, server_hostname=str(NEW)
        ) as client:
            await client.connect("A")


@pytest.mark.spec("C07", "C12")
async def test_the_core_watches_its_addresses_with_one_subscription(estate: Estate) -> None:
    async with running_core(estate.root) as core:
        await estate.deploy(core)
        broker = estate.cloud.app._rooms.accounts.founding.broker
        held = [
            topic_filter
            for client_id in broker.client_ids
            for topic_filter in broker._broker.subscriptions_of(client_id)
        ]
        assert [one for one in held if "-gci/" in one] == [
            f"$aws/things/{CORE}-gci/shadow/update/delta"
        ]
        await estate.set_addresses("127.0.0.1", "core.example")
        await until(lambda: "core.example" in _named(core.keeper.served))


@pytest.mark.spec("C04", "D05")
async def test_every_renewal_needs_the_permission_and_says_so(estate: Estate) -> None:
    async with running_core(estate.root) as core:
        await estate.deploy(core)
        before = core.keeper.served
        policy = core_policy(estate.group.group_id, "t/up", "t/down")
        await estate.cloud.edit_policy(CORE, without(policy, "greengrass:CreateCertificate"))
        await estate.set_addresses("127.0.0.1", "core.example")
        await until(lambda: "greengrass:CreateCertificate" in (core.keeper.problem or ""))
        assert core.keeper.served is before
        await estate.cloud.edit_policy(CORE, policy)
        core.keeper.addresses_changed()
        await until(lambda: "core.example" in _named(core.keeper.served))
        assert core.keeper.problem is None


@pytest.mark.spec("A10")
async def test_a_server_key_that_is_configured_is_the_one_that_clients_see(estate: Estate) -> None:
    key = FileKey.generate_ec(estate.root / "certs/server.key", "P-384")
    path = estate.root / "config/config.json"
    document = json.loads(path.read_text())
    principal = {"privateKeyPath": f"file://{estate.root}/certs/server.key"}
    document["crypto"]["principals"]["MQTTServerCertificate"] = principal
    path.write_text(json.dumps(document))
    async with running_core(estate.root) as core:
        await estate.deploy(core)
        roots = await estate.group_roots(estate.a)
        context = client_context(roots, estate.a.identity.key, estate.a.identity.certificate_pem)
        async with await MqttClient.open(
            "127.0.0.1", core.mqtt_port, tls=context, server_hostname="127.0.0.1"
        ) as client:
            await client.connect("A")
            seen = client.transport.get_extra_info("ssl_object").getpeercert(binary_form=True)
    assert x509.load_der_x509_certificate(seen).public_key() == key.public_key


async def test_a_core_without_addresses_is_served_under_those_it_has_and_says_so(
    estate: Estate,
) -> None:
    await estate.set_addresses()
    async with running_core(estate.root) as core:
        await estate.deploy(core)
        board = core.board
        assert _named(core.keeper.served) >= set(map(str, local_addresses()))
        advice = str(board.status()["advice"])
        assert "update-connectivity-info" in advice
        await estate.set_addresses("core.example")
        await until(lambda: board.status()["advice"] == [])


async def test_without_the_right_to_publish_addresses_none_but_its_own_machine_is_named(
    estate: Estate,
) -> None:
    await estate.set_addresses()
    policy = core_policy(estate.group.group_id, "t/up", "t/down")
    await estate.cloud.edit_policy(CORE, without(policy, "greengrass:UpdateConnectivityInfo"))
    async with running_core(estate.root) as core:
        await estate.deploy(core)
        assert _named(core.keeper.served) == {"localhost"}


@pytest.mark.promise(5)
async def test_an_authority_of_its_own_is_given_to_a_tagged_group_only_and_recorded(
    estate: Estate,
) -> None:
    path = estate.root / "config/config.json"
    config = json.loads(path.read_text())
    config["hedgerow"] = {"delegatedIssuing": True}
    path.write_text(json.dumps(config))
    call, group_id = estate.cloud.greengrass, estate.group.group_id
    async with running_core(estate.root) as core:
        await estate.deploy(core)
        assert core.keeper.served is not None
        assert core.keeper.fence is None
        group = await call("get_group", GroupId=group_id)
        tags = {"hedgerow:delegated-issuing-days": "30"}
        await call("tag_resource", ResourceArn=group["Arn"], tags=tags)
        await estate.set_addresses("127.0.0.1", "core.example")
        await until(lambda: "core.example" in _named(core.keeper.served))
        assert core.keeper.fence is None  # the group's authority is from before the tag
        await call("create_group_certificate_authority", GroupId=group_id)
        await estate.set_addresses("127.0.0.1")
        await until(lambda: core.keeper.fence is not None)
        roots = await estate.group_roots(estate.a)
        served = core.keeper.served
        made = core.keeper._own_authority.issue(served, served.key)  # type: ignore[union-attr]
        assert made is None  # it would not last longer than what the cloud issued
        context = client_context(roots, estate.a.identity.key, estate.a.identity.certificate_pem)
        async with await MqttClient.open(
            "127.0.0.1", core.mqtt_port, tls=context, server_hostname="127.0.0.1"
        ) as client:
            await client.connect("A")
    events = await estate.cloud.call(
        "cloudtrail",
        "lookup_events",
        LookupAttributes=[
            {
                "AttributeKey": "EventName",
                "AttributeValue": "CreateDelegatedCertificateAuthority",
            }
        ],
    )
    [event] = events["Events"]
    said = json.loads(event["CloudTrailEvent"])
    assert "127.0.0.1" in said["requestParameters"]["PermittedNames"]
    assert "core.example" not in said["requestParameters"]["PermittedNames"]


def _named(served: ServerCertificate | None) -> set[str]:
    return set(served.names()) if served is not None else set()
