"""The table of permissions is whole, and fits the models it was made from."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from botocore.model import Shape

from hedgerow.aws import Service
from hedgerow.aws.models import load_model
from hedgerow.cloud.access import Need, Row, Target, models, operations_of, rows_of
from hedgerow.cloud.access.templates import Scope
from hedgerow.kernel import ConfigurationError

MODELS = models()
OPERATIONS = [(model, name) for model in MODELS for name in load_model(model).operation_names]
ACCESS_LEVELS = {"List", "Read", "Write", "Tagging", "Permissions management"}
SCOPE = Scope(
    region="eu-west-1", account="123456789012", caller="/ops/alice", organization="o-plant"
)
GREENGRASS = "arn:aws:greengrass:eu-west-1:123456789012:/greengrass"


def input_shape(model: str, operation: str) -> Shape | None:
    shape: Shape | None = load_model(model).operation_model(operation).input_shape
    return shape


def targets_of(row: Row) -> Iterator[Target]:
    for need in row.needs:
        yield from need.targets


def missing(shape: Shape | None, path: str) -> bool:
    """Tell whether the input has no member at a path."""
    for name in path.split("."):
        members: Mapping[str, Any] = getattr(shape, "members", {})
        if name not in members:
            return True
        shape = members[name]
    return False


def names_of(model: str, operation: str, **members: Any) -> list[str]:
    found: list[str] = []
    for target in rows_of(model)[operation].needs[0].targets:
        found.extend(target.name.fill(members, SCOPE) or ["*"])
    return found


def test_every_service_that_is_served_has_a_table() -> None:
    import hedgerow.cloud.app.composition  # noqa: F401, PLC0415 - defines every service

    served = {service.model_name for service in services(Service) if in_product(service)}
    assert {"iot", "iot-data", "greengrass", "sts"} <= served <= set(MODELS)


def services(kind: type[Service]) -> Iterator[type[Service]]:
    for service in kind.__subclasses__():
        if "model_name" in vars(service):
            yield service
        yield from services(service)


def in_product(service: type[Service]) -> bool:
    return service.__module__.startswith("hedgerow.")


@pytest.mark.parametrize("model", MODELS)
def test_a_table_has_a_row_for_every_operation_of_its_model_and_no_other(model: str) -> None:
    assert sorted(rows_of(model)) == sorted(load_model(model).operation_names)


def test_a_service_without_a_table_is_a_mistake_of_ours() -> None:
    with pytest.raises(ConfigurationError, match="access_rows"):
        rows_of("s3")


@pytest.mark.parametrize(("model", "operation"), OPERATIONS)
def test_what_a_row_asks_of_an_input_is_there(model: str, operation: str) -> None:
    row = rows_of(model)[operation]
    shape = input_shape(model, operation)
    asked = [path for target in targets_of(row) for path in target.name.members]
    asked += [path for target in targets_of(row) if target.tagged for path in target.tagged.members]
    asked += [".".join(path) for need in row.needs for path in need.when]
    asked += [member for member in (row.tags, row.tag_keys) if member is not None]
    assert not [path for path in asked if missing(shape, path)]


@pytest.mark.parametrize(("model", "operation"), OPERATIONS)
def test_a_row_speaks_of_actions_as_policies_do(model: str, operation: str) -> None:
    row = rows_of(model)[operation]
    assert row.access in ACCESS_LEVELS
    first, *further = row.needs
    assert not first.when, "the first permission is always needed"
    for need in row.needs:
        assert re.fullmatch(r"[a-z]+:[A-Z]\w+", need.action)
        assert (need.action == "iam:PassRole") == bool(need.passed_to)
        for target in need.targets:
            assert target.name.text.startswith(("arn:aws:", "{"))
    assert (first.action, first.targets) not in [(need.action, need.targets) for need in further]


def test_iot_data_is_judged_by_actions_of_iot() -> None:
    actions = {need.action for row in rows_of("iot-data").values() for need in row.needs}
    assert actions == {
        "iot:DeleteConnection",
        "iot:DeleteThingShadow",
        "iot:GetRetainedMessage",
        "iot:GetThingShadow",
        "iot:ListNamedShadowsForThing",
        "iot:ListRetainedMessages",
        "iot:Publish",
        "iot:RetainPublish",
        "iot:UpdateThingShadow",
    }


@pytest.mark.parametrize(
    ("operation", "members", "resource"),
    [
        ("GetGroup", {"GroupId": "g"}, "/groups/g"),
        ("GetGroupVersion", {"GroupId": "g", "GroupVersionId": "v"}, "/groups/g/versions/v"),
        (
            "GetGroupCertificateAuthority",
            {"GroupId": "g", "CertificateAuthorityId": "c"},
            "/groups/g/certificateauthorities/c",
        ),
        ("GetDeploymentStatus", {"GroupId": "g", "DeploymentId": "d"}, "/groups/g/deployments/d"),
        ("GetBulkDeploymentStatus", {"BulkDeploymentId": "b"}, "/bulk/deployments/b"),
        ("UpdateConnectivityInfo", {"ThingName": "t"}, "/things/t/connectivityInfo"),
        *[
            (f"Get{kind}Definition", {f"{kind}DefinitionId": "i"}, f"/definition/{kind.lower()}s/i")
            for kind in ("Connector", "Core", "Device", "Function", "Logger", "Resource")
        ],
        (
            "GetSubscriptionDefinitionVersion",
            {"SubscriptionDefinitionId": "i", "SubscriptionDefinitionVersionId": "v"},
            "/definition/subscriptions/i/versions/v",
        ),
    ],
)
def test_greengrass_resources_are_named_as_documented(
    operation: str, members: Mapping[str, str], resource: str
) -> None:
    assert names_of("greengrass", operation, **members) == [GREENGRASS + resource]


@pytest.mark.parametrize("operation", ["ListGroups", "CreateGroup", "ListCoreDefinitions"])
def test_lists_and_creations_name_no_resource(operation: str) -> None:
    assert rows_of("greengrass")[operation].needs[0].targets == ()


def test_tags_of_a_part_are_those_of_the_whole() -> None:
    (target,) = rows_of("greengrass")["GetGroupVersion"].needs[0].targets
    assert target.tagged is not None
    members = {"GroupId": "g", "GroupVersionId": "v"}
    assert list(target.tagged.fill(members, SCOPE) or ()) == [f"{GREENGRASS}/groups/g"]


@pytest.mark.parametrize(
    ("operation", "member"),
    [
        ("AssociateServiceRoleToAccount", "RoleArn"),
        ("AssociateRoleToGroup", "RoleArn"),
        ("StartBulkDeployment", "ExecutionRoleArn"),
    ],
)
def test_a_role_that_is_handed_over_has_to_be_passed(operation: str, member: str) -> None:
    passing: list[Need] = [
        need for need in rows_of("greengrass")[operation].needs if need.action == "iam:PassRole"
    ]
    (need,) = passing
    assert need.passed_to == "greengrass.amazonaws.com"
    (target,) = need.targets
    filled = target.name.fill({member: "arn:aws:iam::1:role/r"}, SCOPE)
    assert list(filled or ()) == ["arn:aws:iam::1:role/r"]


def test_only_what_needs_no_permission_or_judges_itself_is_left_out_of_judging() -> None:
    left_out = {
        (row.operation, row.judged)
        for model in MODELS
        for row in rows_of(model).values()
        if row.judged != "by-policies"
    }
    assert left_out == {
        ("AssumeRole", "by-operation"),
        ("GetCallerIdentity", "never"),
        ("GetSessionToken", "never"),
    }


@pytest.mark.parametrize(
    ("model", "operation", "members", "names"),
    [
        ("iam", "GetUser", {}, ["arn:aws:iam::123456789012:user/ops/alice"]),
        ("iam", "GetUser", {"UserName": "bob"}, ["arn:aws:iam::123456789012:user/bob"]),
        (
            "iam",
            "CreateRole",
            {"RoleName": "r", "Path": "/service-role/"},
            ["arn:aws:iam::123456789012:role/service-role/r"],
        ),
        ("iam", "CreateRole", {"RoleName": "r"}, ["arn:aws:iam::123456789012:role/r"]),
        (
            "cloudtrail",
            "GetTrail",
            {"Name": "audit"},
            ["arn:aws:cloudtrail:eu-west-1:123456789012:trail/audit"],
        ),
        (
            "cloudtrail",
            "GetTrail",
            {"Name": "arn:aws:cloudtrail:eu-west-1:1:trail/audit"},
            ["arn:aws:cloudtrail:eu-west-1:1:trail/audit"],
        ),
        (
            "organizations",
            "DescribeAccount",
            {"AccountId": "111122223333"},
            ["arn:aws:organizations::123456789012:account/o-plant/111122223333"],
        ),
        (
            "iot",
            "AssociateTargetsWithJob",
            {"jobId": "j", "targets": ["arn:a", "arn:b"]},
            ["arn:aws:iot:eu-west-1:123456789012:job/j", "arn:a", "arn:b"],
        ),
        (
            "iot",
            "SearchIndex",
            {"queryString": "*"},
            ["arn:aws:iot:eu-west-1:123456789012:index/AWS_Things"],
        ),
        (
            "iot",
            "DescribeThing",
            {"thingName": "a%b"},
            ["arn:aws:iot:eu-west-1:123456789012:thing/a%b"],
        ),
    ],
)
def test_inputs_name_resources(
    model: str, operation: str, members: Mapping[str, Any], names: list[str]
) -> None:
    assert names_of(model, operation, **members) == names


@pytest.mark.parametrize("action", ["greengrass:GetGroup", "GREENGRASS:getgroup"])
def test_an_action_leads_to_the_operations_that_need_it(action: str) -> None:
    assert [(model, row.operation) for model, row in operations_of(action)] == [
        ("greengrass", "GetGroup")
    ]


def test_an_action_that_several_operations_need_leads_to_all_of_them() -> None:
    passing = {(model, row.operation) for model, row in operations_of("iam:PassRole")}
    assert ("greengrass", "AssociateServiceRoleToAccount") in passing
    assert ("lambda", "CreateFunction") in passing
