"""`hedgerow why message` answers from the deployed table of a root folder."""

import json
import socket
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from hedgerow.cli import main
from hedgerow.contract import (
    CoreMember,
    DeviceCertificate,
    DeviceMember,
    GroupDeployment,
    Membership,
    SignedDocument,
    SubscriptionRow,
    encode,
)

THINGS = "arn:aws:iot:us-east-1:123456789012:thing/"


def member(name: str) -> DeviceMember:
    return DeviceMember(id=name, thing_arn=THINGS + name, thing_name=name)


GROUP = GroupDeployment(
    deployment_id="d",
    group_id="g",
    group_version_id="v",
    account="123456789012",
    region="us-east-1",
    core=CoreMember(id="1", thing_arn=THINGS + "core", thing_name="core", certificate_id="0" * 64),
    devices=(member("press"), member("panel"), member("meter")),
    subscriptions=(
        SubscriptionRow(
            id="row-1", source=THINGS + "press", subject="line/+", target=THINGS + "panel"
        ),
        SubscriptionRow(id="row-2", source=THINGS + "press", subject="line/#", target="cloud"),
    ),
)

MEMBERSHIP = Membership(
    group_id="g",
    deployment_id="d",
    serial=1,
    certificates=tuple(
        DeviceCertificate(certificate_id=name[0] * 64, pem="", thing_name=name)
        for name in ("press", "panel")
    ),
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    config = {
        "coreThing": {
            "caPath": "root.ca.pem",
            "certPath": "core.cert.pem",
            "keyPath": "core.private.key",
            "thingArn": THINGS + "core",
            "iotHost": "localhost",
        }
    }
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "config.json").write_text(json.dumps(config))
    return tmp_path


@pytest.fixture
def deployed(root: Path) -> Path:
    folder = root / "ggc" / "deployment" / "group"
    folder.mkdir(parents=True)
    (folder / "group.json").write_bytes(encode(GROUP))
    lists = root / "ggc" / "deployment" / "membership"
    lists.mkdir()
    signed = SignedDocument(payload=encode(MEMBERSHIP), signature=b"", certificate="")
    (lists / "g.json").write_bytes(msgspec.json.encode(signed))
    return root


def why(root: Path, *words: str) -> Result:
    return CliRunner().invoke(main, ["why", "message", "--root", str(root), *words])


def test_a_row_that_lets_it_pass_is_named(deployed: Path) -> None:
    said = why(deployed, "--from", "press", "--to", "panel", "--topic", "line/1")
    assert said.exit_code == 0
    assert said.output.startswith("Passes: one row lets the message pass.")
    assert "row-1" in said.output
    assert "row-2" not in said.output


def test_what_a_near_row_lacks_is_marked(deployed: Path) -> None:
    said = why(deployed, "--from", "press", "--to", "panel", "--topic", "lines/1")
    assert said.exit_code == 0
    assert said.output.startswith("Does not pass: ")
    assert "line/+ (differs)" in said.output


def test_json_says_the_same(deployed: Path) -> None:
    said = why(deployed, "--from", "press", "--topic", "line/1/2", "--json")
    answer = json.loads(said.output)
    assert answer["allowed"]
    assert answer["cause"] is None
    assert answer["reason"] == "one row lets the message pass"
    (row,) = answer["rows"]
    assert row == {
        "id": "row-2",
        "source": THINGS + "press",
        "subject": "line/#",
        "target": "cloud",
        "passes": True,
        "sourceFits": True,
        "subjectFits": True,
        "targetFits": True,
    }


@pytest.mark.parametrize(
    ("words", "step", "code", "sentence"),
    [
        (
            ("--from", "pres", "--topic", "a"),
            "source",
            "not-in-group",
            "the deployed group has no device 'pres'; it has: meter, panel, press",
        ),
        (
            ("--from", "press", "--to", "?", "--topic", "a"),
            "target",
            "not-in-group",
            "the deployed group has no device '?'; it has: meter, panel, press",
        ),
        (
            ("--from", "press", "--to", "meter", "--topic", "line/1"),
            "target's certificate",
            "no-certificate-listed",
            "no certificate of 'meter' is on the core's list, so it cannot connect",
        ),
        (
            ("--from", "press", "--topic", "line/+"),
            "rows",
            "bad-topic",
            "the topic of a message holds no wildcard and is not empty",
        ),
    ],
)
def test_the_first_step_that_fails_is_the_cause(
    deployed: Path, words: tuple[str, ...], step: str, code: str, sentence: str
) -> None:
    said = why(deployed, *words, "--json")
    assert said.exit_code == 0
    answer = json.loads(said.output)
    assert not answer["allowed"]
    assert (answer["cause"]["name"], answer["cause"]["code"]) == (step, code)
    assert answer["reason"] == answer["cause"]["says"] == sentence


def test_without_a_deployment_it_says_so(root: Path) -> None:
    said = why(root, "--from", "press", "--topic", "a")
    assert said.exit_code == 0
    assert said.output.startswith("Does not pass: no group is deployed to this core.")


def test_a_list_of_certificates_that_cannot_be_read_is_one_sentence(deployed: Path) -> None:
    (deployed / "ggc" / "deployment" / "membership" / "g.json").write_text("{")
    said = why(deployed, "--from", "press", "--topic", "line/1")
    assert said.exit_code == 1
    assert "is not in the form of a signed document" in said.output


def test_where_the_cloud_is_not_at_hand_its_part_is_left_open(
    deployed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    said = why(deployed, "--from", "press", "--to", "cloud", "--topic", "line/1")
    assert said.exit_code == 0
    assert "not asked: the environment that 'hedgerow env' prints is not here" in said.output


def test_where_the_cloud_does_not_answer_the_local_part_is_told(
    deployed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    for name, value in {
        "AWS_ENDPOINT_URL": f"https://127.0.0.1:{port}",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "-",
        "AWS_MAX_ATTEMPTS": "1",
    }.items():
        monkeypatch.setenv(name, value)
    said = why(deployed, "--from", "press", "--to", "cloud", "--topic", "line/1")
    assert said.exit_code == 0
    assert said.output.startswith("Passes: one row lets the message pass.")
    assert "core's policy         not asked: the cloud does not answer" in said.output
    assert "row-2" in said.output


def test_a_row_to_the_cloud_is_asked_about_without_being_named(
    deployed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    said = why(deployed, "--from", "press", "--topic", "line/1")
    assert "core's policy         not asked: " in said.output


SHADOW = "$aws/things/press/shadow"


def with_rows(root: Path, *rows: tuple[str, str, str]) -> None:
    made = tuple(
        SubscriptionRow(id=f"row-{n}", source=source, subject=subject, target=target)
        for n, (source, subject, target) in enumerate(rows)
    )
    group = msgspec.structs.replace(GROUP, subscriptions=made)
    (root / "ggc" / "deployment" / "group" / "group.json").write_bytes(encode(group))


@pytest.mark.parametrize("topic", [f"{SHADOW}/update", f"{SHADOW}/name/config/get"])
def test_a_request_to_a_shadow_without_a_row_is_told_which_row_it_needs(
    deployed: Path, topic: str
) -> None:
    answer = why(deployed, "--from", "press", "--topic", topic, "--json")
    cause = json.loads(answer.output)["cause"]
    assert (cause["name"], cause["code"]) == ("shadow service", "no-row-to-shadows")
    assert (
        f"the source 'press', the subject '{topic}' and the target GGShadowService"
        in cause["change"]
    )


def test_rows_to_and_from_the_shadow_service_are_told(deployed: Path) -> None:
    to = (THINGS + "press", f"{SHADOW}/#", "GGShadowService")
    back = ("GGShadowService", f"{SHADOW}/update/accepted", THINGS + "press")
    with_rows(deployed, to, back)
    answer = why(deployed, "--from", "press", "--topic", f"{SHADOW}/update", "--json")
    steps = {step["name"]: step for step in json.loads(answer.output)["steps"]}
    assert json.loads(answer.output)["allowed"]
    assert steps["shadow service"]["passed"] is True
    assert steps["shadow"]["passed"] is True
    assert f"{SHADOW}/update/rejected" in steps["answers"]["says"]
    assert f"{SHADOW}/update/accepted" not in steps["answers"]["says"]


def test_a_message_that_passes_elsewhere_is_told_that_no_shadow_changes(deployed: Path) -> None:
    with_rows(deployed, (THINGS + "press", f"{SHADOW}/update", THINGS + "panel"))
    answer = why(deployed, "--from", "press", "--topic", f"{SHADOW}/update", "--json")
    steps = {step["name"]: step for step in json.loads(answer.output)["steps"]}
    assert json.loads(answer.output)["allowed"]
    assert "no shadow changes" in steps["shadow service"]["says"]
