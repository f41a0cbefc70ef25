"""No template makes its reader raise, hang, grow without bound, or say what it does not hold."""

import json
import resource
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.v1_estate import CORE, PRESS, OldPlant, iot_arn

from hedgerow.estate import (
    Certificate,
    Estate,
    Group,
    Origin,
    Policy,
    Reading,
    Source,
    Thing,
)
from hedgerow.estate.cloudformation_reading import CloudFormation
from hedgerow.estate.template_values import MAX_MADE
from hedgerow.estate.wire import packed
from hedgerow.estate.yaml_text import MAX_YAML_BYTES, read_template_text
from hedgerow.kernel import CallerError

PLANT = OldPlant.make()
GROUP = {"Type": "AWS::Greengrass::Group", "Properties": {"Name": "plant"}}
MEGABYTE = 1024 * 1024


def reading_of(template: Any, **given: str) -> Reading:
    text = template if isinstance(template, bytes) else json.dumps(template).encode()
    return CloudFormation().read(Source(files={"t.template": text}, parameters=given))


def codes(reading: Reading) -> set[str]:
    return {finding.code for finding in reading.findings}


def chain(links: int, name: str, last: Any, link: Any) -> dict[str, Any]:
    """Return groups of which each one's property is made from the next one's."""
    found = {
        f"G{number}": {
            "Type": "AWS::Greengrass::Group",
            "Properties": {name: link(f"G{number + 1}")},
        }
        for number in range(links)
    }
    found[f"G{links}"] = {"Type": "AWS::Greengrass::Group", "Properties": {name: last}}
    return {"Resources": found}


ARGUMENTS: tuple[Any, ...] = (
    *(None, 7, "", [], {}, [None, None], ["a"], [["a"], ["b"]], "${", {"Ref": "G1"}),
)
HOSTILE: dict[str, Any] = {
    "texts that double": chain(
        30, "Name", "x" * 1000, lambda of: {"Fn::Sub": f"${{{of}.Name}}${{{of}.Name}}"}
    ),
    "lists that double": chain(
        30, "RoleArn", ["x"], lambda of: [{"Fn::GetAtt": [of, "RoleArn"]}] * 2
    ),
    "a long text, often": {
        "Parameters": {"P": {"Type": "String", "Default": "x" * MEGABYTE}},
        "Resources": {"G": {**GROUP, "Properties": {"Name": {"Fn::Sub": "${P}" * 100_000}}}},
    },
    "a long list, often": {
        "Mappings": {"M": {"a": {"b": ["x" * 1000] * 1000}}},
        "Resources": {
            "G": {**GROUP, "Properties": {"Tags": [{"Fn::FindInMap": ["M", "a", "b"]}] * 10_000}}
        },
    },
    "a long text between many": {
        "Resources": {
            "G": {**GROUP, "Properties": {"Name": {"Fn::Join": ["x" * MEGABYTE, ["y"] * 100_000]}}}
        }
    },
    "a long way of references": chain(
        5000, "Name", "x", lambda of: {"Fn::Join": ["", [{"Fn::GetAtt": [of, "Name"]}]]}
    ),
    "conditions that need each other": {
        "Conditions": {"A": {"Condition": "B"}, "B": {"Fn::Not": [{"Condition": "A"}]}},
        "Resources": {"G": {**GROUP, "Condition": "A"}},
    },
    "conditions by name alone": {
        "Conditions": {"A": "B", "B": "A"},
        "Resources": {"G": {**GROUP, "Condition": "A"}},
    },
    "a long way of conditions": {
        "Conditions": {
            **{f"C{number}": {"Condition": f"C{number + 1}"} for number in range(5000)},
            "C5000": {"Fn::Equals": ["a", "a"]},
        },
        "Resources": {"G": {**GROUP, "Condition": "C0"}},
    },
    "conditions that double": {
        "Conditions": {
            f"C{number}": {"Fn::And": [{"Condition": f"C{number + 1}"}] * 10}
            for number in range(50)
        },
        "Resources": {"G": {**GROUP, "Condition": "C0"}},
    },
    "a thing made of itself": {
        "Resources": {
            "T": {"Type": "AWS::IoT::Thing", "Properties": {"ThingName": {"Ref": "T"}}},
            "G": GROUP,
        }
    },
    "places beyond any list": {
        "Resources": {
            "G": {**GROUP, "Properties": {"Name": {"Fn::Select": ["9" * 5000, ["a"]]}}},
            "F": {
                "Type": "AWS::Greengrass::FunctionDefinition",
                "Properties": {"InitialVersion": {"Functions": [{"Timeout": "9" * 5000}]}},
            },
        }
    },
    "functions of nothing": {
        "Resources": {
            f"G{number}": {**GROUP, "Properties": {"Name": {name: argument}}}
            for number, (name, argument) in enumerate(
                (name, argument)
                for name in (
                    *("Ref", "Fn::GetAtt", "Fn::Join", "Fn::Sub", "Fn::Select", "Fn::Split"),
                    *("Fn::FindInMap", "Fn::If", "Fn::Equals", "Fn::And", "Fn::Not", "Fn::Base64"),
                    *("Fn::ImportValue", "Fn::Transform", "Fn::ForEach::x"),
                )
                for argument in ARGUMENTS
            )
        }
    },
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_small_and_means_much_is_refused_in_bounded_room(name: str) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    reading = reading_of(HOSTILE[name])
    if reading.estate is not None:
        assert len(packed(reading.estate)) < MAX_MADE
    assert any(finding.weight == "blocks" for finding in reading.findings)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown * 1024 < 12 * MAX_MADE


def test_what_is_refused_is_said_to_be() -> None:
    for name in ("texts that double", "a long text, often", "a long way of references"):
        assert "VALUE_UNKNOWN" in codes(reading_of(HOSTILE[name]))


@pytest.mark.parametrize(
    "text",
    [
        b"a: &a [x]\nb: [*a, *a]",
        b"<<: &a {x: y}\nb: {<<: *a}",
        b"!!python/object/apply:os.system [id]",
        b"!!python/name:os.system",
        b"a: !!binary '='",
        b"? [a]\n: b",
        b"? !Ref a\n: b",
        b"a: 1\na: 2",
        b'"\\ud800": x',
        b"a: .nan\nb: !!float .inf",
        b"a: !!int 0x",
        b"a: !!int " + b"9" * 5000,
        b"a: !!timestamp x",
        b"\x00",
        b"\xff\xfe\x00",
        b"\xff\xfea",
        b"[" * 5000,
        b"{a: " * 500 + b"x" + b"}" * 500,
        b"!A " * 2000,
        b"--- {}\n--- {}",
        b"%TAG ! tag:x,2000:\n---\n!x y",
        b"# " + b"x" * MAX_YAML_BYTES,
        b'{"a": ' * 500 + b"1" + b"}" * 500,
    ],
)
def test_a_text_gives_plain_values_or_is_refused(text: bytes) -> None:
    refused: CallerError | None = None
    try:
        json.dumps(read_template_text(text), allow_nan=False).encode()
    except CallerError as error:
        refused = error
    assert refused is None or len(refused.message) < 300


def test_texts_in_yaml_stay_as_they_are_written() -> None:
    text = b"{a: 1.10, b: 0123, c: 10:30, d: 2012-10-17, e: 1e3, f: 0x1F, g: 12, h: 1_000, i: '1'}"
    assert read_template_text(text) == {
        "a": "1.10",
        "b": "0123",
        "c": "10:30",
        "d": "2012-10-17",
        "e": "1e3",
        "f": "0x1F",
        "g": 12,
        "h": "1_000",
        "i": "1",
    }


def plant(**more: Any) -> dict[str, Any]:
    """Return the plant's template with more resources."""
    template = PLANT.template()
    return {**template, "Resources": {**template["Resources"], **more}}


def parameters() -> dict[str, str]:
    pairs = (one.partition("=") for one in PLANT.template_parameters())
    return {name: value for name, _, value in pairs}


def estate_of(reading: Reading) -> Estate:
    assert reading.estate is not None, reading.findings
    return reading.estate


def test_a_definition_that_the_template_does_not_have_is_in_the_way() -> None:
    template = plant()
    version = template["Resources"]["PlantVersion"]["Properties"]
    version["SubscriptionDefinitionVersionArn"] = "arn:aws:greengrass:us-west-2:1:/greengrass/x"
    assert "DEFINITION_MISSING" in codes(reading_of(template, **parameters()))


def test_a_certificate_without_pem_has_only_an_id_and_never_that_of_another_pem() -> None:
    pem = PLANT.identities[PRESS].certificate_pem
    other = PLANT.identities[CORE].certificate_id
    certificate = {
        "Type": "AWS::IoT::Certificate",
        "Metadata": {"Hedgerow": {"Id": other}},
        "Properties": {"CertificatePem": pem, "Status": "ACTIVE"},
    }
    attachment = {
        "Type": "AWS::IoT::ThingPrincipalAttachment",
        "Properties": {"ThingName": "x", "Principal": {"Fn::GetAtt": ["C", "Arn"]}},
    }
    found = estate_of(reading_of(plant(C=certificate, A=attachment), **parameters()))
    (thing,) = (one for one in found.things if one.name == "x")
    assert thing.certificates == (PLANT.identities[PRESS].certificate_id,)


@pytest.mark.promise(6)
def test_a_private_key_beside_a_certificate_is_not_taken_along() -> None:
    pem = PLANT.identities[PRESS].certificate_pem
    key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
    certificate = {"Type": "AWS::IoT::Certificate", "Properties": {"CertificatePem": pem + key}}
    found = estate_of(reading_of(plant(C=certificate), **parameters()))
    assert all("PRIVATE" not in one.pem for one in found.certificates)
    assert pem.strip() in {one.pem.strip() for one in found.certificates}


def test_certificates_whose_ids_begin_alike_stay_apart() -> None:
    ids = tuple("0123456789abcdef" * 3 + tail * 16 for tail in "ab")
    estate = Estate(
        origin=Origin(account="111122223333", region="us-west-2"),
        things=tuple(
            Thing(name=f"thing-{number}", certificates=(one,)) for number, one in enumerate(ids)
        ),
        certificates=tuple(
            Certificate(id=one, policies=(f"p-{number}",)) for number, one in enumerate(ids)
        ),
        policies=tuple(Policy(name=f"p-{number}", document="{}") for number in range(2)),
        groups=(Group(id="e1f35e2d-9d1f-4c3a-9a44-2f1c0e8b7a10", name="g"),),
    )
    form = CloudFormation()
    assert form.read(Source(files=form.write(estate))).estate == estate


def test_a_policy_that_was_changed_in_a_template_counts_and_not_its_old_text() -> None:
    narrow = {"Version": "2012-10-17", "Statement": []}
    wide = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "iot:*", "Resource": "*"}],
    }
    policy = {
        "Type": "AWS::IoT::Policy",
        "Metadata": {"Hedgerow": {"Text": json.dumps(wide)}},
        "Properties": {"PolicyName": "p", "PolicyDocument": narrow},
    }
    found = estate_of(reading_of(plant(P=policy), **parameters()))
    (document,) = (one.document for one in found.policies if one.name == "p")
    assert json.loads(document) == narrow


def test_numbers_that_are_texts_and_attachments_of_others_are_not_lost_silently() -> None:
    thing = {
        "Type": "AWS::IoT::Thing",
        "Properties": {"ThingName": 7, "AttributePayload": {"Attributes": {"hall": 7}}},
    }
    cognito = {
        "Type": "AWS::IoT::PolicyPrincipalAttachment",
        "Properties": {"PolicyName": "p", "Principal": "us-east-1:0f2a3c55"},
    }
    rule = {"Type": "AWS::IoT::TopicRule", "Properties": {"TopicRulePayload": {}}}
    reading = reading_of(plant(T=thing, A=cognito, R=rule), **parameters())
    assert {"hall": "7"} in [one.attributes for one in estate_of(reading).things if one.name == "7"]
    left_out = [one.message for one in reading.findings if one.code == "ENTRY_LEFT_OUT"]
    assert len(left_out) == 2
    assert any("R (AWS::IoT::TopicRule)" in message for message in left_out)
    assert any("us-east-1:0f2a3c55" in message for message in left_out)


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("{{resolve:secretsmanager:x}}", "{{resolve:secretsmanager:x}}"),
        ({"Ref": "AWS::StackName"}, "AWS::StackName"),
        ({"Fn::ImportValue": "Core"}, "Core"),
    ],
)
def test_what_only_a_stack_knows_is_never_guessed(value: Any, name: str) -> None:
    template = plant()
    template["Resources"]["Plant"]["Properties"]["Name"] = value
    reading = reading_of(template, **parameters())
    assert [one.message for one in reading.findings if one.code == "VALUE_UNKNOWN"] == [
        f"nothing says what {name} is; give --parameter {name}=VALUE"
    ]
    named = reading_of(template, **parameters(), **{name: "hall"})
    assert estate_of(named).groups[0].name == "hall"


RESOURCES = st.sampled_from(
    (
        *("AWS::Greengrass::Group", "AWS::Greengrass::GroupVersion", "AWS::IoT::Certificate"),
        *("AWS::Greengrass::CoreDefinition", "AWS::Greengrass::CoreDefinitionVersion"),
        *("AWS::IoT::Thing", "AWS::IoT::Policy", "AWS::IoT::ThingGroup"),
        "AWS::IoT::ThingPrincipalAttachment",
    )
)
LEAVES = st.sampled_from(
    [None, True, 0, -1, 1.5, "", "A", "B", "A.Arn", "${A}", "${B.Arn}", iot_arn("thing/x")]
) | st.text(max_size=5)
MEMBERS = st.sampled_from(
    (
        *("Ref", "Fn::GetAtt", "Fn::Sub", "Fn::Join", "Fn::If", "Condition", "Name", "ThingName"),
        *("GroupId", "InitialVersion", "CoreDefinitionVersionArn", "Cores", "ThingArn", "Id"),
        *("Tags", "Principal", "PolicyDocument", "CertificatePem", "CoreDefinitionId"),
    )
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(MEMBERS, inner, max_size=3),
    max_leaves=12,
)
TEMPLATES = st.fixed_dictionaries(
    {"Resources": st.dictionaries(
        st.sampled_from("ABCD"),
        st.fixed_dictionaries(
            {"Type": RESOURCES, "Properties": VALUES},
            optional={"Condition": VALUES, "Metadata": st.just({"Hedgerow": {"Id": "A"}}) | VALUES},
        ),
    )},
    optional=dict.fromkeys(("Parameters", "Mappings", "Conditions", "Metadata"), VALUES),
)  # fmt: skip


@settings(deadline=None)
@given(TEMPLATES)
def test_no_template_makes_the_reader_raise(template: dict[str, Any]) -> None:
    text = json.dumps({**template, "Description": "AWS::Greengrass::Group"}).encode()
    reading = reading_of(text)
    assert reading.estate is not None or reading.findings
    if reading.estate is not None:
        packed(reading.estate)
