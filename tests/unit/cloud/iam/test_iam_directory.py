"""The directory says what everybody may, as the store has it at the moment of the question."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.support.clock import ManualClock
from tests.support.iam_cloud import allowing, document, trusting
from tests.support.store_documents import ACCOUNT, OTHER, opened

from hedgerow.aws import Principal, Session
from hedgerow.cloud.iam import (
    ADMINISTRATOR_ACCESS,
    IamDirectory,
    PrincipalPolicies,
    found_account,
    put_role,
)
from hedgerow.cloud.iam.documents import (
    GROUP,
    MANAGED_POLICY,
    USER,
    Group,
    ManagedPolicy,
    PolicyVersion,
    User,
)
from hedgerow.kernel import DeniedError
from hedgerow.policy import AccessRequest, PolicySet, context, decide
from hedgerow.store import AlreadyExistsError, Kind, Record, Store

NOW = ManualClock().now()
POLICY = f"arn:aws:iam::{ACCOUNT}:policy/things"


class Counting:
    """A store's reads, counted and, where a test wants it, held up."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.reads = 0
        self.before_read: Any = None

    async def all(self, kind: Kind[Any], account: str) -> Any:
        """Read as the store does."""
        return await self._counted(self._store.all(kind, account))

    async def get(self, kind: Kind[Any], account: str, identifier: str) -> Any:
        """Read as the store does."""
        return await self._counted(self._store.get(kind, account, identifier))

    def on_change(self, callback: Any) -> Any:
        """Subscribe as with the store."""
        return self._store.on_change(callback)

    async def _counted(self, read: Any) -> Any:
        self.reads += 1
        found = await read
        if self.before_read is not None:
            hook, self.before_read = self.before_read, None
            await hook()
        return found


class Estate:
    """An account written to straight, and the directory that is asked."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.counting = Counting(store)
        self.directory = IamDirectory(self.counting)  # type: ignore[arg-type]  # a store's reads

    async def put(self, kind: Kind[Any], unique_id: str, entity: Any) -> Record[Any]:
        """Insert an entity, or replace the one that has the id."""
        async with self.store.transaction() as tx:
            known = await tx.get(kind, ACCOUNT, unique_id)
            name = entity.name.lower()
            if known is None:
                return await tx.insert(kind, ACCOUNT, unique_id, entity, name=name)
            return await tx.update(known, entity, name=name)

    async def remove(self, kind: Kind[Any], unique_id: str) -> None:
        """Delete an entity."""
        async with self.store.transaction() as tx:
            record = await tx.get(kind, ACCOUNT, unique_id)
            assert record is not None
            await tx.delete(record)

    async def policies(self, unique_id: str = "AIDAALICE") -> PrincipalPolicies | None:
        """Ask what a user may."""
        return await self.directory.principal_policies(user(unique_id))

    async def may(self, action: str, unique_id: str = "AIDAALICE") -> bool:
        """Whether a user may do something on some resource."""
        found = await self.policies(unique_id)
        assert found is not None
        policies = PolicySet(identity=found.identity, boundary=found.boundary)
        return decide(policies, AccessRequest(action, "*", context({}))).allowed


def user(unique_id: str, account: str = ACCOUNT) -> Principal:
    return Principal("IAMUser", account, f"arn:aws:iam::{account}:user/x", unique_id, name="x")


def session_of(kind: Any, issuer_id: str) -> Principal:
    session = Session(
        issued_at=NOW,
        expires_at=NOW + timedelta(hours=1),
        name="s",
        issuer_arn="arn:aws:iam::1:role/r",
        issuer_id=issuer_id,
    )
    return Principal(kind, ACCOUNT, "arn:aws:sts::1:assumed-role/r/s", "AROA:s", "r", session)


def managed(text: str) -> ManagedPolicy:
    version = PolicyVersion(number=1, text=text, created_at=NOW)
    return ManagedPolicy(name="things", versions=(version,), updated_at=NOW)


def alice(**changes: Any) -> User:
    return msgspec.structs.replace(User(name="alice"), **changes)


@pytest.fixture
async def estate(tmp_path: Path) -> AsyncIterator[Estate]:
    async with opened(tmp_path) as store:
        estate = Estate(store)
        await estate.directory.start()
        yield estate
        estate.directory.stop()


async def test_nobody_may_anything_at_first(estate: Estate) -> None:
    await estate.put(USER, "AIDAALICE", alice())
    assert await estate.policies() == PrincipalPolicies(identity=())


async def test_inline_attached_and_group_policies_count_together(estate: Estate) -> None:
    await estate.put(MANAGED_POLICY, "ANPA1", managed(allowing("iot:Attached")))
    group = Group(name="ops", inline={"g": allowing("iot:Grouped")}, attached=(POLICY,))
    await estate.put(GROUP, "AGPA1", group)
    own = {"own": allowing("iot:Own")}
    await estate.put(USER, "AIDAALICE", alice(inline=own, attached=(POLICY,), groups=("AGPA1",)))
    found = await estate.policies()
    assert found is not None
    assert [one.name for one in found.identity] == ["user/alice#own", POLICY, "group/ops#g"]
    for action in ("iot:Own", "iot:Attached", "iot:Grouped"):
        assert await estate.may(action)
    assert not await estate.may("iot:Other")


async def test_a_warm_answer_reads_nothing(estate: Estate) -> None:
    await estate.put(USER, "AIDAALICE", alice(inline={"own": allowing("iot:*")}))
    first = await estate.policies()
    reads = estate.counting.reads
    assert await estate.policies() is first
    assert estate.counting.reads == reads


async def test_a_change_costs_one_read_of_what_changed(estate: Estate) -> None:
    await estate.put(USER, "AIDAALICE", alice())
    await estate.put(USER, "AIDABOB", User(name="bob"))
    await estate.policies()
    reads = estate.counting.reads
    await estate.put(USER, "AIDABOB", User(name="bob", path="/x/"))
    assert await estate.policies() is not None
    assert estate.counting.reads == reads + 1


async def test_a_change_elsewhere_costs_nothing(estate: Estate) -> None:
    await estate.put(USER, "AIDAALICE", alice())
    first = await estate.policies()
    async with estate.store.transaction() as tx:
        await found_account(tx, OTHER)
    reads = estate.counting.reads
    assert await estate.policies() is first
    assert estate.counting.reads == reads


async def test_what_was_committed_holds_for_the_next_question(estate: Estate) -> None:
    await estate.put(USER, "AIDAALICE", alice(attached=(POLICY,)))
    await estate.put(MANAGED_POLICY, "ANPA1", managed(allowing("iot:*")))
    assert await estate.may("iot:Publish")
    await estate.put(MANAGED_POLICY, "ANPA1", managed(allowing("s3:*")))
    assert not await estate.may("iot:Publish")
    await estate.put(USER, "AIDAALICE", alice(inline={"own": allowing("iot:Publish")}))
    assert await estate.may("iot:Publish")
    await estate.remove(USER, "AIDAALICE")
    assert await estate.policies() is None


async def test_only_the_version_in_force_counts(estate: Estate) -> None:
    await estate.put(USER, "AIDAALICE", alice(attached=(POLICY,)))
    policy = managed(allowing("iot:*"))
    second = PolicyVersion(number=2, text=allowing("s3:*"), created_at=NOW)
    policy = msgspec.structs.replace(policy, versions=(*policy.versions, second), last=2)
    await estate.put(MANAGED_POLICY, "ANPA1", policy)
    assert await estate.may("iot:Publish")
    await estate.put(MANAGED_POLICY, "ANPA1", msgspec.structs.replace(policy, default=2))
    assert not await estate.may("iot:Publish")


async def test_leaving_a_group_takes_its_permissions_at_once(estate: Estate) -> None:
    await estate.put(GROUP, "AGPA1", Group(name="ops", inline={"g": allowing("iot:*")}))
    await estate.put(USER, "AIDAALICE", alice(groups=("AGPA1",)))
    assert await estate.may("iot:Publish")
    await estate.put(GROUP, "AGPA1", Group(name="ops"))
    assert not await estate.may("iot:Publish")
    await estate.put(GROUP, "AGPA1", Group(name="ops", inline={"g": allowing("iot:*")}))
    assert await estate.may("iot:Publish")
    await estate.put(USER, "AIDAALICE", alice())
    assert not await estate.may("iot:Publish")


async def test_a_boundary_holds_within_it(estate: Estate) -> None:
    await estate.put(MANAGED_POLICY, "ANPA1", managed(allowing("iot:Publish")))
    await estate.put(USER, "AIDAALICE", alice(boundary=POLICY, attached=(ADMINISTRATOR_ACCESS,)))
    assert await estate.may("iot:Publish")
    assert not await estate.may("iot:Connect")


@pytest.mark.parametrize(
    "broken",
    [
        alice(inline={"own": "{"}),
        alice(attached=("arn:aws:iam::aws:policy/NoSuchAccess",)),
        alice(boundary=POLICY, attached=(ADMINISTRATOR_ACCESS,)),
        alice(groups=("AGPAGONE",), attached=(ADMINISTRATOR_ACCESS,)),
        alice(inline={"own": document({"Effect": "Deny", "Action": "iot", "Resource": "*"})}),
    ],
)
async def test_what_cannot_be_understood_denies_everything(estate: Estate, broken: User) -> None:
    await estate.put(USER, "AIDAALICE", broken)
    with pytest.raises(DeniedError):
        await estate.policies()
    await estate.put(USER, "AIDAALICE", alice())
    assert await estate.policies() is not None


async def test_who_was_made_again_under_the_same_name_is_another(estate: Estate) -> None:
    await estate.put(USER, "AIDAALICE", alice(inline={"own": allowing("iot:*")}))
    assert await estate.may("iot:Publish")
    await estate.remove(USER, "AIDAALICE")
    await estate.put(USER, "AIDASECOND", alice(inline={"own": allowing("iot:*")}))
    assert await estate.policies() is None
    assert await estate.may("iot:Publish", "AIDASECOND")


async def test_two_users_that_swap_their_names_are_both_found(estate: Estate) -> None:
    await estate.put(USER, "AIDA1", User(name="alice"))
    await estate.put(USER, "AIDA2", User(name="bob"))
    assert await estate.directory.user(ACCOUNT, "alice") is not None
    for unique_id, name in (("AIDA1", "carol"), ("AIDA2", "alice"), ("AIDA1", "bob")):
        await estate.put(USER, unique_id, User(name=name))
    first = await estate.directory.user(ACCOUNT, "alice")
    second = await estate.directory.user(ACCOUNT, "bob")
    assert first is not None
    assert second is not None
    assert (first.id, second.id) == ("AIDA2", "AIDA1")
    assert await estate.directory.user(ACCOUNT, "carol") is None


async def test_a_change_while_the_account_is_read_is_not_missed(estate: Estate) -> None:
    await estate.put(USER, "AIDAALICE", alice(inline={"own": allowing("iot:*")}))

    async def take_away() -> None:
        await estate.put(USER, "AIDAALICE", alice())

    estate.counting.before_read = take_away
    assert not await estate.may("iot:Publish")

    async def give_back() -> None:
        await estate.put(USER, "AIDAALICE", alice(inline={"own": allowing("iot:*")}))

    await estate.put(USER, "AIDAALICE", alice(path="/x/"))
    estate.counting.before_read = give_back
    assert await estate.may("iot:Publish")


async def test_a_question_during_a_reading_waits_for_what_was_committed(estate: Estate) -> None:
    await estate.put(USER, "AIDAALICE", alice(inline={"own": allowing("iot:*")}))
    assert await estate.may("iot:Publish")
    await estate.put(USER, "AIDAALICE", alice())
    asked: list[asyncio.Task[bool]] = []

    async def ask() -> None:
        asked.append(asyncio.get_running_loop().create_task(estate.may("iot:Publish")))
        await asyncio.sleep(0)

    estate.counting.before_read = ask
    assert not await estate.may("iot:Publish")
    assert not await asked[0]


async def test_a_read_that_fails_is_tried_again_and_nothing_is_said_meanwhile(
    estate: Estate,
) -> None:
    await estate.put(USER, "AIDAALICE", alice(inline={"own": allowing("iot:*")}))
    assert await estate.may("iot:Publish")
    await estate.put(USER, "AIDAALICE", alice())

    async def fail() -> None:
        raise OSError("the disk is gone")

    estate.counting.before_read = fail
    with pytest.raises(OSError, match="gone"):
        await estate.policies()
    assert not await estate.may("iot:Publish")


async def test_accounts_without_anybody_take_no_memory(estate: Estate) -> None:
    for number in range(50):
        assert await estate.directory.role(f"arn:aws:iam::{number:012}:role/r") is None
    assert estate.directory._entries == {}
    await estate.put(USER, "AIDAALICE", alice())
    assert await estate.policies() is not None


async def test_principals_of_every_kind(estate: Estate) -> None:
    directory = estate.directory
    async with estate.store.transaction() as tx:
        administrator = await found_account(tx, ACCOUNT)
        role = await put_role(
            tx, ACCOUNT, "r", trust=trusting(AWS=ACCOUNT), attached=(ADMINISTRATOR_ACCESS,)
        )
    root = await directory.principal_policies(Principal("Root", ACCOUNT, "arn", ACCOUNT))
    assert root is not None
    assert root.root
    service = Principal("AWSService", ACCOUNT, "arn", "greengrass.amazonaws.com")
    assert await directory.principal_policies(service) == PrincipalPolicies(identity=())
    for principal in (
        user(administrator.id),
        session_of("AssumedRole", role.id),
        session_of("FederatedUser", administrator.id),
    ):
        found = await directory.principal_policies(principal)
        assert found is not None
        assert [one.name for one in found.identity] == [ADMINISTRATOR_ACCESS]
        assert not found.root
    for principal in (
        session_of("AssumedRole", "AROAGONE"),
        session_of("FederatedUser", "AIDAGONE"),
        Principal("AssumedRole", ACCOUNT, "arn", "AROA:s", "r"),
        user(administrator.id, account=OTHER),
    ):
        assert await directory.principal_policies(principal) is None


async def test_a_role_is_found_by_its_whole_arn_only(estate: Estate) -> None:
    async with estate.store.transaction() as tx:
        made = await put_role(
            tx, ACCOUNT, "r", trust=trusting(AWS=ACCOUNT), path="/a/", tags={"env": "beta"}
        )
    found = await estate.directory.role(f"arn:aws:iam::{ACCOUNT}:role/a/r")
    assert found == made
    assert await estate.directory.tags_of(made.arn) == {"env": "beta"}
    assert await estate.directory.role_named(ACCOUNT, "r") == made
    for other in (
        f"arn:aws:iam::{ACCOUNT}:role/r",
        f"arn:aws:iam::{ACCOUNT}:role/a/R",
        f"arn:aws:iam::{OTHER}:role/a/r",
        f"arn:aws:iam::{ACCOUNT}:user/a/r",
        f"arn:aws:iam:eu-west-1:{ACCOUNT}:role/a/r",
        "no arn",
    ):
        assert await estate.directory.role(other) is None
        assert await estate.directory.tags_of(other) is None


async def test_tags_of_policies_and_ids_of_entities_go_by_whole_arns(estate: Estate) -> None:
    policy = msgspec.structs.replace(managed(allowing("iot:*")), tags={"env": "beta"})
    await estate.put(MANAGED_POLICY, "ANPA1", policy)
    await estate.put(USER, "AIDAALICE", alice(path="/a/"))
    async with estate.store.transaction() as tx:
        role = await put_role(tx, ACCOUNT, "r", trust=trusting(AWS=ACCOUNT))
    directory = estate.directory
    assert await directory.tags_of(POLICY) == {"env": "beta"}
    assert await directory.tags_of(ADMINISTRATOR_ACCESS) == {}
    assert await directory.tags_of(f"{POLICY}s") is None
    assert await directory.unique_id(f"arn:aws:iam::{ACCOUNT}:user/a/alice") == "AIDAALICE"
    assert await directory.unique_id(role.arn) == role.id
    for other in (f"arn:aws:iam::{ACCOUNT}:user/alice", f"arn:aws:iam::{ACCOUNT}:root", POLICY):
        assert await directory.unique_id(other) is None


async def test_an_administrator_is_made_once(estate: Estate) -> None:
    async with estate.store.transaction() as tx:
        made = await found_account(tx, ACCOUNT, administrator_name="Root-Like")
    assert await estate.directory.user(ACCOUNT, "Root-Like") == made
    assert await estate.directory.user_of_id(ACCOUNT, made.id) == made
    with pytest.raises(AlreadyExistsError):
        async with estate.store.transaction() as tx:
            await found_account(tx, ACCOUNT, administrator_name="root-like")


async def test_it_answers_only_while_it_follows(estate: Estate) -> None:
    await estate.put(USER, "AIDAALICE", alice())
    await estate.policies()
    estate.directory.stop()
    with pytest.raises(RuntimeError, match="not started"):
        await estate.policies()
