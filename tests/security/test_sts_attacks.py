"""Attacks on temporary credentials: guessing, swapping, outliving, climbing, crossing accounts."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
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

from hedgerow.cloud.iam.access_keys import ACCESS_KEY
from hedgerow.cloud.iam.documents import ROLE, Role
from hedgerow.cloud.iam.key_ids import new_key_id
from hedgerow.cloud.sts.documents import SESSION
from hedgerow.kernel import DeniedError

ROOT = f"arn:aws:iam::{ACCOUNT}:root"
GREENGRASS = "greengrass.amazonaws.com"
GROUP = f"arn:aws:greengrass:eu-west-1:{ACCOUNT}:/greengrass/groups/one"


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


def on_disk(folder: Path) -> bytes:
    """Return all that the store's files hold."""
    return b"".join(path.read_bytes() for path in folder.iterdir() if "state" in path.name)


@pytest.mark.promise(1)
async def test_invented_keys_and_tokens_prove_nothing(cloud: People, admin: Key) -> None:
    role = await cloud.role(admin, "r", trusting(ROOT))
    session = await cloud.assume(admin, role)
    assert session.token is not None
    invented = [
        Key(new_key_id("ASIA", ACCOUNT), session.secret, session.token),
        Key(new_key_id("AKIA", ACCOUNT), admin.secret),
        Key(new_key_id("AKIA", OTHER), admin.secret),
        Key("AKIA" + session.id[4:], session.secret),
        Key("ASIA" + admin.id[4:], admin.secret, "token"),
        Key(session.id, session.secret, session.token[:-1]),
        Key(session.id, session.secret, session.token + "x"),
        Key(session.id, session.secret, session.token.swapcase()),
        Key(session.id, session.secret),
    ]
    for key in invented:
        code = await failure(cloud, key, "sts", "GetCallerIdentity")
        assert code == "InvalidClientTokenId", key
    assert all(record.caller is None for record in cloud.records[-len(invented) :])


@pytest.mark.promise(1)
async def test_a_record_moved_to_another_key_or_account_is_no_credential(
    cloud: People, admin: Key
) -> None:
    """Somebody who can write records still cannot make a key of one account act in another."""
    stored = await cloud.store.get(ACCESS_KEY, ACCOUNT, admin.id)
    assert stored is not None
    async with cloud.store.transaction() as tx:
        await tx.insert(ACCESS_KEY, OTHER, admin.id, stored.document, parent=stored.parent)
    who = await cloud.sts(admin, "GetCallerIdentity")
    assert who["Account"] == ACCOUNT
    forged = new_key_id("AKIA", OTHER)
    async with cloud.store.transaction() as tx:
        await tx.insert(ACCESS_KEY, OTHER, forged, stored.document, parent=stored.parent)
    code = await failure(cloud, Key(forged, admin.secret), "sts", "GetCallerIdentity")
    assert code == "InvalidClientTokenId"


@pytest.mark.promise(1)
async def test_without_a_word_of_a_policy_nobody_assumes_anything(
    cloud: People, admin: Key
) -> None:
    nobody = await cloud.user(admin, "nobody")
    for actions in (("sts:TagSession",), ("sts:SetSourceIdentity",)):
        role = await cloud.role(
            admin, actions[0].partition(":")[2], trusting(ROOT, actions=actions)
        )
        for by in (admin, nobody):
            code = await failure(cloud, by, "sts", "AssumeRole", RoleArn=role, RoleSessionName="xx")
            assert code == "AccessDenied"


async def test_a_deny_in_the_trust_policy_beats_every_allow(cloud: People, admin: Key) -> None:
    trust = policy(
        {"Effect": "Allow", "Principal": {"AWS": ROOT}, "Action": "sts:AssumeRole"},
        {
            "Effect": "Deny",
            "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:user/administrator"},
            "Action": "sts:*",
        },
    )
    role = await cloud.role(admin, "r", trust)
    code = await failure(cloud, admin, "sts", "AssumeRole", RoleArn=role, RoleSessionName="xx")
    assert code == "AccessDenied"


async def test_a_session_cannot_climb_by_assuming_its_own_role_again(
    cloud: People, admin: Key
) -> None:
    """A session policy holds for what the session assumes next, also its own role, wide open."""
    arn = f"arn:aws:iam::{ACCOUNT}:role/wide"
    role = await cloud.role(admin, "wide", trusting(ROOT), allow("iam:*", "sts:*"))
    await cloud.iam(
        admin, "UpdateAssumeRolePolicy", RoleName="wide", PolicyDocument=trusting(ROOT, arn)
    )
    held = await cloud.assume(admin, role, Policy=policy(allow("iam:ListUsers")))
    code = await failure(cloud, held, "sts", "AssumeRole", RoleArn=role, RoleSessionName="xx")
    assert code == "AccessDenied"


async def test_a_boundary_holds_a_role_that_a_trust_policy_names(cloud: People, admin: Key) -> None:
    bounds = await cloud.iam(
        admin, "CreatePolicy", PolicyName="b", PolicyDocument=policy(allow("iam:*"))
    )
    first = await cloud.role(
        admin, "first", trusting(ROOT), PermissionsBoundary=bounds["Policy"]["Arn"]
    )
    second = await cloud.role(admin, "second", trusting(first))
    session = await cloud.assume(admin, first)
    code = await failure(cloud, session, "sts", "AssumeRole", RoleArn=second, RoleSessionName="xx")
    assert code == "AccessDenied"


@pytest.mark.promise(4)
async def test_a_user_that_is_deleted_and_made_again_gets_nothing_back(
    cloud: People, admin: Key
) -> None:
    ada = await cloud.user(admin, "ada", allow("iam:*", "sts:*"))
    role = await cloud.role(admin, "r", trusting(f"arn:aws:iam::{ACCOUNT}:user/ada"))
    own = Key.of((await cloud.sts(ada, "GetSessionToken"))["Credentials"])
    await cloud.sts(own, "GetCallerIdentity")
    await cloud.iam(admin, "DeleteAccessKey", UserName="ada", AccessKeyId=ada.id)
    await cloud.iam(admin, "DeleteUserPolicy", UserName="ada", PolicyName="own")
    await cloud.iam(admin, "DeleteUser", UserName="ada")
    again = await cloud.user(admin, "ada", allow("iam:*", "sts:*"))
    for key in (ada, own):
        code = await failure(cloud, key, "sts", "GetCallerIdentity")
        assert code == "InvalidClientTokenId"
    code = await failure(cloud, again, "sts", "AssumeRole", RoleArn=role, RoleSessionName="xx")
    assert code == "AccessDenied"


@pytest.mark.promise(4)
async def test_policies_taken_away_are_taken_from_sessions_that_run(
    cloud: People, admin: Key
) -> None:
    role = await cloud.role(admin, "r", trusting(ROOT), allow("iam:ListUsers"))
    session = await cloud.assume(admin, role)
    assert await cloud.iam(session, "ListUsers")
    await cloud.iam(admin, "DeleteRolePolicy", RoleName="r", PolicyName="own")
    assert await failure(cloud, session, "iam", "ListUsers") == "AccessDenied"


async def test_a_federated_user_made_for_more_has_no_more(cloud: People, admin: Key) -> None:
    maker = await cloud.user(admin, "maker", allow("sts:GetFederationToken"))
    made = await cloud.sts(
        maker, "GetFederationToken", Name="guest", Policy=policy(allow("sts:*", "iam:*"))
    )
    guest = Key.of(made["Credentials"])
    assert await failure(cloud, guest, "iam", "ListUsers") == "AccessDenied"
    bare = Key.of((await cloud.sts(admin, "GetFederationToken", Name="bare"))["Credentials"])
    role = f"arn:aws:iam::{ACCOUNT}:role/r"
    for key in (guest, bare):
        code = await failure(cloud, key, "sts", "AssumeRole", RoleArn=role, RoleSessionName="xx")
        assert code == "AccessDenied"


@pytest.mark.promise(9)
async def test_no_secret_is_shown_by_what_is_kept_or_given_out(cloud: People, admin: Key) -> None:
    role = await cloud.role(admin, "r", trusting(ROOT))
    session = await cloud.assume(admin, role)
    (stored,) = await cloud.store.all(SESSION)
    credential = await cloud.identities.credentials.find(session.id, session.token)
    made = await cloud.identities.sessions.of_key(session.id)
    for shown in (repr(stored), repr(credential), repr(made), str(made)):
        assert session.secret not in shown
        assert session.token is not None
        assert session.token not in shown


@pytest.mark.promise(9)
async def test_the_database_holds_neither_secret_nor_token(
    cloud: People, admin: Key, tmp_path: Path
) -> None:
    role = await cloud.role(admin, "r", trusting(ROOT))
    session = await cloud.assume(admin, role)
    device = await cloud.device(admin, "administrator")
    await cloud.iam(
        admin, "CreateLoginProfile", UserName="administrator", Password="correct-Horse-1"
    )
    files = on_disk(tmp_path)
    assert session.token is not None
    for secret in (session.secret, session.token, admin.secret, "correct-Horse-1"):
        assert secret.encode() not in files
    assert device.seed not in files


@pytest.mark.spec("L11")
async def test_a_service_assumes_a_role_for_the_resource_that_it_is_pinned_to_only(
    cloud: People, admin: Key
) -> None:
    pinned = policy(
        {
            "Effect": "Allow",
            "Principal": {"Service": GREENGRASS},
            "Action": "sts:AssumeRole",
            "Condition": {
                "StringEquals": {"aws:SourceAccount": ACCOUNT},
                "ArnLike": {"aws:SourceArn": GROUP},
            },
        }
    )
    role = await cloud.role(admin, "group-role", pinned)

    async def assumed(
        service: str = GREENGRASS, source_account: str = ACCOUNT, source_arn: str = GROUP
    ) -> Key:
        made = await cloud.identities.sessions.assume_role_for_service(
            role,
            service=service,
            source_account=source_account,
            source_arn=source_arn,
            session_name="one",
            duration=timedelta(hours=1),
        )
        return Key(made.access_key_id, made.secret_access_key.reveal(), made.session_token.reveal())

    who = await cloud.sts(await assumed(), "GetCallerIdentity")
    assert who["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/group-role/one"
    for wrong in (
        {"source_account": OTHER},
        {"source_arn": GROUP + "x"},
        {"source_arn": GROUP.replace(ACCOUNT, OTHER), "source_account": OTHER},
        {"service": "lambda.amazonaws.com"},
    ):
        with pytest.raises(DeniedError, match="trust policy"):
            await assumed(**wrong)
    code = await failure(cloud, admin, "sts", "AssumeRole", RoleArn=role, RoleSessionName="xx")
    assert code == "AccessDenied"


async def test_a_trust_policy_that_cannot_be_read_trusts_nobody(cloud: People, admin: Key) -> None:
    role = await cloud.role(admin, "r", trusting(ROOT))
    facts = await cloud.identities.directory.role(role)
    assert facts is not None
    async with cloud.store.transaction() as tx:
        record = await tx.get(ROLE, ACCOUNT, facts.id)
        assert record is not None
        await tx.update(record, Role(name="r", trust='{"Version": "2012-10-17"}'))
    code = await failure(cloud, admin, "sts", "AssumeRole", RoleArn=role, RoleSessionName="xx")
    assert code == "AccessDenied"
    with pytest.raises(DeniedError):
        await cloud.identities.sessions.assume_role_for_service(
            role,
            service=GREENGRASS,
            source_account=ACCOUNT,
            source_arn=GROUP,
            session_name="one",
            duration=timedelta(hours=1),
        )


async def test_an_explicit_deny_of_the_caller_holds_across_accounts(
    cloud: People, admin: Key
) -> None:
    other = await cloud.administrator(OTHER)
    role = await cloud.role(other, "guest", trusting(f"arn:aws:iam::{ACCOUNT}:user/ada"))
    ada = await cloud.user(admin, "ada", allow("sts:*"), deny("sts:AssumeRole", on=role))
    code = await failure(cloud, ada, "sts", "AssumeRole", RoleArn=role, RoleSessionName="xx")
    assert code == "AccessDenied"
