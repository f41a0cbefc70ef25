import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.support.estate import Estate, estate
from tests.support.registry import HOME

from hedgerow.cloud.dataplane.answers import MissingError, refusal
from hedgerow.cloud.dataplane.discovery import TooManyGroupsError, discovery_document
from hedgerow.cloud.greengrass import GroupView
from hedgerow.cloud.greengrass.documents import AUTHORITY, Authority, Rollout
from hedgerow.contract import ConnectivityEntry, ConnectivityInfo, CoreMember
from hedgerow.kernel import CallerError, DeniedError, PeerError, UnavailableError
from hedgerow.store import Record

NOW = datetime(2026, 10, 7, tzinfo=UTC)
CORE = CoreMember(id="c", thing_arn="arn:core", thing_name="core", certificate_id="cc")


def authority(**changes: Any) -> Record[Authority]:
    settings = {"certificate_pem": "active", "key_pem": b"", **changes}
    return Record(
        kind=AUTHORITY,
        account=HOME.account,
        id="a",
        version=1,
        document=Authority(**settings),
        parent="g",
        name=None,
        created_at=NOW,
        updated_at=NOW,
    )


def view(group_id: str = "g", **changes: Any) -> GroupView:
    settings: dict[str, Any] = {
        "group_id": group_id,
        "rollout": Rollout(),
        "core": CORE,
        "devices": frozenset({"sensor"}),
        "claimed": frozenset({"sensor"}),
        "authorities": (authority(),),
        "connectivity": ConnectivityInfo(
            connectivity_info=(
                ConnectivityEntry(
                    id="AUTOIP_10.0.0.1_0", host_address="10.0.0.1", port_number=8883
                ),
            )
        ),
    }
    return GroupView(**{**settings, **changes})


def document(*views: GroupView, core_certificates: tuple[str, ...] = ("cc",)) -> Any:
    return json.loads(discovery_document("sensor", views, lambda _core: core_certificates, NOW))


@pytest.mark.spec("E04", "E05")
def test_the_document_is_the_documented_one() -> None:
    assert document(view()) == {
        "GGGroups": [
            {
                "GGGroupId": "g",
                "Cores": [
                    {
                        "thingArn": "arn:core",
                        "Connectivity": [
                            {
                                "Id": "AUTOIP_10.0.0.1_0",
                                "HostAddress": "10.0.0.1",
                                "PortNumber": 8883,
                                "Metadata": "",
                            }
                        ],
                    }
                ],
                "CAs": ["active"],
            }
        ]
    }


@pytest.mark.spec("E06")
def test_ten_groups_are_shown_and_an_eleventh_is_refused_in_the_documented_words() -> None:
    views = [view(f"g{number}") for number in range(11)]
    assert len(document(*views[:10])["GGGroups"]) == 10
    with pytest.raises(
        TooManyGroupsError,
        match="Device is a member of too many groups, devices may not be in more than 10 groups",
    ):
        document(*views)


def test_a_thing_in_no_deployed_group_finds_nothing() -> None:
    with pytest.raises(MissingError, match="deploy the group"):
        document()
    with pytest.raises(MissingError):
        document(view(core=None))


@pytest.mark.spec("C09")
def test_a_superseded_authority_is_shown_only_while_its_core_is_in() -> None:
    old = authority(
        certificate_pem="old",
        active=False,
        trusted_until=NOW + timedelta(days=1),
        issued_to=("cc",),
        last_issued_at=NOW,
    )
    both = view(authorities=(old, authority()))
    assert document(both)["GGGroups"][0]["CAs"] == ["old", "active"]
    assert document(both, core_certificates=("other",))["GGGroups"][0]["CAs"] == ["active"]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (DeniedError("no"), 403),
        (MissingError("no"), 404),
        (TooManyGroupsError("no"), 400),
        (CallerError("no"), 400),
        (PeerError("no"), 400),
        (UnavailableError("no"), 503),
    ],
)
def test_every_fault_has_its_status_and_says_its_sentence(error: Any, status: int) -> None:
    answer = refusal(error)
    assert answer.status == status
    assert json.loads(answer.body) == {"message": "no"}


@pytest.fixture
async def greengrass(tmp_path: Path) -> AsyncIterator[Estate]:
    async with estate(tmp_path) as made:
        yield made


async def test_the_index_forgets_what_a_group_does_not_have_any_more(greengrass: Estate) -> None:
    deployed = await greengrass.deployed("core", "a", "b")
    core = deployed.identities["core"]
    assert len(await greengrass.index.groups_serving("b")) == 1
    version_id = await greengrass.simple_version(
        deployed.group_id, ("core", core), {"a": deployed.identities["a"]}
    )
    second = await greengrass.deploy(deployed.group_id, version_id)
    await greengrass.succeed("core", core, deployed.group_id, second)
    assert await greengrass.index.groups_serving("b") == ()
    assert await greengrass.index.groups_claiming("b") == frozenset()
    assert await greengrass.index.groups_serving("nobody") == ()
