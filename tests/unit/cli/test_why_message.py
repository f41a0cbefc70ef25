"""`hedgerow why message` answers from the deployed table of a root folder."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hedgerow.cli import main
from hedgerow.contract import CoreMember, DeviceMember, GroupDeployment, SubscriptionRow, encode

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
    said = why(deployed, "--from", "press", "--to", "meter", "--topic", "line/1")
    assert said.exit_code == 0
    assert said.output.startswith("Does not pass: ")
    assert "panel (differs)" in said.output


def test_json_says_the_same(deployed: Path) -> None:
    said = why(deployed, "--from", "press", "--topic", "line/1/2", "--json")
    answer = json.loads(said.output)
    assert answer["allowed"]
    assert [row["id"] for row in answer["rows"]] == ["row-2"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--from", "pres", "--topic", "a"), "has no device 'pres'; it has: meter, panel, press"),
        (("--from", "press", "--to", "?", "--topic", "a"), "has no device '?'"),
    ],
)
def test_an_unknown_name_is_one_sentence(
    deployed: Path, words: tuple[str, ...], sentence: str
) -> None:
    said = why(deployed, *words)
    assert said.exit_code == 1
    assert sentence in said.output


def test_without_a_deployment_it_says_so(root: Path) -> None:
    said = why(root, "--from", "press", "--topic", "a")
    assert said.exit_code == 1
    assert "no group is deployed" in said.output
