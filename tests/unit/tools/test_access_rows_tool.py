"""The table's generator: from published facts and a model to rows, as they are checked in."""

import json
from pathlib import Path
from typing import Any

import pytest
from tools.access_rows import TABLES, Published, Rows, members_of, printed

from hedgerow.aws.models import load_model

GROUPS = "arn:${Partition}:greengrass:${Region}:${Account}:/greengrass/groups/${GroupId}"
TAGGED = ["aws:ResourceTag/${TagKey}"]
PUBLISHED = Published(
    actions={
        name.lower(): {
            "accessLevel": level,
            "resourceTypes": [{"name": kind, "required": True} for kind in kinds],
        }
        for name, level, kinds in (
            ("GetGroup", "Read", ["group"]),
            ("GetGroupVersion", "Read", ["group", "groupVersion"]),
            ("GetDeploymentStatus", "Read", ["deployment", "group"]),
            ("ListGroups", "List", []),
            ("CreateGroup", "Write", []),
            ("TagResource", "Tagging, Write", ["group", "deployment"]),
            ("AssociateRoleToGroup", "Write", ["group"]),
        )
    },
    resources={
        "group": {"key": "group", "arn": GROUPS, "conditionKeys": TAGGED},
        "groupversion": {"key": "groupVersion", "arn": f"{GROUPS}/versions/${{VersionId}}"},
        "deployment": {
            "key": "deployment",
            "arn": f"{GROUPS}/deployments/${{DeploymentId}}, arn:aws:greengrass:::deployments:x",
            "conditionKeys": TAGGED,
        },
    },
)


@pytest.mark.parametrize("operation", list(PUBLISHED.actions))
def test_rows_are_made_as_they_are_checked_in(operation: str) -> None:
    checked_in = json.loads((TABLES / "greengrass.json").read_text())["operations"]
    name = next(name for name in checked_in if name.lower() == operation)
    made = Rows("greengrass", PUBLISHED, load_model("greengrass").operation_model(name)).row()
    assert made == checked_in[name]


def test_a_table_is_one_readable_line_an_operation() -> None:
    table: dict[str, dict[str, Any]] = {"A": {"access": "Read"}, "B": {"access": "List"}}
    text = printed("iot", "iot", table)
    assert '\n  "A": {"access": "Read"},\n' in text
    assert json.loads(text) == {"model": "iot", "prefix": "iot", "operations": table}


@pytest.mark.parametrize(
    ("template", "members"),
    [
        ("arn:aws:iot:{region}:{account}:thing/{thingName}", ["thingName"]),
        ("arn:aws:iam::{account}:user{NewPath|UserName!user-path}", ["NewPath", "UserName"]),
        ("arn:aws:iot:{region}:{account}:index/{indexName=AWS_Things}", ["indexName"]),
        ("arn:aws:iam::{account}:user{caller}", []),
        ("{presignedUrlConfig.roleArn}", ["presignedUrlConfig.roleArn"]),
    ],
)
def test_members_of_a_template(template: str, members: list[str]) -> None:
    assert members_of(template) == members


def test_every_table_is_printed_as_the_generator_prints() -> None:
    for path in sorted(Path(TABLES).glob("*.json")):
        text = path.read_text()
        document = json.loads(text)
        assert printed(document["model"], document["prefix"], document["operations"]) == text
