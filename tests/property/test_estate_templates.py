"""Any estate, written as a template or as our own files, is read back to the same thing."""

import json
from collections.abc import Mapping
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.pki import new_authority, new_identity

from hedgerow.estate import (
    Address,
    Certificate,
    Definition,
    Estate,
    Finding,
    Group,
    Origin,
    Policy,
    Source,
    Thing,
    ThingGroup,
    ThingType,
)
from hedgerow.estate.cloudformation_reading import CloudFormation
from hedgerow.estate.naming import certificate_arn, thing_arn
from hedgerow.estate.own_files import OwnFiles
from hedgerow.estate.own_json import OwnJson

OLD = Origin(account="111122223333", region="us-west-2")
AUTHORITY = new_authority("the old cloud")
IDENTITIES = tuple(new_identity(AUTHORITY) for _ in range(5))
IOT = f"arn:aws:iot:{OLD.region}:{OLD.account}:"

AWKWARD = st.sampled_from(
    [
        "${AWS::Region}",
        "${!Literal}",
        "${",
        "}",
        f"${{{IOT}",
        "${!",
        "!Ref x",
        "true",
        "007",
        "{{resolve:ssm:a}}{{resolve:ssm:b}}",
        f"{IOT}topic/${{iot:ClientId}}/*",
        f"arn%3Aaws%3Aiot%3A{OLD.region}%3A{OLD.account}%3Athing%2Fa",
        "arn:aws:iot:eu-west-1:999999999999:thing/other",
        "arn:aws:iot",
        "",
    ]
)
WORDS = st.lists(AWKWARD | st.text(max_size=8), max_size=3).map("".join)
KEYS = st.sampled_from(["Ref", "Fn::Sub", "Fn::GetAtt", "Condition", "Fn::Nothing", "a"]) | st.text(
    st.characters(codec="utf-8"), min_size=1, max_size=8
)
MAPS = st.dictionaries(KEYS, WORDS, max_size=3)
NAMES = st.from_regex(r"[a-zA-Z0-9:_-]{1,12}", fullmatch=True)


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    """Make a policy as people write them: with spaces, with wildcards, with variables."""
    document = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": draw(st.lists(st.sampled_from(["iot:Publish", "iot:Connect"]))),
                "Resource": draw(st.lists(WORDS, max_size=2)),
                **draw(st.sampled_from([{}, {"Condition": {"Bool": {"Ref": "true"}}}])),
            }
        ],
    }
    indent = draw(st.sampled_from([None, 1, 4]))
    return Policy(name=draw(NAMES), document=json.dumps(document, indent=indent))


@st.composite
def definitions(draw: st.DrawFn, things: Mapping[str, tuple[str, ...]]) -> tuple[Definition, ...]:
    """Definitions whose members are things of the estate."""

    def members(names: list[str]) -> list[dict[str, Any]]:
        return [
            {
                "Id": draw(WORDS),
                "ThingArn": thing_arn(OLD, name),
                "CertificateArn": certificate_arn(OLD, things[name][0]),
                "SyncShadow": draw(st.booleans()),
            }
            for name in names
        ]

    names = sorted(things)
    function = {
        "Id": draw(WORDS),
        "FunctionArn": f"arn:aws:lambda:{OLD.region}:{OLD.account}:function:f:1",
        "FunctionConfiguration": {
            "Pinned": draw(st.booleans()),
            "MemorySize": draw(st.integers(0, 2**40)),
            "Environment": {
                "Variables": draw(MAPS),
                "Execution": {"RunAs": {"Uid": draw(st.integers(-1, 70_000)), "Gid": 0}},
            },
        },
    }
    row = {field: draw(WORDS) for field in ("Id", "Source", "Subject", "Target")}
    possible: dict[str, dict[str, Any]] = {
        "Core": {"Cores": members(names[:1])},
        "Device": {"Devices": members(names[1:])},
        "Function": {"Functions": [function], "DefaultConfig": {"Execution": {}}},
        "Subscription": {"Subscriptions": [row]},
        "Connector": {"Connectors": [{"Id": draw(WORDS), "Parameters": draw(MAPS)}]},
        "Logger": {"Loggers": [{"Id": "1", "Space": draw(st.integers(0, 2**31))}]},
    }
    kinds = draw(st.lists(st.sampled_from(sorted(possible)), unique=True))
    return tuple(
        Definition(
            kind=kind,  # type: ignore[arg-type]  # the names above are those of kinds
            content=possible[kind],
            name=draw(st.none() | st.text(min_size=1, max_size=9)),
            tags=draw(MAPS),
        )
        for kind in sorted(kinds)
    )


@st.composite
def estates(draw: st.DrawFn) -> Estate:
    """Estates in which every name leads somewhere, as those are that a cloud exports."""
    known = draw(st.lists(policies(), max_size=3, unique_by=lambda one: one.name))
    rules = st.lists(st.sampled_from(known), unique=True) if known else st.just([])
    held = tuple(one.name for one in draw(rules))
    kinds = draw(st.lists(NAMES, max_size=2, unique=True))
    sets = draw(st.lists(NAMES, max_size=2, unique=True))
    names = draw(st.lists(NAMES, min_size=1, max_size=4, unique=True))
    identities = dict(zip(names, IDENTITIES, strict=False))
    things = {name: (one.certificate_id,) for name, one in identities.items()}
    return Estate(
        origin=OLD,
        thing_types=tuple(
            ThingType(name=name, description=draw(WORDS), searchable=tuple(draw(st.lists(WORDS))))
            for name in kinds
        ),
        thing_groups=tuple(
            ThingGroup(name=name, description=draw(WORDS), attributes=draw(MAPS), policies=held)
            for name in sets
        ),
        things=tuple(
            Thing(
                name=name,
                attributes=draw(MAPS),
                thing_type=draw(st.sampled_from(["", *kinds])),
                thing_groups=tuple(draw(st.lists(st.sampled_from(sets))) if sets else ()),
                certificates=own,
            )
            for name, own in things.items()
        ),
        certificates=tuple(
            Certificate(
                id=one.certificate_id,
                pem=draw(st.sampled_from([one.certificate_pem, f"{one.certificate_pem}\n", ""])),
                status=draw(st.sampled_from(["ACTIVE", "INACTIVE", "REVOKED"])),
                policies=held,
            )
            for one in identities.values()
        ),
        policies=tuple(known),
        groups=tuple(
            Group(
                id=f"{number:08x}-9d1f-4c3a-9a44-2f1c0e8b7a10",
                name=draw(st.text(st.characters(codec="utf-8"), min_size=1, max_size=9)),
                tags=draw(MAPS),
                definitions=draw(definitions(things)),
                addresses=tuple(
                    Address(id=draw(WORDS), host=draw(WORDS), port=port, metadata=draw(WORDS))
                    for port in draw(st.lists(st.integers(1, 65_535), max_size=2))
                ),
                role_arn=draw(st.sampled_from(["", "arn:aws:iam::111122223333:role/r"])),
                certificate_validity_ms=draw(st.integers(1, 2**40)),
            )
            for number in range(draw(st.integers(1, 2)))
        ),
    ).in_order()


def notes(findings: Any) -> list[Finding]:
    """Return what was said beside that things without policies get some."""
    return [one for one in findings if not one.code.startswith("POLICY_")]


def governed(estate: Estate) -> Estate:
    """Return the estate in which every certificate has a policy, so that none is made for it."""
    rule = Policy(name="all", document='{"Version":"2012-10-17","Statement":[]}')
    changed: Estate = msgspec.structs.replace(
        estate,
        policies=(*(one for one in estate.policies if one.name != "all"), rule),
        certificates=tuple(
            msgspec.structs.replace(one, policies=tuple(sorted({*one.policies, "all"})))
            for one in estate.certificates
        ),
    )
    return changed.in_order()


@settings(deadline=None, max_examples=60)
@given(estates())
def test_a_template_is_read_back_to_the_same_estate(estate: Estate) -> None:
    whole = governed(estate)
    files = CloudFormation().write(whole)
    reading = CloudFormation().read(Source(files=files))
    assert not notes(reading.findings)
    assert reading.estate == whole


@settings(deadline=None, max_examples=60)
@given(estates())
def test_a_template_in_yaml_says_the_same_as_in_json(estate: Estate) -> None:
    (data,) = CloudFormation().write(governed(estate)).values()
    # Every JSON text without tabs and unpaired signs is YAML; a comment makes it nothing else.
    as_yaml = b"# a template\n" + json.dumps(json.loads(data)).encode()
    one, other = (
        CloudFormation().read(Source(files={"t.template": text})) for text in (data, as_yaml)
    )
    assert one.estate == other.estate is not None


@settings(deadline=None, max_examples=60)
@given(estates())
def test_our_own_files_are_read_back_to_the_same_estate(estate: Estate) -> None:
    for form in (OwnFiles(), OwnJson()):
        reading = form.read(Source(files=form.write(estate)))
        assert not reading.findings
        assert reading.estate == estate
