"""Templates are read as CloudFormation would make them, and written so that they read back."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.support.v1_estate import CORE, GROUP_ID, PRESS, OldPlant, iot_arn

from hedgerow.cli.estate.files import source_of
from hedgerow.estate import (
    Address,
    Definition,
    Estate,
    Group,
    Policy,
    Reading,
    Source,
    ThingGroup,
    ThingType,
)
from hedgerow.estate.plan import plan
from hedgerow.estate.readers import read, writer

PLANT = OldPlant.make()
CERTIFICATES = [PLANT.certificate_arn(name) for name in PLANT.identities]


def of_template(template: Any, **given: str) -> Reading:
    data = template.encode() if isinstance(template, str) else json.dumps(template).encode()
    name = "plant.yaml" if isinstance(template, str) else "plant.json"
    return read(Source(files={name: data}, parameters=given))


def estate_of(reading: Reading) -> Estate:
    assert reading.estate is not None, reading.findings
    return reading.estate


def codes(reading: Reading) -> set[str]:
    return {finding.code for finding in reading.findings}


def rich(estate: Estate) -> Estate:
    """Return the estate with something of every sort, and names that are hard to write."""
    (group,) = estate.groups
    functions = Definition(
        kind="Function",
        name="work ${x}",
        tags={"a": "b"},
        content={
            "DefaultConfig": {"Execution": {"IsolationMode": "NoContainer"}},
            "Functions": [
                {
                    "Id": "f",
                    "FunctionArn": "arn:aws:lambda:us-west-2:444455556666:function:f:7",
                    "FunctionConfiguration": {
                        "Pinned": True,
                        "MemorySize": 512,
                        "Timeout": 3,
                        "Environment": {"Variables": {"yes": "true", "text": "${!x} ${y}"}},
                    },
                }
            ],
        },
    )
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": "iot:Publish",
                "Resource": iot_arn("topic/${iot:Connection.Thing.ThingName}/*"),
                "Condition": {"Bool": {"iot:Connection.Thing.IsAttached": "true"}},
            }
        ],
    }
    changed: Estate = msgspec.structs.replace(
        estate,
        thing_types=(ThingType(name="press:type", description="d", searchable=("hall",)),),
        thing_groups=(ThingGroup(name="north", attributes={"x": "y"}, policies=("p-1",)),),
        policies=(*estate.policies, Policy(name="p-1", document=json.dumps(policy))),
        things=tuple(
            msgspec.structs.replace(one, thing_type="press:type", thing_groups=("north",))
            for one in estate.things
        ),
        groups=(
            msgspec.structs.replace(
                group,
                definitions=(*group.definitions, functions),
                addresses=(Address(id="a", host="h.example", port=8883, metadata="m"),),
                role_arn="arn:aws:iam::444455556666:role/r",
                certificate_validity_ms=1_000_000_000,
            ),
        ),
    )
    return changed.in_order()


def with_plain_policies(estate: Estate) -> Estate:
    """Return the estate with policies written as one does who knows only what they mean."""
    policies = tuple(
        Policy(name=one.name, document=json.dumps(json.loads(one.document)))
        for one in estate.policies
    )
    changed: Estate = msgspec.structs.replace(estate, policies=policies)
    return changed.in_order()


def test_what_is_written_as_a_template_is_read_back_the_same(tmp_path: Path) -> None:
    estate = rich(estate_of(read(source_of(PLANT.write_answers(tmp_path)))))
    files = writer("cloudformation").write(estate)
    again = read(Source(files=files))
    assert not again.findings
    assert with_plain_policies(estate_of(again)) == with_plain_policies(estate)


def test_a_template_that_was_written_names_no_account_and_no_region(tmp_path: Path) -> None:
    estate = rich(estate_of(read(source_of(PLANT.write_answers(tmp_path)))))
    (data,) = writer("cloudformation").write(estate).values()
    resources = json.dumps(json.loads(data)["Resources"])
    assert f"iot:{'us-west-2'}" not in resources
    assert "${AWS::AccountId}:thing/" in resources
    assert "thing%2F" in resources
    assert "arn%3A${AWS::Partition}%3Aiot%3A${AWS::Region}%3A${AWS::AccountId}%3A" in resources
    elsewhere = read(
        Source(
            files={"t.template": data},
            parameters={"AWS::AccountId": "111122223333", "AWS::Region": "eu-west-1"},
        )
    )
    assert (
        "444455556666"
        not in msgspec.json.encode(
            msgspec.structs.replace(estate_of(elsewhere), groups=())
        ).decode()
    )


def test_a_plan_of_what_was_read_back_keeps_everything(tmp_path: Path) -> None:
    estate = rich(estate_of(read(source_of(PLANT.write_answers(tmp_path)))))
    again = estate_of(read(Source(files=writer("cloudformation").write(estate))))
    now = datetime.now(UTC)  # noqa: TID251 - certificates are made by the system's clock
    found = plan(again, estate.origin, estate, now=now)
    assert {step.verdict for step in found.steps} == {"keep"}


YAML = """
AWSTemplateFormatVersion: 2010-09-09
Parameters:
  Hall: {Type: String, Default: "7"}
  Cert: {Type: String}
Mappings:
  Names: {core: {thing: plant-core}}
Conditions:
  North: !Equals [!Ref Hall, 7]
  South: !Not [!Condition North]
Resources:
  Core:
    Type: AWS::IoT::Thing
    Properties:
      ThingName: !FindInMap [Names, core, thing]
      AttributePayload: {Attributes: {hall: !Ref Hall}}
  Spare:
    Type: AWS::IoT::Thing
    Condition: South
  Rule:
    Type: AWS::IoT::Policy
    Properties:
      PolicyName: !Join ["-", [rule, !Select [0, !Split [",", "a,b"]]]]
      PolicyDocument:
        Version: 2012-10-17
        Statement:
          - {Effect: Allow, Action: "iot:Connect",
             Resource: !Sub "arn:aws:iot:${AWS::Region}:${AWS::AccountId}:client/${!iot:ClientId}"}
  Hold:
    Type: AWS::IoT::PolicyPrincipalAttachment
    Properties: {PolicyName: !Ref Rule, Principal: !Ref Cert}
  Cores:
    Type: AWS::Greengrass::CoreDefinition
    Properties:
      Name: cores
      InitialVersion:
        Cores:
          - {Id: core, ThingArn: !GetAtt Core.Arn, CertificateArn: !Ref Cert, SyncShadow: "true"}
  Group:
    Type: AWS::Greengrass::Group
    Properties:
      Name: !If [North, the north, !Ref "AWS::NoValue"]
      InitialVersion:
        CoreDefinitionVersionArn: !GetAtt [Cores, LatestVersionArn]
  Log: {Type: "AWS::Logs::LogGroup"}
"""


def test_functions_conditions_and_short_forms_are_put_in_place() -> None:
    reading = of_template(YAML, Cert=PLANT.certificate_arn(CORE))
    estate = estate_of(reading)
    (group,) = estate.groups
    assert group.name == "the north"
    (core,) = group.entities("Core")
    assert core == {
        "Id": "core",
        "ThingArn": iot_arn(f"thing/{CORE}"),
        "CertificateArn": PLANT.certificate_arn(CORE),
        "SyncShadow": True,
    }
    assert [(one.name, one.attributes) for one in estate.things] == [(CORE, {"hall": "7"})]
    rule = next(one for one in estate.policies if one.name == "rule-a")
    assert json.loads(rule.document)["Version"] == "2012-10-17"
    assert iot_arn("client/${iot:ClientId}") in rule.document
    assert [one.policies for one in estate.certificates] == [("rule-a",)]
    assert [(one.code, one.message) for one in reading.findings] == [
        ("ENTRY_LEFT_OUT", "Log (AWS::Logs::LogGroup) is no part of an estate")
    ]


def test_what_is_not_used_is_named() -> None:
    older = """
  Old:
    Type: AWS::Greengrass::CoreDefinitionVersion
    Properties: {CoreDefinitionId: !Ref Cores, Cores: []}
  Fn::ForEach::Things: [Name, [a, b], {}]
"""
    found = of_template(YAML + older, Cert=CERTIFICATES[0]).findings
    assert [(one.code, one.message.split()[0]) for one in found[:2]] == [
        ("ENTRY_LEFT_OUT", "Fn::ForEach::Things"),
        ("ENTRY_LEFT_OUT", "Log"),
    ]
    assert "Old (AWS::Greengrass::CoreDefinitionVersion) is of no group's newest" in [
        one.message for one in found
    ]


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (("hall: !Ref Hall", "hall: !Ref Nowhere"), "Nowhere"),
        (("!GetAtt Core.Arn", "!GetAtt Core.Colour"), "Core.Colour"),
        (('Default: "7"', "Description: x"), "Hall"),
        (('String, Default: "7"', "'AWS::SSM::Parameter::Value<X>', Default: /h"), "Hall"),
        (('!Select [0, !Split [",", "a,b"]]', "!ImportValue shared"), "shared"),
    ],
)
def test_what_nobody_knows_is_asked_for_by_name(change: tuple[str, str], name: str) -> None:
    text = YAML.replace(*change)
    reading = of_template(text, Cert=CERTIFICATES[0])
    unknown = [one.message for one in reading.findings if one.code == "VALUE_UNKNOWN"]
    assert unknown == [f"nothing says what {name} is; give --parameter {name}=VALUE"]
    given = of_template(text, Cert=CERTIFICATES[0], **{name: "given"})
    assert "VALUE_UNKNOWN" not in codes(given)


def test_a_function_that_is_not_written_as_it_has_to_be_is_named() -> None:
    text = YAML.replace('!Select [0, !Split [",", "a,b"]]', "!Select [7, [a]]")
    messages = [one.message for one in of_template(text, Cert=CERTIFICATES[0]).findings]
    assert "Fn::Select of '[7, ['a']]' is not written as it has to be" in messages
    assert len(messages) == len(set(messages))


def test_a_certificate_that_is_a_parameter_without_a_value_is_found_in_the_files(
    tmp_path: Path,
) -> None:
    PLANT.identities[CORE].write(tmp_path, CORE)
    (tmp_path / "t.yaml").write_text(YAML)
    reading = read(source_of(tmp_path))
    (thing,) = estate_of(reading).things
    assert thing.certificates == (PLANT.identities[CORE].certificate_id,)
    assert [one.policies for one in estate_of(reading).certificates] == [("rule-a",)]
    assert "VALUE_UNKNOWN" not in codes(reading)


def test_reading_a_template_again_gives_the_same_ids() -> None:
    first, second = (of_template(YAML, Cert=CERTIFICATES[0]) for _ in range(2))
    assert estate_of(first) == estate_of(second)
    assert estate_of(first).groups[0].id != GROUP_ID


def test_a_certificate_without_pem_is_found_by_the_name_of_its_thing(tmp_path: Path) -> None:
    text = YAML.replace("!Ref Cert", "!GetAtt Key.Arn").replace(
        "  Log:", "  Key: {Type: 'AWS::IoT::Certificate', Properties: {Status: ACTIVE}}\n  Log:"
    )
    PLANT.identities[CORE].write(tmp_path, CORE)
    (tmp_path / "t.yaml").write_text(text)
    reading = read(source_of(tmp_path, parameters=["Cert=x"]))
    (thing,) = estate_of(reading).things
    assert thing.certificates == (PLANT.identities[CORE].certificate_id,)
    (certificate,) = estate_of(reading).certificates
    assert certificate.policies == ("rule-a",)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("AWS::Greengrass::Group: [", "FILE_UNREADABLE"),
        ("a: &x [AWS::Greengrass::Group]\nb: *x", "FILE_UNREADABLE"),
        ("!!python/object:os.system AWS::Greengrass::", "FILE_UNREADABLE"),
        ("- AWS::Greengrass::Group", "FILE_UNREADABLE"),
        ("7: AWS::Greengrass::Group\nResources: {8: x, 9: {Type: 9}}", "GROUP_UNKNOWN"),
        ("{Resources: {G: {Type: AWS::Greengrass::Group, Properties: {Tags: !!set {a}}}}}", "none"),
        ("Resources: {A: {Type: 'AWS::Greengrass::GroupVersion'}}", "GROUP_UNKNOWN"),
        (
            "{Conditions: {A: !Condition B, B: !Condition A}, "  # noqa: ISC004 - one text
            "Resources: {G: {Type: 'AWS::Greengrass::Group', Condition: A}}}",
            "GROUP_UNKNOWN",
        ),
        (
            "Resources:\n  G: {Type: 'AWS::Greengrass::Group', Properties: {Name: !GetAtt G.Name}}",
            "VALUE_UNKNOWN",
        ),
        ("Resources: {G: {Type: 'AWS::Greengrass::Group', Properties: [7]}}", "none"),
    ],
)
def test_a_template_that_is_none_never_raises(text: str, code: str) -> None:
    reading = of_template(text)
    assert code in {*codes(reading), "none"}


def test_a_group_is_written_with_its_devices_under_names_that_are_their_own(
    tmp_path: Path,
) -> None:
    estate = estate_of(read(source_of(PLANT.write_answers(tmp_path))))
    twin = msgspec.structs.replace(estate.groups[0], id="e1f35e2d-9d1f-4c3a-9a44-2f1c0e8b7a10")
    two: Estate = msgspec.structs.replace(estate, groups=(*estate.groups, twin))
    again = estate_of(read(Source(files=writer("cloudformation").write(two))))
    assert [group.id for group in again.groups] == [one.id for one in two.in_order().groups]
    assert isinstance(again.groups[0], Group)
    assert PRESS in {thing.name for thing in again.things}


def test_account_and_region_are_those_of_the_arns_that_the_template_has() -> None:
    text = (
        json.dumps(PLANT.template())
        .replace(json.dumps({"Ref": "CoreCert"}), json.dumps(PLANT.certificate_arn(CORE)))
        .replace("arn:${AWS::Partition}:iot", "arn:aws:iot")
    )
    estate = estate_of(read(Source(files={"t.json": text.encode()})))
    assert (estate.origin.account, estate.origin.region) == ("444455556666", "us-west-2")
    (core,) = estate.groups[0].entities("Core")
    assert core["ThingArn"] == iot_arn(f"thing/{CORE}")
