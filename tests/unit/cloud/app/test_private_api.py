import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.support.cloud import born_cloud

from hedgerow.cli import main
from hedgerow.cloud.app import CloudApp, PrivateApi, read_private_api
from hedgerow.cloud.app.private_api import private_doors
from hedgerow.kernel import ConfigurationError

POLICY = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "iot:*", "Resource": "*"}],
}


def test_a_door_is_read_from_one_line() -> None:
    assert read_private_api("id=vpce-0abc,host=10.0.0.5,port=7444,policy=plant.json") == PrivateApi(
        id="vpce-0abc", host="10.0.0.5", port=7444, policy=Path("plant.json")
    )
    assert read_private_api("port=0,host=::1,id=vpce-1").policy is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not a part of"),
        ("id=vpce-1,host=::1", "lacks port"),
        ("id=vpce-1,host=::1,port=1,port=2", "not a part of"),
        ("id=vpce-1,host=::1,port=1,color=red", "not a part of"),
        ("id=vpce-1,host=,port=1", "not a part of"),
        ("id=plant,host=::1,port=1", "write vpce-"),
        ("id=vpce-1,host=::1,port=65536", "not a port"),
        ("id=vpce-1,host=::1,port=-1", "not a port"),
        ("id=vpce-1,host=::1,port=one", "not a port"),
    ],
)
def test_a_mistake_is_named(text: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        read_private_api(text)


def test_a_policy_s_mistake_is_named_with_its_file_and_place(tmp_path: Path) -> None:
    path = tmp_path / "plant.json"
    statement = {**POLICY["Statement"][0], "Action": "everything"}  # type: ignore[dict-item]
    path.write_text(json.dumps({**POLICY, "Statement": [statement]}))
    with pytest.raises(ConfigurationError, match=r"plant\.json: Statement\[0\]\.Action") as error:
        private_doors([PrivateApi("vpce-1", "127.0.0.1", 0, path)])
    assert str(path) in error.value.message


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_policy_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "plant.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"cannot read the policy .*plant\.json"):
        private_doors([PrivateApi("vpce-1", "127.0.0.1", 0, path)])


def test_doors_are_told_apart_by_their_ids() -> None:
    wanted = [PrivateApi("vpce-1", "127.0.0.1", 0), PrivateApi("vpce-1", "127.0.0.1", 1)]
    with pytest.raises(ConfigurationError, match="two private APIs have the id vpce-1"):
        private_doors(wanted)


async def test_a_cloud_without_any_door_for_its_api_does_not_start() -> None:
    with pytest.raises(ConfigurationError, match="no door at all"):
        await CloudApp.open(born_cloud(), api_port=None)


def test_the_command_says_what_is_wrong_before_it_starts_anything(tmp_path: Path) -> None:
    said = CliRunner().invoke(
        main, ["cloud", "run", "--data", str(tmp_path), "--private-api", "port=1"]
    )
    assert said.exit_code == 1
    assert said.output.startswith("Error: 'port=1' lacks id, host; write id=vpce-")
