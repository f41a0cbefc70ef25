"""Rules of the registry for policies, their versions and attachments, on a real store."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.registry import (
    HOME,
    POLICY,
    Registrar,
    allow,
    issued,
    policy,
    registry,
)

from hedgerow.aws import AwsError
from hedgerow.cloud.iot import attachments, policies
from hedgerow.cloud.iot.documents import CERTIFICATE, POLICY_TARGET
from hedgerow.cloud.iot.service_base import page_of


@pytest.fixture
async def registrar(tmp_path: Path) -> AsyncIterator[Registrar]:
    async with registry(tmp_path) as opened:
        yield opened


async def add_version(registrar: Registrar, text: str = POLICY, **more: Any) -> Any:
    request = {"policyName": "p", "policyDocument": text, **more}
    async with registrar.store.transaction() as tx:
        return await policies.create_version(tx, HOME, registrar.clock, request)


async def code_of(registrar: Registrar, operation: Any, *arguments: Any) -> str:
    with pytest.raises(AwsError) as refused:
        async with registrar.store.transaction() as tx:
            await operation(tx, HOME, *arguments)
    return refused.value.code


async def test_version_one_is_in_force_until_another_is(registrar: Registrar) -> None:
    await registrar.policy("p")
    other = policy(allow("iot:Connect", "client/x"))
    added = await add_version(registrar, other)
    assert (added["policyVersionId"], added["isDefaultVersion"]) == ("2", False)
    assert (await policies.get(registrar.store, HOME, "p"))["policyDocument"] == POLICY
    async with registrar.store.transaction() as tx:
        await policies.set_default_version(tx, HOME, "p", "2")
    got = await policies.get(registrar.store, HOME, "p")
    assert (got["policyDocument"], got["defaultVersionId"]) == (other, "2")
    rows = (await policies.list_versions(registrar.store, HOME, "p"))["policyVersions"]
    assert [(row["versionId"], row["isDefaultVersion"]) for row in rows] == [
        ("2", True),
        ("1", False),
    ]
    assert (await policies.get_version(registrar.store, HOME, "p", "1"))["policyDocument"] == POLICY


@pytest.mark.spec("D01")
async def test_a_policy_has_at_most_five_versions_and_ids_are_never_used_twice(
    registrar: Registrar,
) -> None:
    await registrar.policy("p")
    for _ in range(4):
        await add_version(registrar)
    with pytest.raises(AwsError) as refused:
        await add_version(registrar)
    assert refused.value.code == "VersionsLimitExceededException"
    async with registrar.store.transaction() as tx:
        await policies.delete_version(tx, HOME, "p", "5")
    assert (await add_version(registrar, setAsDefault=True))["policyVersionId"] == "6"


async def test_what_is_in_use_cannot_be_deleted(registrar: Registrar) -> None:
    device = issued()
    await registrar.policy("p")
    await add_version(registrar)
    assert await code_of(registrar, policies.delete_version, "p", "1") == "DeleteConflictException"
    assert await code_of(registrar, policies.delete, "p") == "DeleteConflictException"
    async with registrar.store.transaction() as tx:
        await policies.delete_version(tx, HOME, "p", "2")
    await registrar.certificate(device)
    await registrar.attach_policy("p", device)
    assert await code_of(registrar, policies.delete, "p") == "DeleteConflictException"
    await registrar.detach_policy("p", device)
    async with registrar.store.transaction() as tx:
        await policies.delete(tx, HOME, "p")
    assert await code_of(registrar, policies.delete, "p") == "ResourceNotFoundException"


@pytest.mark.parametrize("text", ["", "{}", "[]", "{", '{"Version":"2012-10-17","Statement":[]}'])
async def test_a_malformed_document_is_refused_when_written(
    registrar: Registrar, text: str
) -> None:
    request = {"policyName": "bad", "policyDocument": text}
    assert (
        await code_of(registrar, policies.create, registrar.clock, request)
        == "MalformedPolicyException"
    )
    await registrar.policy("p")
    changed: dict[str, Any] = {"policyName": "p", "policyDocument": text, "setAsDefault": True}
    assert (
        await code_of(registrar, policies.create_version, registrar.clock, changed)
        == "MalformedPolicyException"
    )


async def test_what_does_not_exist_is_not_found(registrar: Registrar) -> None:
    device = issued()
    await registrar.policy("p")
    for operation, arguments in (
        (policies.set_default_version, ("p", "9")),
        (policies.delete_version, ("p", "9")),
        (policies.delete, ("ghost",)),
        (attachments.attach_policy, ("ghost", device.arn)),
        (attachments.attach_policy, ("p", device.arn)),
        (attachments.attach_thing, ({"thingName": "ghost", "principal": device.arn},)),
    ):
        assert await code_of(registrar, operation, *arguments) == "ResourceNotFoundException"


async def test_a_name_is_taken_once(registrar: Registrar) -> None:
    await registrar.policy("p")
    request = {"policyName": "p", "policyDocument": POLICY}
    assert (
        await code_of(registrar, policies.create, registrar.clock, request)
        == "ResourceAlreadyExistsException"
    )


async def test_attaching_twice_is_once_and_detaching_what_is_not_attached_is_no_error(
    registrar: Registrar,
) -> None:
    device = issued()
    await registrar.enrol("lamp", device)
    await registrar.attach_policy("lamp-policy", device)
    await registrar.attach_thing("lamp", device)
    record = await registrar.store.get(CERTIFICATE, HOME.account, device.id)
    assert record is not None
    assert (record.document.things, record.document.policies) == (("lamp",), ("lamp-policy",))
    assert len(await registrar.store.all(POLICY_TARGET, HOME.account)) == 1
    for _ in range(2):
        await registrar.detach_policy("lamp-policy", device)
        await registrar.detach_thing("lamp", device)
    assert await registrar.store.all(POLICY_TARGET, HOME.account) == ()


async def test_a_certificate_has_at_most_ten_policies(registrar: Registrar) -> None:
    device = issued()
    await registrar.certificate(device)
    for number in range(11):
        await registrar.policy(f"p{number}")
    for number in range(10):
        await registrar.attach_policy(f"p{number}", device)
    assert (
        await code_of(registrar, attachments.attach_policy, "p10", device.arn)
        == "LimitExceededException"
    )


async def test_an_exclusive_certificate_serves_one_thing(registrar: Registrar) -> None:
    device = issued()
    await registrar.certificate(device)
    await registrar.thing("one")
    await registrar.thing("two")
    exclusive = {
        "thingName": "one",
        "principal": device.arn,
        "thingPrincipalType": "EXCLUSIVE_THING",
    }
    async with registrar.store.transaction() as tx:
        await attachments.attach_thing(tx, HOME, exclusive)
    second = {"thingName": "two", "principal": device.arn}
    assert await code_of(registrar, attachments.attach_thing, second) == "InvalidRequestException"
    await registrar.detach_thing("one", device)
    await registrar.attach_thing("two", device)
    assert (
        await code_of(registrar, attachments.attach_thing, exclusive) == "InvalidRequestException"
    )


@pytest.mark.parametrize(
    "principal",
    [
        "",
        "lamp",
        "arn:aws:iot:eu-west-1:123456789012:thing/lamp",
        "arn:aws:iot:eu-west-1:123456789012:cert/short",
        f"arn:aws:iot:eu-west-1:999999999999:cert/{'a' * 64}",
        f"arn:aws:iot:us-east-1:123456789012:cert/{'a' * 64}",
        f"arn:aws:iot:eu-west-1:123456789012:cert/{'A' * 64}",
        "us-east-1:2f0ec9a1-0000-0000-0000-000000000000",
    ],
)
async def test_only_certificates_of_this_account_are_principals(
    registrar: Registrar, principal: str
) -> None:
    await registrar.policy("p")
    assert (
        await code_of(registrar, attachments.attach_policy, "p", principal)
        == "InvalidRequestException"
    )


def test_short_lists_are_paged_and_their_tokens_checked() -> None:
    members = ("a", "b", "c", "d", "e")
    shown, token = page_of(members, 2, None)
    assert list(shown) == ["a", "b"]
    shown, token = page_of(members, 2, token)
    assert list(shown) == ["c", "d"]
    shown, token = page_of(members, 2, token)
    assert (list(shown), token) == (["e"], None)
    assert page_of((), 2, None) == ((), None)
    for wrong in ("%%%", "eg==", "////"):
        with pytest.raises(AwsError, match="page token"):
            page_of(members, 2, wrong)
