import json

import pytest

from hedgerow.contract import DeploymentNotice
from hedgerow.core.deployment import Complaint, Heard, ask_topic, notice_filters, read_notice

BASE = "$aws/things/core-1-gda/shadow"
WISH = {"GroupId": "g", "DeploymentId": "d", "DeploymentType": "NewDeployment"}


def test_the_topics_are_those_of_the_cores_deployment_shadow() -> None:
    assert notice_filters("core-1") == (
        f"{BASE}/update/delta",
        f"{BASE}/get/accepted",
        f"{BASE}/get/rejected",
    )
    assert ask_topic("core-1") == f"{BASE}/get"


def test_a_change_makes_the_core_ask_whatever_it_says() -> None:
    assert read_notice("core-1", f"{BASE}/update/delta", b"anything") is Heard.ASK


def test_the_desired_state_is_the_notice() -> None:
    document = {"state": {"desired": WISH | {"MembershipSerial": 4}, "reported": {}}, "version": 3}
    heard = read_notice("core-1", f"{BASE}/get/accepted", json.dumps(document).encode())
    assert heard == DeploymentNotice(
        group_id="g", deployment_id="d", deployment_type="NewDeployment", membership_serial=4
    )


@pytest.mark.parametrize(
    "payload", [b"", b"{", b"[]", b'{"state": 1}', b'{"state": {"reported": {}}}', b"\xff"]
)
def test_without_a_desired_state_there_is_nothing_to_deploy(payload: bytes) -> None:
    assert read_notice("core-1", f"{BASE}/get/accepted", payload) is Heard.NOTHING


def test_a_wish_that_cannot_be_read_names_the_field() -> None:
    payload = json.dumps({"state": {"desired": {"GroupId": "g"}}}).encode()
    heard = read_notice("core-1", f"{BASE}/get/accepted", payload)
    assert isinstance(heard, Complaint)
    assert "DeploymentId" in heard.text


def test_no_shadow_yet_means_nothing_to_deploy_and_another_refusal_is_told() -> None:
    missing = b'{"code": 404, "message": "No shadow exists"}'
    assert read_notice("core-1", f"{BASE}/get/rejected", missing) is Heard.NOTHING
    heard = read_notice("core-1", f"{BASE}/get/rejected", b'{"code": 403, "message": "no right"}')
    assert isinstance(heard, Complaint)
    assert "no right" in heard.text


@pytest.mark.parametrize(
    "topic", ["$aws/things/other-gda/shadow/get/accepted", "x/y", f"{BASE}/update/accepted"]
)
def test_other_topics_are_none_of_the_agents(topic: str) -> None:
    assert read_notice("core-1", topic, b"{}") is None
