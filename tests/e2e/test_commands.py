"""The commands a person runs, in the order in which they are run."""

import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from hedgerow.cli.demo.processes import Daemon
from hedgerow.cli.demo.waiting import until

pytestmark = [pytest.mark.timeout(120), pytest.mark.xdist_group("plant")]
ANY_PORTS = ("--api-port=0", "--device-https-port=0", "--device-mqtt-port=0", "--host=127.0.0.1")


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    error: str

    @property
    def data(self) -> Any:
        return json.loads(self.out)


def hedgerow(*words: object, env: dict[str, str] | None = None) -> Done:
    plain = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    done = subprocess.run(
        [sys.executable, "-m", "hedgerow.cli", *map(str, words)],
        env={**plain, **(env or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return Done(done.returncode, done.stdout, done.stderr)


def cloud_of(folder: Path) -> Daemon:
    data = folder / "cloud"
    words = ("cloud", "run", "--data", str(data), *ANY_PORTS)
    return Daemon("the cloud", words, data / "endpoints.json", folder / "cloud.log")


def aws(plant: "Plant", *words: str) -> Any:
    """Run the AWS CLI against the plant's cloud."""
    done = subprocess.run(
        [sys.executable, "-m", "awscli", *words, "--output", "json"],
        env={**os.environ, **plant.env},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout or "null")


@dataclass(frozen=True)
class Plant:
    """A running cloud and core, made with nothing but commands."""

    folder: Path
    cloud: Daemon
    env: dict[str, str]
    provisioned: dict[str, Any]

    @property
    def root(self) -> Path:
        return self.folder / "core"

    @property
    def data(self) -> Path:
        return self.folder / "cloud"


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    folder = tmp_path_factory.mktemp("plant")
    assert hedgerow("cloud", "init", "--data", folder / "cloud").code == 0
    cloud = cloud_of(folder)
    root = folder / "core"
    run = ("core", "run", "-i", "--root", str(root))
    endpoints = root / "ggc" / "var" / "state" / "endpoints.json"
    core = Daemon("the core", run, endpoints, folder / "core.log")
    try:
        cloud.start()
        env = hedgerow("env", "--data", folder / "cloud", "--json").data
        made = hedgerow(
            *("core", "provision", "--root", root, "--name", "line-7", "--json"),
            *("--device", "press", "--device", "panel", "--devices-dir", folder / "devices"),
            *("--row", "press", "line/+", "panel", "--row", "press", "line/+", "cloud"),
            *("--mqtt-port", "0", "--daemon-port", "0"),
            env=env,
        )
        assert made.code == 0, made.error
        core.start()
        group = root / "ggc" / "deployment" / "group" / "group.json"
        until(group.exists, "the deployment")
        yield Plant(folder, cloud, env, made.data)
    finally:
        core.stop_if_running()
        cloud.stop_if_running()


def test_the_aws_cli_works_with_what_env_prints(plant: Plant) -> None:
    shell = (
        f'eval "$({sys.executable} -m hedgerow.cli env --data {plant.data})"\n'
        f"{sys.executable} -m awscli greengrass list-groups --query 'Groups[].Name' --output text"
    )
    said = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=False)
    assert said.stdout.strip() == "line-7-group", said.stderr


@pytest.mark.spec("L09")
def test_provisioning_associates_the_service_role_of_the_default_name(plant: Plant) -> None:
    role = aws(plant, "greengrass", "get-service-role-for-account")
    assert role["RoleArn"].endswith(":role/Greengrass_ServiceRole")


@pytest.mark.spec("L09", "L11")
def test_the_service_role_that_provisioning_makes_is_held_to_its_account(plant: Plant) -> None:
    role = aws(plant, "iam", "get-role", "--role-name", "Greengrass_ServiceRole")["Role"]
    account, region = role["Arn"].split(":")[4], plant.env["AWS_DEFAULT_REGION"]
    (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Principal"] == {"Service": "greengrass.amazonaws.com"}
    assert statement["Condition"] == {
        "StringEquals": {"aws:SourceAccount": account},
        "ArnLike": {"aws:SourceArn": f"arn:aws:greengrass:{region}:{account}:*"},
    }
    attached = aws(
        plant, "iam", "list-attached-role-policies", "--role-name", "Greengrass_ServiceRole"
    )["AttachedPolicies"]
    assert [policy["PolicyName"] for policy in attached] == [
        "AWSGreengrassResourceAccessRolePolicy"
    ]


def make_group_role(plant: Plant, name: str, condition: dict[str, Any]) -> None:
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "greengrass.amazonaws.com"},
        "Action": "sts:AssumeRole",
        "Condition": condition,
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    words = ("--role-name", name, "--assume-role-policy-document", document)
    role = aws(plant, "iam", "create-role", *words)["Role"]
    group = plant.provisioned["groupId"]
    words = ("--group-id", group, "--role-arn", role["Arn"])
    aws(plant, "greengrass", "associate-role-to-group", *words)


@pytest.mark.spec("L11")
def test_doctor_names_a_role_that_can_be_misused(plant: Plant) -> None:
    def findings() -> dict[str, Any]:
        said = hedgerow("doctor", "--account", "--json", env=plant.env).data
        return {entry["found"]: entry for entry in said if "role" in entry["subject"]}

    before = findings()
    assert [entry["ok"] for entry in before.values()] == [True]
    account = plant.provisioned["core"]["thingArn"].split(":")[4]
    make_group_role(plant, "loose", {"StringEquals": {"aws:SourceAccount": account}})
    found = findings()["can be misused"]
    assert found["subject"] == "role of group line-7-group"
    assert (
        f"ArnLike aws:SourceArn arn:aws:greengrass:{plant.env['AWS_DEFAULT_REGION']}:"
        in (found["advice"])
    )
    assert plant.provisioned["groupId"] in found["advice"]


def test_a_command_runs_as_the_groups_role(plant: Plant) -> None:
    account = plant.provisioned["core"]["thingArn"].split(":")[4]
    make_group_role(plant, "line", {"StringEquals": {"aws:SourceAccount": account}})
    asked = ("core", "credentials", "--root", plant.root, "--", sys.executable, "-m", "awscli")
    words = (*asked, "sts", "get-caller-identity", "--query", "Arn", "--output", "text")

    def said() -> str:
        return hedgerow(*words, env=plant.env).out.strip()

    until(
        lambda: f":assumed-role/line/{plant.provisioned['core']['certificateId']}" in said(), "it"
    )
    no_command = hedgerow("core", "credentials", "--root", plant.root, "--", "no-such-command")
    assert no_command.code == 1
    assert "cannot run 'no-such-command'" in no_command.error
    nowhere = hedgerow("core", "credentials", "--root", plant.folder, "--", "true")
    assert nowhere.code == 1
    assert "config.json" in nowhere.error


@pytest.mark.spec("A13")
@pytest.mark.promise(6)
def test_a_provisioned_core_has_the_documented_files_and_private_keys(plant: Plant) -> None:
    certs = plant.root / "certs"
    stem = plant.provisioned["core"]["certificateId"][:10]
    names = {f"{stem}.cert.pem", f"{stem}.private.key", f"{stem}.public.key", "root.ca.pem"}
    assert {path.name for path in certs.iterdir()} == names
    for key in plant.folder.rglob("*.private.key"):
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
        assert stat.S_IMODE(key.parent.stat().st_mode) == 0o700


@pytest.mark.spec("A01")
def test_each_of_the_five_security_artefacts_can_be_listed(plant: Plant) -> None:
    made = plant.provisioned
    role = f"arn:aws:iam::{made['core']['thingArn'].split(':')[4]}:role/Greengrass_ServiceRole"
    assert aws(plant, "greengrass", "get-service-role-for-account")["RoleArn"] == role
    for identity in (made["core"], *made["devices"]):
        listed = aws(plant, "iot", "list-thing-principals", "--thing-name", identity["thingName"])
        assert listed["principals"] == [identity["certificateArn"]]
    group = ("--group-id", made["groupId"])
    aws(plant, "greengrass", "associate-role-to-group", *group, "--role-arn", role)
    assert aws(plant, "greengrass", "get-associated-role", *group)["RoleArn"] == role
    aws(plant, "greengrass", "disassociate-role-from-group", *group)
    server = plant.root / "ggc" / "var" / "state" / "server" / "server.crt"
    x509.load_pem_x509_certificate(server.read_bytes())


def test_a_core_is_not_provisioned_twice(plant: Plant) -> None:
    again = hedgerow("core", "provision", "--root", plant.root, "--name", "x", env=plant.env)
    assert again.code == 1
    assert "belongs to a core already" in again.error


def test_why_message_answers_from_what_is_deployed(plant: Plant) -> None:
    words = ("why", "message", "--root", plant.root, "--topic", "line/1", "--json")
    assert hedgerow(*words, "--from", "press", "--to", "panel").data["allowed"]
    assert not hedgerow(*words, "--from", "panel", "--to", "press").data["allowed"]


def test_why_device_names_the_statement_or_what_is_missing(plant: Plant) -> None:
    words = ("why", "device", "--thing", "press", "--json")
    discover = hedgerow(
        *words, "--action", "greengrass:Discover", "--resource", "thing/press", env=plant.env
    )
    assert discover.data[0]["allowed"]
    assert discover.data[0]["steps"][-1]["name"] == "group"
    assert "press-policy" in {step["policy"] for step in discover.data[0]["steps"]}
    publish = hedgerow(*words, "--action", "iot:Publish", "--resource", "topic/a", env=plant.env)
    assert not publish.data[0]["allowed"]
    assert publish.data[0]["cause"]["code"] == "no-policy-allows"
    assert "iot:Publish on arn:aws:iot:" in publish.data[0]["cause"]["says"]


def test_why_access_and_why_role_tell_of_the_account(plant: Plant) -> None:
    words = ("why", "access", "--principal", "role/Greengrass_ServiceRole", "--json")
    allowed = hedgerow(
        *words, "--action", "iot:DescribeThing", "--resource", "thing/press", env=plant.env
    )
    assert allowed.data["allowed"], allowed.data
    refused = hedgerow(*words, "--action", "iam:ListUsers", env=plant.env)
    assert not refused.data["allowed"]
    role = hedgerow("why", "role", "--json", env=plant.env).data
    assert role["allowed"], role
    assert role["steps"][0]["name"] == "association"


def test_a_refused_call_is_listed_and_told_of_by_its_id(plant: Plant) -> None:
    wrong = {**plant.env, "AWS_SECRET_ACCESS_KEY": "wrong"}
    refused = hedgerow("why", "role", env=wrong)
    assert refused.code == 1
    newest = hedgerow("why", "refusals", "--last", "1", "--json", env=plant.env).data[0]
    assert newest["code"] in ("SignatureDoesNotMatch", "InvalidSignatureException")
    told = hedgerow("why", "call", newest["id"], "--json", env=plant.env).data
    assert told["cause"]["code"] == "wrong-secret"


def test_the_core_may_carry_the_messages_of_its_rows_to_the_cloud(plant: Plant) -> None:
    words = ("why", "device", "--thing", "line-7", "--action", "iot:Publish", "--json")
    assert hedgerow(*words, "--resource", "topic/line/1", env=plant.env).data[0]["allowed"]
    assert not hedgerow(*words, "--resource", "topic/other", env=plant.env).data[0]["allowed"]


def test_a_device_is_added_to_a_running_group(plant: Plant) -> None:
    made = hedgerow(
        *("device", "provision", "--name", "late", "--dir", plant.folder / "late"),
        *("--group", "line-7-group", "--row", "late", "late/#", "cloud", "--json"),
        env=plant.env,
    )
    assert made.code == 0, made.error
    group = plant.root / "ggc" / "deployment" / "group" / "group.json"
    until(lambda: made.data["thingArn"] in group.read_text(), "the new device on the core")
    why = ("why", "message", "--root", plant.root, "--topic", "late/1", "--json")
    assert hedgerow(*why, "--from", "late").data["allowed"]


@pytest.mark.spec("D14")
def test_the_core_may_use_the_shadow_of_a_device_only_if_that_was_asked_for(plant: Plant) -> None:
    made = hedgerow(
        *("device", "provision", "--name", "meter", "--dir", plant.folder / "meter"),
        *("--group", "line-7-group", "--sync-shadow", "--json"),
        env=plant.env,
    )
    assert made.code == 0, made.error
    group = plant.root / "ggc" / "deployment" / "group" / "group.json"
    until(lambda: made.data["thingArn"] in group.read_text(), "the new device on the core")
    devices = {d["ThingName"]: d for d in json.loads(group.read_bytes())["Devices"]}
    assert devices["meter"]["SyncShadow"]
    assert not devices["press"]["SyncShadow"]
    words = ("why", "device", "--thing", "line-7", "--json")
    for action in ("iot:GetThingShadow", "iot:UpdateThingShadow", "iot:DeleteThingShadow"):
        asked = (*words, "--action", action, "--resource")
        assert hedgerow(*asked, "thing/meter", env=plant.env).data[0]["allowed"]
        assert not hedgerow(*asked, "thing/press", env=plant.env).data[0]["allowed"]


def test_a_device_of_the_group_is_not_added_again_but_its_certificate_renewed(
    plant: Plant, tmp_path: Path
) -> None:
    words = ("device", "provision", "--name", "press", "--dir", tmp_path / "new" / "press")
    again = hedgerow(*words, "--group", "line-7-group", env=plant.env)
    assert again.code == 1
    assert "'press' is in the group 'line-7-group' already; leave --group out" in again.error
    assert not (tmp_path / "new").exists()
    row = hedgerow(*words, "--row", "press", "more/#", "GGShadowService", env=plant.env)
    assert "--row needs a --group" in row.error
    renewed = hedgerow(*words, "--json", env=plant.env)
    assert renewed.code == 0, renewed.error
    asked = ("iot", "list-thing-principals", "--thing-name", "press")
    held = aws(plant, *asked)["principals"]
    assert renewed.data["certificateArn"] in held
    assert len(held) == 2
    new = renewed.data["certificateArn"]
    aws(plant, "iot", "detach-thing-principal", "--thing-name", "press", "--principal", new)


def test_a_device_that_cannot_be_made_leaves_no_folder(plant: Plant, tmp_path: Path) -> None:
    words = ("--policy-name", "taken-policy", "--policy-document")
    statement = {"Effect": "Allow", "Action": "iot:Connect", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    aws(plant, "iot", "create-policy", *words, document)
    made = hedgerow(
        *("device", "provision", "--name", "taken", "--dir", tmp_path / "new" / "taken"),
        env=plant.env,
    )
    assert made.code == 1
    assert "says something else" in made.error
    assert not (tmp_path / "new").exists()


def test_a_root_that_is_carried_to_another_place_starts_there(plant: Plant, tmp_path: Path) -> None:
    made = hedgerow(
        *("core", "provision", "--root", tmp_path / "made", "--name", "line-moved"),
        *("--mqtt-port", "0", "--daemon-port", "0", "--json"),
        env=plant.env,
    )
    assert made.code == 0, made.error
    root = (tmp_path / "made").rename(tmp_path / "elsewhere")
    run = ("core", "run", "-i", "--root", str(root))
    endpoints = root / "ggc" / "var" / "state" / "endpoints.json"
    core = Daemon("the core", run, endpoints, tmp_path / "core.log")
    try:
        core.start()
        group = root / "ggc" / "deployment" / "group" / "group.json"
        until(group.exists, "the deployment")
    finally:
        core.stop_if_running()
    assert not (tmp_path / "made").exists()


def test_named_shadows_are_synchronised_only_if_that_is_asked_for(
    plant: Plant, tmp_path: Path
) -> None:
    core = ("core", "provision", "--name", "line-8", "--no-deploy", "--sync-shadow", "line-8")
    words = ("why", "device", "--thing", "line-8", "--json", "--resource", "thing/line-8/config")
    refused = hedgerow(*core[:-2], "--root", tmp_path, "--named-shadows", env=plant.env)
    assert refused.code == 1
    assert "--named-shadows needs" in refused.error
    made = hedgerow(*core, "--root", tmp_path, "--named-shadows", "--json", env=plant.env)
    assert made.code == 0, made.error
    config = json.loads((tmp_path / "config" / "config.json").read_text())
    assert config["hedgerow"] == {"syncNamedShadows": True}
    asked = hedgerow(*words, "--action", "iot:UpdateThingShadow", env=plant.env)
    assert asked.data[0]["allowed"]
    device = ("device", "provision", "--name", "dial", "--dir", tmp_path / "dial", "--no-deploy")
    in_group = ("--group", "line-8-group", "--sync-shadow", "--json")
    made = hedgerow(*device, *in_group, env=plant.env)
    assert made.code == 0, made.error
    on_dial = (*words[:-1], "thing/dial/config")
    asked = hedgerow(*on_dial, "--action", "iot:UpdateThingShadow", env=plant.env)
    assert not asked.data[0]["allowed"]


def test_the_shadow_of_a_stranger_cannot_be_synchronised(plant: Plant, tmp_path: Path) -> None:
    core = ("core", "provision", "--root", tmp_path, "--name", "line-8", "--device", "lamp")
    refused = hedgerow(*core, "--sync-shadow", "lmap", env=plant.env)
    assert refused.code == 1
    assert "neither the core nor a --device" in refused.error
    device = ("device", "provision", "--name", "lamp", "--dir", tmp_path / "lamp")
    refused = hedgerow(*device, "--sync-shadow", env=plant.env)
    assert refused.code == 1
    assert "needs a --group" in refused.error


@pytest.mark.promise(6)
@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("press", ("press", "a", "cloud")),
        ("gauge", ("gauge", "a/#/b", "cloud")),
        ("gauge", ("gage", "a", "cloud")),
    ],
    ids=["a device that is there already", "a bad topic", "a mistyped thing"],
)
def test_a_device_that_cannot_be_made_leaves_no_certificate_and_no_key(
    plant: Plant, tmp_path: Path, name: str, row: tuple[str, str, str]
) -> None:
    before = aws(plant, "iot", "list-certificates", "--page-size", "250")["certificates"]
    words = ("device", "provision", "--name", name, "--dir", tmp_path, "--group", "line-7-group")
    failed = hedgerow(*words, "--row", *row, env=plant.env)
    assert failed.code == 1
    assert list(tmp_path.iterdir()) == []
    after = aws(plant, "iot", "list-certificates", "--page-size", "250")["certificates"]
    assert after == before


@pytest.mark.promise(6)
def test_a_core_that_cannot_be_made_leaves_no_certificate_and_can_be_made_again(
    plant: Plant, tmp_path: Path
) -> None:
    before = aws(plant, "iot", "list-certificates", "--page-size", "250")["certificates"]
    root, devices = tmp_path / "root", tmp_path / "devices"
    core = ("core", "provision", "--root", root, "--name", "line-9", "--no-deploy")
    words = (*core, "--device", "lamp", "--devices-dir", devices, "--sync-shadow", "lamp")
    assert hedgerow(*words, "--row", "lmap", "a", "cloud", env=plant.env).code == 1
    assert aws(plant, "iot", "list-certificates", "--page-size", "250")["certificates"] == before
    assert not list(root.rglob("*.key")) + list(devices.rglob("*.key"))
    again = hedgerow(*words, "--row", "lamp", "a", "cloud", env=plant.env)
    assert again.code == 0, again.error


@pytest.mark.parametrize("port", ["-1", "65536", "x"])
def test_a_port_that_cannot_be_is_one_sentence(tmp_path: Path, port: str) -> None:
    refused = hedgerow("cloud", "run", "--data", tmp_path, "--api-port", port)
    assert refused.code == 2
    assert "--api-port" in refused.error


def test_a_group_that_is_not_there_is_one_sentence(plant: Plant) -> None:
    words = ("device", "provision", "--name", "x", "--dir", plant.folder / "x", "--group", "nix")
    made = hedgerow(*words, env=plant.env)
    assert made.code == 1
    assert "there is no group named 'nix'" in made.error


def test_doctor_finds_a_running_core_sound(plant: Plant) -> None:
    found = {
        entry["subject"]: entry for entry in hedgerow("doctor", "--root", plant.root, "--json").data
    }
    for subject in ("config.json", "core certificate", "core key", "cloud", "clock"):
        assert found[subject]["ok"], found[subject]


def test_core_status_tells_what_a_running_core_serves(plant: Plant) -> None:
    found = hedgerow("core", "status", "--root", plant.root, "--json").data
    assert found["deployment"]["mode"] == "running"
    assert found["deployment"]["deploymentId"]
    assert hedgerow("core", "status", "--root", plant.root).code == 0
    assert hedgerow("why", "deployment", "--root", plant.root, "--json").data["allowed"] is True


def test_without_the_environment_the_sentence_says_how_to_get_it(tmp_path: Path) -> None:
    words = ("core", "provision", "--root", tmp_path / "core", "--name", "x")
    made = hedgerow(*words, env={"HOME": str(tmp_path)})
    assert made.code == 1
    assert "hedgerow env --data DIR" in made.error


def test_a_region_of_aws_itself_is_never_called(tmp_path: Path) -> None:
    """A forgotten endpoint must not send a plant's names, or a signature, to someone else."""
    env = {
        "HOME": str(tmp_path),
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "secret",
    }
    words = ("why", "device", "--thing", "x", "--action", "iot:Connect", "--resource", "client/x")
    said = hedgerow(*words, env=env)
    assert said.code == 1
    assert "AWS_ENDPOINT_URL is not set" in said.error


def test_a_folder_becomes_a_cloud_once(tmp_path: Path) -> None:
    assert hedgerow("cloud", "init", "--data", tmp_path / "cloud").code == 0
    again = hedgerow("cloud", "init", "--data", tmp_path / "cloud")
    assert again.code == 1
    assert "already" in again.error


@pytest.mark.parametrize("words", [("cloud", "run"), ("env",)])
def test_a_folder_that_is_no_cloud_is_named(tmp_path: Path, words: tuple[str, ...]) -> None:
    said = hedgerow(*words, "--data", tmp_path / "nix")
    assert said.code == 1
    assert str(tmp_path / "nix") in said.error


def test_env_leaves_out_an_access_key_that_was_moved_away(plant: Plant) -> None:
    kept = plant.data / "admin.json"
    moved = kept.rename(plant.folder / "moved.json")
    try:
        said = hedgerow("env", "--data", plant.data, "--json").data
    finally:
        moved.rename(kept)
    assert {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}.isdisjoint(said)
    assert said["AWS_ENDPOINT_URL"] == plant.env["AWS_ENDPOINT_URL"]


def test_env_says_that_the_cloud_does_not_run(tmp_path: Path) -> None:
    hedgerow("cloud", "init", "--data", tmp_path / "cloud")
    said = hedgerow("env", "--data", tmp_path / "cloud")
    assert said.code == 1
    assert "the cloud does not run" in said.error


def test_a_cloud_that_is_killed_keeps_what_it_acknowledged(tmp_path: Path) -> None:
    hedgerow("cloud", "init", "--data", tmp_path / "cloud")
    cloud = cloud_of(tmp_path)
    try:
        cloud.start()
        env = hedgerow("env", "--data", tmp_path / "cloud", "--json").data
        words = ("device", "provision", "--name", "press", "--dir", tmp_path / "press")
        assert hedgerow(*words, env=env).code == 0
        os.kill(cloud.pid, signal.SIGKILL)
        cloud.stop_if_running()
        cloud.start()
        env = hedgerow("env", "--data", tmp_path / "cloud", "--json").data
        why = ("why", "device", "--thing", "press", "--json", "--action", "iot:Connect")
        assert hedgerow(*why, "--resource", "client/press", env=env).data[0]["allowed"]
        assert cloud.stop() == 0
        assert not (tmp_path / "cloud" / "endpoints.json").exists()
    finally:
        cloud.stop_if_running()
