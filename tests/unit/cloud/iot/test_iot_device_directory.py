"""The directory is what the store says, and knows of every change before it is asked again."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from tests.support.registry import (
    HOME,
    Device,
    Registrar,
    allow,
    deny,
    foreign_authority,
    issued,
    our_authority,
    policy,
    registry,
)

from hedgerow.cloud.iot import DeviceDirectory, DirectoryChange, thing_arn
from hedgerow.cloud.iot.documents import CERTIFICATE, IOT_POLICY, IotPolicy, PolicyVersion
from hedgerow.kernel import DeniedError
from hedgerow.store import Kind, Record, Store

PUBLISH = f"arn:aws:iot:{HOME.region}:{HOME.account}:topic/t"


@pytest.fixture
async def registrar(tmp_path: Path) -> AsyncIterator[Registrar]:
    async with registry(tmp_path) as opened:
        yield opened


@pytest.fixture
def device() -> Device:
    return issued()


@pytest.mark.spec("A02")
async def test_a_device_needs_thing_active_certificate_and_policy(
    registrar: Registrar, device: Device
) -> None:
    directory = registrar.directory
    with pytest.raises(DeniedError, match="not registered"):
        directory.admit(device.id)
    await registrar.certificate(device, status="INACTIVE")
    with pytest.raises(DeniedError, match="INACTIVE"):
        directory.admit(device.id)
    await registrar.status(device, "ACTIVE")
    with pytest.raises(DeniedError, match="no thing"):
        directory.admit(device.id)
    await registrar.thing("lamp")
    await registrar.attach_thing("lamp", device)
    with pytest.raises(DeniedError, match="no policy"):
        directory.admit(device.id)
    await registrar.policy("p")
    await registrar.attach_policy("p", device)
    admitted = directory.admit(device.id)
    assert (admitted.things, [named.name for named in admitted.policies]) == (("lamp",), ["p"])
    assert (admitted.account, admitted.region) == (HOME.account, HOME.region)


@pytest.mark.spec("A02")
@pytest.mark.parametrize("taken_away", ["thing", "certificate", "policy"])
async def test_taking_any_one_of_the_three_away_refuses_at_once(
    registrar: Registrar, device: Device, taken_away: str
) -> None:
    await registrar.enrol("lamp", device)
    proof = registrar.directory.admit(device.id)
    assert registrar.directory.authorize(proof, "iot:Publish", PUBLISH).allowed
    if taken_away == "thing":
        await registrar.detach_thing("lamp", device)
    elif taken_away == "certificate":
        await registrar.status(device, "REVOKED")
    else:
        await registrar.detach_policy("lamp-policy", device)
    with pytest.raises(DeniedError):
        registrar.directory.admit(device.id)
    decision = registrar.directory.authorize(proof, "iot:Publish", PUBLISH)
    assert not decision.allowed
    assert device.id[:10] in decision.reason


async def test_an_edited_policy_is_in_force_at_once(registrar: Registrar, device: Device) -> None:
    await registrar.enrol("lamp", device, policy(allow("iot:Publish", "topic/t")))
    proof = registrar.directory.admit(device.id)
    assert registrar.directory.authorize(proof, "iot:Publish", PUBLISH).allowed
    await registrar.edit_policy("lamp-policy", policy(deny("iot:Publish", "topic/t")))
    decision = registrar.directory.authorize(proof, "iot:Publish", PUBLISH)
    assert decision.effect == "explicit-deny"


async def test_a_directory_started_later_knows_the_same(
    registrar: Registrar, device: Device
) -> None:
    await registrar.enrol("lamp", device)
    later = DeviceDirectory(
        registrar.store, HOME, device_authorities=[our_authority().certificate_pem]
    )
    await later.start()
    try:
        admitted = later.admit(device.id)
        assert [named.name for named in admitted.policies] == ["lamp-policy"]
        assert later.authorize(admitted, "iot:Publish", PUBLISH).allowed
        assert later.things_of(device.id) == ("lamp",)
        assert later.certificates_of("lamp") == (device.id,)
    finally:
        await later.stop()


async def test_listeners_hear_whom_a_change_concerns(registrar: Registrar, device: Device) -> None:
    await registrar.enrol("lamp", device)
    heard: list[DirectoryChange] = []
    stop = registrar.directory.on_change(heard.append)
    await registrar.edit_policy("lamp-policy", policy(allow("iot:Connect", "client/lamp")))
    assert heard == [
        DirectoryChange(
            certificates=frozenset({device.id}),
            things=frozenset({"lamp"}),
            anchors_changed=False,
        )
    ]
    heard.clear()
    await registrar.detach_thing("lamp", device)
    assert {one for change in heard for one in change.certificates} == {device.id}
    assert {one for change in heard for one in change.things} == {"lamp"}
    heard.clear()
    stop()
    await registrar.status(device, "REVOKED")
    assert heard == []


async def test_a_listener_that_fails_does_not_keep_others_from_hearing(
    registrar: Registrar, device: Device
) -> None:
    heard: list[DirectoryChange] = []

    def broken(_change: DirectoryChange) -> None:
        raise RuntimeError("broken listener")

    registrar.directory.on_change(broken)
    registrar.directory.on_change(heard.append)
    await registrar.certificate(device)
    await registrar.status(device, "INACTIVE")
    assert len(heard) == 2


async def test_what_concerns_no_certificate_is_told_to_nobody(
    registrar: Registrar, device: Device
) -> None:
    """Thousands of things are registered in a row while devices are connected."""
    await registrar.enrol("lamp", device)
    heard: list[DirectoryChange] = []
    registrar.directory.on_change(heard.append)
    before = registrar.directory.epoch
    await registrar.thing("fan", {"plant": "north"})
    await registrar.policy("unused")
    assert (heard, registrar.directory.epoch) == ([], before)
    await registrar.attach_thing("fan", device)
    assert {thing for change in heard for thing in change.things} == {"lamp", "fan"}


async def test_the_epoch_grows_with_every_change(registrar: Registrar, device: Device) -> None:
    before = registrar.directory.epoch
    await registrar.certificate(device)
    assert registrar.directory.epoch > before


async def test_anchors_are_our_authority_and_active_foreign_certificates(
    registrar: Registrar, device: Device
) -> None:
    ours = our_authority().certificate_pem
    foreign = issued(foreign_authority())
    await registrar.certificate(device)
    assert registrar.directory.trust_anchors().everyone == (ours,)
    heard: list[DirectoryChange] = []
    registrar.directory.on_change(heard.append)
    await registrar.certificate(foreign)
    assert registrar.directory.trust_anchors().everyone == (ours, foreign.pem)
    assert heard[-1].anchors_changed
    await registrar.status(foreign, "INACTIVE")
    assert registrar.directory.trust_anchors().everyone == (ours,)
    assert heard[-1].anchors_changed
    await registrar.status(device, "INACTIVE")
    assert not heard[-1].anchors_changed


@pytest.mark.spec("A16")
async def test_thing_variables_hold_for_the_thing_and_for_a_cores_further_connections(
    registrar: Registrar, device: Device
) -> None:
    text = policy(
        allow("iot:Publish", "topic/of/${iot:Connection.Thing.ThingName}"),
        allow("iot:Connect", "client/${iot:ClientId}"),
    )
    await registrar.enrol("core", device, text)
    await registrar.thing("other")
    proof = registrar.directory.admit(device.id)

    def may_publish(client_id: str | None, name: str) -> bool:
        resource = f"arn:aws:iot:{HOME.region}:{HOME.account}:topic/of/{name}"
        return registrar.directory.authorize(
            proof, "iot:Publish", resource, client_id=client_id
        ).allowed

    assert may_publish("core", "core")
    assert may_publish("core-c00", "core")
    assert not may_publish("other", "other")
    assert not may_publish("core-x", "core")
    assert not may_publish(None, "core")
    connect = f"arn:aws:iot:{HOME.region}:{HOME.account}:client/core-c00"
    assert registrar.directory.authorize(
        proof, "iot:Connect", connect, client_id="core-c00"
    ).allowed


async def test_attributes_of_the_thing_are_variables(registrar: Registrar, device: Device) -> None:
    text = policy(allow("iot:Publish", "topic/${iot:Connection.Thing.Attributes[plant]}/t"))
    await registrar.thing("lamp", {"plant": "north"})
    await registrar.certificate(device)
    await registrar.attach_thing("lamp", device)
    await registrar.policy("p", text)
    await registrar.attach_policy("p", device)
    proof = registrar.directory.admit(device.id)
    resource = f"arn:aws:iot:{HOME.region}:{HOME.account}:topic/north/t"
    assert registrar.directory.authorize(proof, "iot:Publish", resource, client_id="lamp").allowed


async def test_discovery_is_judged_without_a_session(registrar: Registrar, device: Device) -> None:
    await registrar.enrol("lamp", device, policy(allow("greengrass:Discover", "thing/lamp")))
    proof = registrar.directory.admit(device.id)
    authorize = registrar.directory.authorize
    assert authorize(proof, "greengrass:Discover", thing_arn(HOME, "lamp")).allowed
    refused = authorize(proof, "greengrass:Discover", thing_arn(HOME, "fan"))
    assert not refused.allowed
    assert "greengrass:Discover" in refused.reason
    assert thing_arn(HOME, "fan") in refused.reason


async def test_a_malformed_stored_policy_admits_nobody(
    registrar: Registrar, device: Device
) -> None:
    await registrar.enrol("lamp", device)
    async with registrar.store.transaction() as tx:
        record = await tx.get(IOT_POLICY, HOME.account, "lamp-policy")
        assert record is not None
        broken = PolicyVersion(version_id=9, text="{", created_at=registrar.clock.now())
        document = IotPolicy(
            versions=(broken,), default_version_id=9, last_version_id=9, generation_id="g"
        )
        await tx.update(record, document)
    with pytest.raises(DeniedError, match="policy lamp-policy cannot be read"):
        registrar.directory.admit(device.id)


class _SlowStore:
    """A real store in which something is committed while a directory loads from it."""

    def __init__(self, store: Store, meanwhile: Callable[[], Awaitable[None]]) -> None:
        self._store = store
        self._meanwhile = meanwhile
        self.on_commit = store.on_commit

    async def all(self, kind: Kind[Any], account: str) -> tuple[Record[Any], ...]:
        read = await self._store.all(kind, account)
        if kind is CERTIFICATE:
            await self._meanwhile()
        return read


async def test_what_is_committed_while_a_directory_loads_is_not_overwritten(
    registrar: Registrar, device: Device
) -> None:
    """The store is read kind by kind; a revocation after a reading counts."""
    await registrar.enrol("lamp", device)
    slow = _SlowStore(registrar.store, lambda: registrar.status(device, "REVOKED"))
    directory = DeviceDirectory(slow, HOME, device_authorities=[])  # type: ignore[arg-type]  # two methods of it
    await directory.start()
    with pytest.raises(DeniedError, match="REVOKED"):
        directory.admit(device.id)
    await directory.stop()
