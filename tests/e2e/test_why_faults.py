"""`hedgerow why` names the right cause at the first try, for every fault of a list."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore import xform_name
from botocore.exceptions import ClientError
from botocore.session import get_session
from click.testing import CliRunner, Result
from tests.support.cloud import ACCOUNT
from tests.support.core_estate import core_policy
from tests.support.roles import trust_policy
from tests.support.why.fault import Fault, asked
from tests.support.why.faults import FAULTS
from tests.support.why.message_faults import core_may
from tests.support.why.oracle import allowed_by_cloud
from tests.support.why.plant import DOOR, Plant, allow, deny, document, greengrass, running_plant
from tools.why import DOCUMENT, INTRODUCTION, Told

from hedgerow.cli import main
from hedgerow.cloud.cloudtrail.meter import SOURCE_BURST

pytestmark = [pytest.mark.timeout(120), pytest.mark.xdist_group("why")]


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    with running_plant(tmp_path_factory.mktemp("why")) as made:
        yield made


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.id)
def test_the_cause_of_a_fault_is_named(plant: Plant, fault: Fault) -> None:
    """The sound state is answered with yes; with this one fault in it the cause is the fault.

    What was answered stands in docs/why.md, which `python -m tools.why` writes anew.
    """
    before, after = asked(fault, plant)
    assert before.answer["allowed"], before
    assert before.answer["cause"] is None
    assert before.cloud in (True, None)
    assert not after.answer["allowed"]
    cause = after.answer["cause"]
    assert (cause["name"], cause["code"]) == (fault.step, fault.code), after
    # What a certificate's own time forbids is refused by TLS, before policies are asked; and the
    # simulator takes a resource as it is given, though no call is judged on it.
    assert after.cloud in (False, None) or fault.step in ("validity", "resource")
    assert cause["says"]
    assert "*" not in cause["change"]
    told = Told(fault.about, fault.says, after.words, cause)
    assert str(told) in DOCUMENT.read_text(encoding="utf-8")


def test_the_document_has_every_fault_once_and_in_order() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert text.startswith(INTRODUCTION.format(count=len(FAULTS)))
    titles = [line for line in text.splitlines() if line.startswith(("## ", "**"))]
    wanted: list[str] = []
    for fault in FAULTS:
        if f"## {fault.about}" not in wanted:
            wanted.append(f"## {fault.about}")
        wanted.append(f"**{fault.says}**")
    assert titles == wanted


def test_faults_cover_every_command_and_have_names_of_their_own() -> None:
    assert len(FAULTS) >= 30
    assert len({fault.id for fault in FAULTS}) == len(FAULTS)
    assert len({fault.says for fault in FAULTS}) == len(FAULTS)


def hedgerow(plant: Plant, *words: str, **env: str | None) -> Result:
    return CliRunner().invoke(main, words, env={**plant.environment, **env})


def test_what_was_refused_last_can_be_listed_and_asked_about(plant: Plant) -> None:
    alice = plant.user(allow("iot:ListThings"))
    refused = plant.request_of(plant.key_of(alice), "greengrass", "list_groups")
    listed = json.loads(hedgerow(plant, "why", "refusals", "--last", "1", "--json").stdout)
    assert len(listed) == 1
    assert listed[0]["id"] == refused
    assert listed[0]["what"] == "greengrass:ListGroups"
    assert listed[0]["who"].endswith(f":user/{alice}")
    assert listed[0]["code"] == "AccessDeniedException"
    assert listed[0]["from"] == "127.0.0.1"
    shown = hedgerow(plant, "why", "refusals", "--last", "3", COLUMNS="80").stdout
    assert refused in shown
    assert "Ask about one with: hedgerow why call ID" in shown
    answer = hedgerow(plant, "why", "call", refused).stdout
    assert answer.startswith("Refused: no policy allows greengrass:ListGroups on *")
    assert f":user/{alice}" in answer
    assert "To change it: add a statement to policy" in answer


def test_a_call_is_found_by_the_id_of_its_event_too(plant: Plant) -> None:
    request = plant.request_of(plant.through_door, "iot", "list_things")
    event = plant.ask(("why", "call", request))["event"]
    assert event["requestID"] == request
    again = plant.ask(("why", "call", event["eventID"]))
    assert again["event"] == event
    (endpoint,) = [step for step in again["steps"] if step["name"] == "endpoint"]
    assert DOOR in endpoint["says"]


def test_an_answered_call_says_what_allowed_it(plant: Plant) -> None:
    alice = plant.user(allow("greengrass:ListGroups", Sid="Listing"))
    answered = plant.request_of(plant.key_of(alice), "greengrass", "list_groups")
    answer = plant.ask(("why", "call", answered))
    decision = next(step for step in answer["steps"] if step["name"] == "decision")
    assert (decision["policy"], decision["statement"]) == (f"user/{alice}#own", "Listing")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("call", "nix"), "'nix' is not the id of a request or an event"),
        (("call", "00000000-0000-4000-8000-000000000000"), "have no request or event"),
        (
            ("device", "--thing", "press", "--action", "iot:Publihs", "--resource", "topic/a"),
            "did you mean iot:Publish",
        ),
        (("device", "--thing", "press", "--action", "iot:Publish"), "needs a --resource"),
        (
            ("device", "--thing", "press", "--action", "iot:Publish", "--resource", "line/1"),
            "begins with topic/, and 'line/1' does not; did you mean --resource 'topic/line/1'?",
        ),
        (
            (
                *("access", "--principal", "administrator", "--action", "sts:AssumeRole"),
                *("--resource", "arn:aws:iam::*:role/x"),
            ),
            "names no account",
        ),
        (
            ("access", "--principal", "administrator", "--action", "iam:PassRole"),
            "name it with --resource arn:aws:iam::123456789012:role/ROLE",
        ),
        (
            (
                *("access", "--principal", "administrator", "--action", "iot:ListThings"),
                *("--context", "aws:SourceIp=300.1.1.1"),
            ),
            "'300.1.1.1' is not an address",
        ),
        (
            ("device", "--thing", "press", "--action", "greengrass:Discver"),
            "did you mean greengrass:Discover?",
        ),
        (("access", "--principal", "nobody", "--action", "iot:ListThings"), "has no user or role"),
        (
            ("access", "--principal", "administrator", "--action", "iot:ListThigns"),
            "did you mean iot:ListThings",
        ),
        (("access", "--principal", "administrator", "--action", "List"), "is not an action"),
        (
            (
                "access",
                "--principal",
                "administrator",
                "--action",
                "iot:Connect",
                "--context",
                "nix",
            ),
            "'nix' is not KEY=VALUE",
        ),
        (("role", "--group", "group-of-egde"), "did you mean 'group-of-edge'?"),
        (("role", "--role", "user/administrator"), "is a user; only roles can be assumed"),
        (("role", "--role", "Line_GroupRole", "--for", "nobody"), "has no user or role"),
        (
            ("role", "--role", "arn:aws:iam::210987654321:role/Line_GroupRole"),
            "is of account 210987654321",
        ),
        (
            (
                *("access", "--principal", "arn:aws:iam::210987654321:user/administrator"),
                *("--action", "iot:ListThings"),
            ),
            "hedgerow env --account 210987654321",
        ),
    ],
)
def test_a_question_that_makes_no_sense_is_one_sentence(
    plant: Plant, words: tuple[str, ...], sentence: str
) -> None:
    said = hedgerow(plant, "why", *words)
    assert said.exit_code == 1
    assert sentence in said.output
    assert len(said.output.splitlines()) == 1


def test_an_action_is_judged_on_what_its_call_is_judged_on(plant: Plant) -> None:
    alice = plant.user(allow("greengrass:ListGroups", "arn:aws:greengrass:eu-west-1:*:*"))
    who = ("why", "access", "--principal", alice, "--action")
    refused = plant.ask((*who, "greengrass:ListGroups", "--resource", greengrass("groups/1")))
    assert refused["cause"]["code"] == "resource"
    (permission,) = [step for step in refused["steps"] if step["name"] == "permission"]
    assert permission["says"] == (
        "greengrass:ListGroups has no resource of its own: it is judged on *"
    )
    said = hedgerow(plant, *who, "greengrass:GetGroup")
    assert said.exit_code == 1
    form = f"--resource {greengrass('groups/GROUPID')}"
    assert f"greengrass:GetGroup is judged on a resource; name it with {form}" in said.output
    associate = plant.ask(
        (*who, "greengrass:AssociateRoleToGroup", "--resource", greengrass("groups/1"))
    )
    (permission,) = [step for step in associate["steps"] if step["name"] == "permission"]
    assert permission["says"].endswith("a call can also need iam:PassRole on ROLEARN")


@pytest.mark.parametrize(
    "resource",
    [
        "/greengrass/groups/G/deployments",
        "line-7-group",
        "arn:aws:greengrass:eu-west-1:123456789012:groups/G",
        "arn:aws:greengrass:us-west-2:123456789012:/greengrass/groups/G",
    ],
)
def test_what_no_call_asks_for_is_never_said_to_be_allowed(plant: Plant, resource: str) -> None:
    words = ("why", "access", "--principal", "administrator", "--resource", resource)
    answer = plant.ask((*words, "--action", "greengrass:CreateDeployment"))
    assert answer["cause"]["code"] == "not-judged-on"
    form = greengrass("groups/GROUPID")
    assert answer["cause"]["says"].startswith(f"greengrass:CreateDeployment is judged on {form}")
    assert f"ask with --resource {greengrass('groups/')}" in answer["cause"]["change"]


def test_the_tags_of_a_resource_are_read_as_for_a_call(plant: Plant) -> None:
    """What is said of a tagged group, of a version of it, and of a role is what calls meet."""
    hall = {"StringEquals": {"aws:ResourceTag/hall": "7"}}
    arn = greengrass(f"groups/{plant.group.group_id}")
    role = plant.role(trust_policy(account=ACCOUNT))
    alice = plant.user(allow(["greengrass:*", "iam:GetRole"], Condition=hall))
    versions = plant.call("greengrass", "list_group_versions", GroupId=plant.group.group_id)
    version = versions["Versions"][0]["Version"]
    asked = {
        "greengrass:GetGroup": (arn, {"GroupId": plant.group.group_id}),
        "greengrass:GetGroupVersion": (
            f"{arn}/versions/{version}",
            {"GroupId": plant.group.group_id, "GroupVersionId": version},
        ),
        "iam:GetRole": (f"arn:aws:iam::{ACCOUNT}:role/{role}", {"RoleName": role}),
    }
    key = plant.key_of(alice)

    def both() -> list[tuple[bool, bool]]:
        said = []
        for action, (resource, members) in asked.items():
            words = ("--principal", alice, "--action", action, "--resource", resource)
            service, _, name = action.partition(":")
            operation = xform_name(name)
            try:
                plant.call_as(key, service, operation, **members)
            except ClientError:
                said.append((plant.ask(("why", "access", *words))["allowed"], False))
            else:
                said.append((plant.ask(("why", "access", *words))["allowed"], True))
        return said

    assert both() == [(False, False)] * 3
    plant.call("greengrass", "tag_resource", ResourceArn=arn, tags={"hall": "7"})
    plant.call("iam", "tag_role", RoleName=role, Tags=[{"Key": "hall", "Value": "7"}])
    assert both() == [(True, True)] * 3
    plant.call("greengrass", "untag_resource", ResourceArn=arn, TagKeys=["hall"])


def test_a_group_can_be_named_by_its_name_if_one_alone_has_it(plant: Plant) -> None:
    found = plant.call("greengrass", "list_groups")["Groups"]
    (name,) = [group["Name"] for group in found if group["Id"] == plant.group.group_id]
    by_name = plant.ask(("why", "role", "--group", name))
    assert by_name == plant.ask(("why", "role", "--group", plant.group.group_id))
    twice = plant.fresh("twice")
    for _ in range(2):
        plant.call("greengrass", "create_group", Name=twice)
    said = hedgerow(plant, "why", "role", "--group", twice)
    assert said.exit_code == 1
    assert f"2 groups are called '{twice}'; name one by its id: " in said.output


def test_a_role_or_thing_that_was_mistyped_is_named(plant: Plant) -> None:
    role = plant.ask(("why", "role", "--role", "Line_GruopRole"))
    assert role["cause"]["says"] == (
        "there is no role Line_GruopRole; perhaps 'Line_GroupRole' is meant"
    )
    thing = plant.ask(("why", "device", "--thing", "pannel", "--action", "iot:Connect"))
    assert thing["cause"]["says"] == "there is no thing 'pannel'; perhaps 'panel' is meant"


def test_commands_that_are_advised_are_complete() -> None:
    """Every `aws` command in the answers has the arguments that its operation requires."""
    session = get_session()
    commands = re.findall(
        r"aws ([a-z]+) ([a-z]+(?:-[a-z]+)+)((?: --[a-z-]+ [^ ]+)*)",
        DOCUMENT.read_text(encoding="utf-8").replace("\\", ""),
    )
    assert len(commands) >= 20
    for service, command, arguments in commands:
        model = session.get_service_model(service)
        (operation,) = [name for name in model.operation_names if xform_name(name, "-") == command]
        shape = model.operation_model(operation).input_shape
        given = set(re.findall(r"--([a-z-]+)", arguments))
        needed = set() if shape is None else set(shape.required_members)
        assert {xform_name(name, "-") for name in needed} <= given, (service, command, arguments)


def test_what_needs_no_permission_is_refused_by_a_private_door_only(plant: Plant) -> None:
    who = ("why", "access", "--principal", plant.user(deny("sts:GetCallerIdentity")))
    words = (*who, "--action", "sts:GetCallerIdentity")
    assert plant.ask(words)["allowed"]
    door = plant.policy_file(allow("iot:ListThings", Principal="*"))
    behind = plant.ask((*words, "--endpoint-policy", door))
    assert behind["cause"]["code"] == "endpoint-policy"


def test_discovery_is_told_as_it_is_through_the_life_of_a_group(plant: Plant) -> None:
    """Whatever a group's deployments have been through, the answer is that of the data plane."""
    gauge = plant.device(name="gauge")
    words = ("why", "device", "--thing", gauge.name, "--action", "greengrass:Discover")
    seen: list[bool] = []

    def look() -> None:
        seen.append(plant.ask(words)["allowed"])
        assert allowed_by_cloud(plant, words) == seen[-1], seen

    group = plant.run(plant.cloud.group(plant.fresh("core-of-gauge"), gauge))
    look()
    plant.run(group.deploy(succeed=False))
    look()  # the first one counts while it is on its way
    plant.run(group.report("Failure"))
    look()
    plant.run(group.deploy())
    look()
    plant.run(group.new_version())
    look()  # a version without the device changes nothing
    plant.run(group.deploy(succeed=False))
    look()  # nor does its deployment, before the core has taken it over
    plant.run(group.report("Failure"))
    look()
    plant.run(group.deploy())
    look()
    plant.run(group.new_version(gauge))
    plant.run(group.deploy())
    look()
    plant.call("greengrass", "reset_deployments", GroupId=group.group_id, Force=True)
    look()
    assert seen == [False, True, False, True, True, True, True, False, True, False]


def test_people_read_the_verdict_first_then_the_way_then_the_change(plant: Plant) -> None:
    said = hedgerow(
        plant,
        "why",
        "device",
        "--thing",
        "press",
        "--action",
        "iot:Publish",
        "--resource",
        "topic/a",
    ).stdout.splitlines()
    assert said[0].startswith("Refused (certificate ")
    assert said[1].lstrip().startswith("✓ certificate")
    assert said[-2].lstrip().startswith("✗ decision")
    assert (
        said[-1]
        .lstrip()
        .startswith("To change it: add a statement to policy press-policy that allows")
    )


@pytest.mark.parametrize("command", ["device", "access", "role", "call", "refusals"])
def test_without_the_environment_it_says_where_to_get_it(command: str, tmp_path: Path) -> None:
    words = {
        "device": ("--thing", "x", "--action", "iot:Connect"),
        "access": ("--principal", "x", "--action", "iot:ListThings"),
        "call": ("00000000-0000-4000-8000-000000000000",),
    }.get(command, ())
    bare: dict[str, str | None] = dict.fromkeys(
        (name for name in os.environ if name.startswith("AWS_")), None
    )
    said = CliRunner().invoke(main, ["why", command, *words], env={**bare, "HOME": str(tmp_path)})
    assert said.exit_code == 1
    assert "hedgerow env --data DIR" in said.output


def test_who_may_not_read_the_account_is_told_so(plant: Plant) -> None:
    key = plant.key_of(plant.user(allow("iot:ListThings")))
    said = hedgerow(
        plant,
        *("why", "access", "--principal", "administrator", "--action", "iot:ListThings"),
        AWS_ACCESS_KEY_ID=key["aws_access_key_id"],
        AWS_SECRET_ACCESS_KEY=key["aws_secret_access_key"],
    )
    assert said.exit_code == 1
    assert "iam:GetAccountAuthorizationDetails" in said.output


def test_a_flood_of_refusals_is_listed_as_a_count(plant: Plant) -> None:
    stranger = plant.device(allow("iot:Connect"))
    path = f"/greengrass/discover/thing/{stranger.name}"
    plant.attempt(stranger.identity, "GET", path, times=SOURCE_BURST + 1)
    plant.attempt(stranger.identity, "GET", path)
    listed = json.loads(hedgerow(plant, "why", "refusals", "--last", "30", "--json").stdout)
    (count,) = [one for one in listed if one["code"] == "RefusalsCounted"]
    told = plant.ask(("why", "call", count["id"]))
    assert told["cause"]["code"] == "only-counted"
    assert "DeviceRequestRefused with 403 from 127.0.0.1" in told["cause"]["says"]


def test_looking_at_a_core_leaves_no_refusal(plant: Plant) -> None:
    """What `hedgerow doctor` asks of the cloud is granted to every core."""
    refusals = ("why", "refusals", "--json")
    before = hedgerow(plant, *refusals).stdout
    plant.clock.pass_a_minute()  # else a refusal would perhaps only be counted
    said = hedgerow(plant, "doctor", "--root", str(plant.root), "--json")
    found = {finding["subject"]: finding["ok"] for finding in json.loads(said.stdout)}
    assert found["cloud"]
    assert found["clock"]
    assert found["cloud for messages"]
    assert hedgerow(plant, *refusals).stdout == before


def test_each_certificate_of_a_thing_is_named_with_what_holds_for_it(plant: Plant) -> None:
    press, other = plant.device(), plant.device()
    plant.call(
        "iot", "attach_thing_principal", thingName=press.name, principal=other.certificate_arn
    )
    words = ("why", "device", "--thing", press.name, "--action", "iot:Connect")
    shown = hedgerow(plant, *words).stdout.splitlines()
    assert shown[0].startswith(f"'{press.name}' has 2 certificates")
    own, others = press.identity.certificate_id[:10], other.identity.certificate_id[:10]
    first = shown[1:3]
    assert f"  certificate {own}…: allowed" in first
    assert any(line.startswith(f"  certificate {others}…: refused: no policy") for line in first)


def test_where_one_of_two_rows_leads_to_a_cloud_that_refuses_it_both_is_said(plant: Plant) -> None:
    words = ("why", "message", "--root", str(plant.root), "--from", "press", "--topic", "line/1")
    assert "but not to the cloud" not in plant.ask(words)["reason"]
    sound = core_policy(plant.group.group_id, "line/*", "set/*")
    core_may(plant, document(allow("iot:Connect")))
    answer = plant.ask(words)
    core_may(plant, sound)
    assert answer["allowed"]
    assert "2 rows let the message pass, but not to the cloud" in answer["reason"]
    assert "allows iot:Publish on" in answer["steps"][-1]["says"]
