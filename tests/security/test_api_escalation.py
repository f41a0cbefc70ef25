"""Attacks on the way from what is judged to what is done: tags, other names, moved principals."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.support.access import allow as api_allow
from tests.support.access import deny as api_deny
from tests.support.api_users import AccountAdministrator, in_thread
from tests.support.cloud import REGION, running_cloud
from tests.support.people import (
    ACCOUNT,
    OTHER,
    Key,
    People,
    allow,
    code_of,
    deny,
    people,
    policy,
    trusting,
)

from hedgerow.aws import Credential
from hedgerow.cloud.iam import IamDirectory
from hedgerow.cloud.sts import StoredCredentials
from hedgerow.store import Store

ROOT = f"arn:aws:iam::{ACCOUNT}:root"
USERS = f"arn:aws:iam::{ACCOUNT}:user"
IOT = f"arn:aws:iot:{REGION}:{ACCOUNT}"
PROD = [{"Key": "Tier", "Value": "prod"}]


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[People]:
    async with people(tmp_path) as made:
        yield made


@pytest.fixture
async def admin(cloud: People) -> Key:
    return await cloud.administrator()


async def failure(cloud: People, by: Key, service: str, operation: str, **members: Any) -> str:
    """Return the code with which a call fails."""
    with pytest.raises(ClientError) as caught:
        await cloud.call(by, service, operation, members)
    return code_of(caught.value)


def on_tag(key: str) -> dict[str, Any]:
    """Return a condition on that tag."""
    return {"StringEquals": {key: "prod"}}


@pytest.mark.promise(1)
@pytest.mark.parametrize("key", ["aws:ResourceTag/Tier", "iam:ResourceTag/tier"])
async def test_a_role_is_held_to_its_tags_by_who_assumes_it(
    cloud: People, admin: Key, key: str
) -> None:
    """A deny by the role's tag holds, an allow by it gives, and so it is from another account."""
    role = await cloud.role(admin, "prod", trusting(ROOT, OTHER), Tags=PROD)
    plain = await cloud.role(admin, "plain", trusting(ROOT))
    held = deny("sts:AssumeRole", Condition=on_tag(key))
    eve = await cloud.user(admin, "eve", allow("sts:AssumeRole"), held)
    ops = await cloud.user(admin, "ops", allow("sts:AssumeRole", Condition=on_tag(key)))
    other = await cloud.administrator(OTHER)
    far = await cloud.user(other, "far", allow("sts:AssumeRole"), held)
    asked = {"RoleArn": role, "RoleSessionName": "shift"}
    assert await failure(cloud, eve, "sts", "AssumeRole", **asked) == "AccessDenied"
    assert await failure(cloud, far, "sts", "AssumeRole", **asked) == "AccessDenied"
    assert (await cloud.assume(ops, role)).token
    assert (await cloud.assume(eve, plain)).token
    assert (
        await failure(cloud, ops, "sts", "AssumeRole", **{**asked, "RoleArn": plain})
        == "AccessDenied"
    )


@pytest.mark.promise(1)
async def test_a_trust_policy_can_go_by_the_tags_of_its_role(cloud: People, admin: Key) -> None:
    trust = policy(
        {"Effect": "Allow", "Principal": {"AWS": ROOT}, "Action": "sts:AssumeRole"},
        {
            "Effect": "Deny",
            "Principal": {"AWS": ROOT},
            "Action": "sts:AssumeRole",
            "Condition": {"StringEquals": {"aws:ResourceTag/closed": "yes"}},
        },
    )
    role = await cloud.role(admin, "door", trust)
    eve = await cloud.user(admin, "eve", allow("sts:AssumeRole"))
    assert (await cloud.assume(eve, role)).token
    await cloud.iam(admin, "TagRole", RoleName="door", Tags=[{"Key": "closed", "Value": "yes"}])
    asked = {"RoleArn": role, "RoleSessionName": "shift"}
    assert await failure(cloud, eve, "sts", "AssumeRole", **asked) == "AccessDenied"


@pytest.mark.promise(1)
@pytest.mark.parametrize("path", ["/a*b/", "/?/", "/$x/", "/${aws:username}/"])
async def test_nobody_moves_to_where_a_trust_policy_that_names_them_cannot_be_read(
    cloud: People, admin: Key, path: str
) -> None:
    """Or one user could lock all others out of a role, by moving itself."""
    mallory = await cloud.user(admin, "mallory", allow("iam:UpdateUser", on=f"{USERS}/*"))
    eve = await cloud.user(admin, "eve")
    role = await cloud.role(admin, "shared", trusting(f"{USERS}/mallory", f"{USERS}/eve"))
    moved = {"UserName": "mallory", "NewPath": path}
    assert await failure(cloud, mallory, "iam", "UpdateUser", **moved) == "ValidationError"
    assert (await cloud.assume(eve, role)).token
    for operation, members in {
        "CreateUser": {"UserName": "new", "Path": path},
        "CreateGroup": {"GroupName": "new", "Path": path},
        "UpdateGroup": {"GroupName": "all", "NewPath": path},
        "CreateRole": {
            "RoleName": "new",
            "Path": path,
            "AssumeRolePolicyDocument": trusting(ROOT),
        },
    }.items():
        if operation == "UpdateGroup":
            await cloud.iam(admin, "CreateGroup", GroupName="all")
        assert await failure(cloud, admin, "iam", operation, **members) == "ValidationError"


@pytest.mark.promise(1)
async def test_a_certificate_has_one_name_that_is_judged_and_used(tmp_path: Path) -> None:
    """In capitals an id is another name, which nobody has; a deny on the certificate holds."""
    async with running_cloud(tmp_path) as cloud:
        made = await cloud.iot("create_keys_and_certificate", setAsActive=True)
        arn, name = made["certificateArn"], made["certificateId"]

        def attack(administrator: AccountAdministrator) -> None:
            eve = administrator.user("eve", api_allow("iot:*"), api_deny("iot:*", on=arn))
            for certificate_id in (name.upper(), name[:-1] + name[-1].swapcase(), name):
                attempts: dict[str, dict[str, Any]] = {
                    "describe_certificate": {},
                    "update_certificate": {"newStatus": "REVOKED"},
                    "delete_certificate": {"forceDelete": True},
                }
                for operation, members in attempts.items():
                    with pytest.raises(ClientError):
                        eve.call("iot", operation, certificateId=certificate_id, **members)

        await in_thread(attack, cloud)
        described = await cloud.iot("describe_certificate", certificateId=name)
        assert described["certificateDescription"]["status"] == "ACTIVE"


@pytest.mark.promise(1)
async def test_a_thing_and_a_group_are_judged_however_they_are_named(tmp_path: Path) -> None:
    """A thing that is put into a group gets the group's policies: both are judged, by ARN too."""
    async with running_cloud(tmp_path) as cloud:
        for name in ("lamp", "cup", "arn:aws"):
            await cloud.iot("create_thing", thingName=name)
        for name in ("strong", "weak"):
            await cloud.iot("create_thing_group", thingGroupName=name)
        strong, lamp = f"{IOT}:thinggroup/strong", f"{IOT}:thing/lamp"

        def attack(administrator: AccountAdministrator) -> None:
            eve = administrator.user(
                "eve",
                api_allow("iot:*"),
                api_deny("iot:*", on=[strong, lamp, f"{IOT}:thing/arn:aws"]),
            )
            cup = administrator.user(
                "cup",
                api_allow("iot:*", on=[f"{IOT}:thing/cup", f"{IOT}:thinggroup/weak"]),
            )
            for operation in ("add_thing_to_thing_group", "remove_thing_from_thing_group"):
                for members in (
                    {"thingName": "cup", "thingGroupArn": strong},
                    {"thingArn": lamp, "thingGroupName": "weak"},
                    {"thingArn": lamp, "thingGroupArn": strong},
                    {"thingName": "arn:aws", "thingGroupName": "weak"},
                ):
                    assert "explicit deny" in (eve.refusal("iot", operation, **members) or "")
                by_arn = {"thingArn": f"{IOT}:thing/cup", "thingGroupArn": f"{IOT}:thinggroup/weak"}
                assert cup.refusal("iot", operation, **by_arn) is None
                assert cup.refusal("iot", operation, **{**by_arn, "thingArn": lamp})

        await in_thread(attack, cloud)


class Remembering(StoredCredentials):
    """Finds for ever what it found once: as for calls that are on their way already."""

    def __init__(self, store: Store, directory: IamDirectory) -> None:
        super().__init__(store, directory)
        self._found: dict[str, Credential] = {}

    async def find(self, access_key_id: str, session_token: str | None) -> Credential | None:
        """Return what was found first."""
        known = self._found.get(access_key_id)
        found = known or await super().find(access_key_id, session_token)
        if found is not None:
            self._found[access_key_id] = found
        return found


@pytest.mark.promise(1)
async def test_a_session_that_is_revoked_meanwhile_hands_no_freedom_on(
    cloud: People, admin: Key
) -> None:
    """Else the next session would have lost the source identity and tags it is bound to."""
    remembering = Remembering(cloud.store, cloud.identities.directory)
    late = replace(cloud.identities, credentials=remembering)
    racing = People(cloud.store, cloud.clock, late)
    await remembering.start()
    actions = ("sts:AssumeRole", "sts:SetSourceIdentity")
    first = await cloud.role(
        admin, "first", trusting(ROOT, actions=actions), allow("sts:*"), MaxSessionDuration=3600
    )
    second = await cloud.role(admin, "second", trusting(ROOT, actions=actions))
    session = await racing.assume(admin, first, SourceIdentity="ada")
    assert (await racing.assume(session, second)).token
    await cloud.identities.sessions.revoke(ACCOUNT, session.id)
    asked = {"RoleArn": second, "RoleSessionName": "shift"}
    assert await failure(racing, session, "sts", "AssumeRole", **asked) == "AccessDenied"
    remembering.stop()


@pytest.mark.promise(1)
async def test_tags_that_are_not_kept_are_not_accepted(tmp_path: Path) -> None:
    """Else whoever relies on a deny by a tag would rely on nothing."""
    async with running_cloud(tmp_path) as cloud:
        tags = [{"Key": "tier", "Value": "prod"}]
        text = policy(allow("iot:Connect"))
        for operation, members in {
            "create_policy": {"policyName": "p", "policyDocument": text},
            "create_thing_group": {"thingGroupName": "g"},
        }.items():
            with pytest.raises(ClientError) as caught:
                await cloud.iot(operation, tags=tags, **members)
            assert code_of(caught.value) == "InvalidRequestException"
            await cloud.iot(operation, **members)


@pytest.mark.promise(1)
async def test_a_tag_is_changed_and_taken_off_by_the_key_that_policies_see(
    cloud: People, admin: Key
) -> None:
    """A deny on the key `Tier` is not passed by writing it in another case."""
    held = {"ForAnyValue:StringEquals": {"aws:TagKeys": "Tier"}}
    eve = await cloud.user(admin, "eve", allow("iam:*"), deny("iam:*", Condition=held))
    await cloud.role(admin, "prod", trusting(ROOT), Tags=PROD)
    for spelled in ("Tier", "TIER"):
        set_to = {"RoleName": "prod", "Tags": [{"Key": spelled, "Value": "dev"}]}
        taken = {"RoleName": "prod", "TagKeys": [spelled]}
        assert await failure(cloud, eve, "iam", "TagRole", **set_to) == "AccessDenied"
        assert await failure(cloud, eve, "iam", "UntagRole", **taken) == "AccessDenied"
    await cloud.iam(eve, "TagRole", RoleName="prod", Tags=[{"Key": "Cost", "Value": "1"}])
    await cloud.iam(eve, "UntagRole", RoleName="prod", TagKeys=["COST"])
    assert (await cloud.iam(admin, "ListRoleTags", RoleName="prod"))["Tags"] == PROD


@pytest.mark.promise(1)
async def test_a_simulation_with_long_values_counts_for_more(cloud: People, admin: Key) -> None:
    """A call of few bytes must not keep the cloud busy for many seconds."""
    hard = allow("*", Condition={"StringLike": {"aws:UserAgent": "*a?b*" * 20}})
    asked: dict[str, Any] = {
        "PolicyInputList": [policy(*[hard] * 150)],
        "ActionNames": [f"iot:Do{number}" for number in range(150)],
    }
    entry = {"ContextKeyName": "aws:UserAgent", "ContextKeyType": "string"}
    heavy = {**asked, "ContextEntries": [{**entry, "ContextKeyValues": ["a" * 8000]}]}
    assert await failure(cloud, admin, "iam", "SimulateCustomPolicy", **heavy) == "InvalidInput"
    light = {**asked, "ContextEntries": [{**entry, "ContextKeyValues": ["a"]}], "MaxItems": 1}
    assert await cloud.iam(admin, "SimulateCustomPolicy", **light)
