"""What is an AWS IoT policy and what is not, and that the error names the place."""

import json
from typing import Any

import pytest
from tests.support.policies import TOPIC, document, statement

from hedgerow.kernel import CallerError
from hedgerow.policy import DOCUMENT_LIMIT, MalformedPolicyError, parse_policy

V = "2012-10-17"
THING = "iot:Connection.Thing"


@pytest.mark.parametrize(
    "text",
    [
        document(statement()),
        document(statement(), version="2008-10-17"),
        json.dumps({"Version": V, "Id": "mine", "Statement": statement(Sid="Only")}),
        document(statement(action=["iot:Publish", "iot:*", "*", "greengrass:Discover"])),
        document(statement(Sid="s" * 128)),
        document(statement(action="iot:Get*Shadow")),
        document(statement(resource=[TOPIC + "a", TOPIC + "*", "arn:aws:iot:*:*:topic/x"])),
        document(statement(resource="arn:aws:greengrass:r:1:/greengrass/groups/g/deployments/*")),
        document(statement(resource=TOPIC + "${iot:ClientId}/${iot:Connection.Thing.ThingName}")),
        document(statement(resource=TOPIC + "${iot:Certificate.Subject.CommonName}")),
        document(statement(resource=TOPIC + "${*}${?}${$}")),
        document(statement(resource=TOPIC + "${nonsense"), version="2008-10-17"),
        document(
            statement(
                Condition={
                    "Bool": {"iot:Connection.Thing.IsAttached": True},
                    "StringLikeIfExists": {"iot:ClientId": ["a*", "b"]},
                    "StringNotEquals": {"iot:Connection.Thing.Attributes[site]": "x"},
                }
            )
        ),
    ],
)
def test_a_well_formed_policy_is_understood(text: str) -> None:
    assert parse_policy(text).statements


@pytest.mark.parametrize(
    ("place", "problem", "text"),
    [
        ("line 1 column 1", "not JSON", ""),
        ("line 2 column 1", "not JSON", '{"Version": "2012-10-17",\n,}'),
        ("", "JSON object, not", "[]"),
        ("", "JSON object, not", "null"),
        ("", "JSON object, not 'x'", '"x"'),
        ("", "NaN", '{"Version": NaN}'),
        ("", "'Version' stands twice", '{"Version": "2012-10-17", "Version": "2012-10-17"}'),
        ("", "'Id' stands twice", '{"Version": "2012-10-17", "Id": "a", "x": 1, "Id": "b"}'),
        # four quotes that are written otherwise do not make up for those of a field that is lost
        ("", "'Effect' stands twice",
         document(statement(Sid="Q")).replace("Q", "\\u0022" * 4)
         .replace('"Effect"', '"Effect": "Deny", "Effect"')),
        ("", "'Statements' is unknown", json.dumps({"Version": V, "Statements": []})),
        ("", "'Note' is unknown",
         json.dumps({"Version": V, "Id": "x", "Statement": [statement()], "Note": ""})),
        ("Id", "not a text", json.dumps({"Version": V, "Id": 7, "Statement": [statement()]})),
        ("Id", "longer than 128",
         json.dumps({"Version": V, "Id": "i" * 129, "Statement": [statement()]})),
        ("Version", "missing", json.dumps({"Statement": [statement()]})),
        ("Version", "'2020-01-01' is not a version", document(statement(), version="2020-01-01")),
        ("Version", "not a version", json.dumps({"Version": 2012, "Statement": [statement()]})),
        ("Statement", "missing", json.dumps({"Version": V})),
        ("Statement", "empty", document()),
        ("Statement[0]", "JSON object", document("x")),
        ("Statement[0]", "JSON object", json.dumps({"Version": V, "Statement": None})),
        ("Statement[1]", "'effect' is unknown", document(statement(), {"effect": "Allow"})),
        ("Statement[0].Effect", "missing", document({"Action": "iot:*", "Resource": "*"})),
        ("Statement[0].Effect", "'allow' is not", document(statement("allow"))),
        ("Statement[0].Effect", "is not an effect", document({**statement(), "Effect": ["Deny"]})),
        ("Statement[0].Action", "missing", document({"Effect": "Allow", "Resource": "*"})),
        ("Statement[0].Action", "neither", document(statement(action=[]))),
        ("Statement[0].Action", "neither", document(statement(action=None))),
        ("Statement[0].Action", "neither", document(statement(action=7))),
        ("Statement[0].Action", "neither", document(statement(action={"iot:Publish": 1}))),
        ("Statement[0].Resource", "neither", document(statement(resource={"*": 1}))),
        ("Statement[0].Action", "'Publish' is not", document(statement(action="Publish"))),
        ("Statement[0].Action", "is not an action", document(statement(action=""))),
        ("Statement[0].Action", "is not an action", document(statement(action="*:Publish"))),
        ("Statement[0].Action", "is not an action", document(statement(action="iot:"))),
        ("Statement[0].Action", "is not an action", document(statement(action=":Publish"))),
        ("Statement[0].Action", "is not an action", document(statement(action="iot:Pub lish"))),
        ("Statement[0].Action", "is not an action", document(statement(action="iot:${x}"))),
        ("Statement[0].Action[1]", "not a text", document(statement(action=["iot:*", 7]))),
        ("Statement[0].NotAction", "has no NotAction|have no NotAction",
         document({"Effect": "Allow", "NotAction": "iot:*", "Resource": "*"})),
        ("Statement[0].NotResource", "have no NotResource",
         document({"Effect": "Allow", "Action": "iot:*", "NotResource": "*"})),
        ("Statement[0].Principal", "names no principal", document(statement(Principal="*"))),
        ("Statement[0].Resource", "missing", document({"Effect": "Allow", "Action": "*"})),
        ("Statement[0].Resource", "the form is arn:aws:iot:region:account:topic/name",
         document(statement(resource="topic/a"))),
        ("Statement[0].Resource", "not a resource", document(statement(resource="**"))),
        ("Statement[0].Resource", "not a resource", document(statement(resource="arn:aws:iot:*"))),
        ("Statement[0].Resource", "not a resource", document(statement(resource="arn:*"))),
        ("Statement[0].Resource", "not a resource",
         document(statement(resource="arn:aws:iot:r:${iot:ClientId}"))),
        ("Statement[0].Resource", "not a resource",
         document(statement(resource=TOPIC.replace("arn:", "urn:")))),
        ("Statement[0].Resource[1]", "not a resource",
         document(statement(resource=["*", "arn:aws:iot:r:1:"]))),
        ("Statement[0].Resource", "has no }", document(statement(resource=TOPIC + "${iot:Cl"))),
        ("Statement[0].Resource", "not a policy variable",
         document(statement(resource=TOPIC + "${iot:ClientID2}"))),
        ("Statement[0].Resource", "not a policy variable",
         document(statement(resource=TOPIC + "${}"))),
        ("Statement[0].Sid", "not a text", document(statement(Sid=4))),
        ("Statement[0].Sid", "longer than", document(statement(Sid="s" * 129))),
        ("Statement[0]", "known are Action, Condition, Effect, Resource, Sid",
         document(statement(Sids="x"))),
        ("Statement[0].Condition", "JSON object", document(statement(Condition="x"))),
        ("Statement[0].Condition", "'IpAddresses' is not an operator",
         document(statement(Condition={"IpAddresses": {"aws:SourceIp": "10.0.0.0/8"}}))),
        ("Statement[0].Condition.IpAddress", "'aws:SourceIp' is not a key",
         document(statement(Condition={"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}))),
        ("Statement[0].Condition.ForAnyValue:StringEquals", "and for no other key",
         document(statement(Condition={"ForAnyValue:StringEquals": {"iot:ClientId": "x"}}))),
        ("Statement[0].Condition.Bool", "JSON object",
         document(statement(Condition={"Bool": "true"}))),
        ("Statement[0].Condition.Bool", "names no key",
         document(statement(Condition={"Bool": {}}))),
        ("Statement[0].Condition.Bool.iot:Connection.Thing.IsAttached", "neither true nor false",
         document(statement(Condition={"Bool": {"iot:Connection.Thing.IsAttached": "yes"}}))),
        ("Statement[0].Condition.StringEquals", "'iot:Cliant' is not a key",
         document(statement(Condition={"StringEquals": {"iot:Cliant": "x"}}))),
        ("Statement[0].Condition.StringEquals", "not a key",
         document(statement(Condition={"StringEquals": {f"{THING}.Attributes[]": "x"}}))),
        ("Statement[0].Condition.StringEquals", "not a key",
         document(statement(Condition={"StringEquals": {f"{THING}.Attributes[site": "x"}}))),
        ("Statement[0].Condition.StringEquals", "not a key",
         document(statement(Condition={"StringEquals": {f"{THING}.Of.Another.Kind[site]": "x"}}))),
        ("Statement[0].Condition.StringEquals.iot:ClientId", "no value",
         document(statement(Condition={"StringEquals": {"iot:ClientId": []}}))),
        ("Statement[0].Condition.StringEquals.iot:ClientId", "not a text",
         document(statement(Condition={"StringEquals": {"iot:ClientId": True}}))),
    ],
)  # fmt: skip
@pytest.mark.promise(1)
def test_what_is_malformed_is_refused_with_its_place(place: str, problem: str, text: str) -> None:
    """Promise 1: default is deny, so a policy that is not fully understood grants nothing."""
    with pytest.raises(MalformedPolicyError, match=problem) as caught:
        parse_policy(text)
    assert caught.value.place == place
    assert isinstance(caught.value, CallerError)
    assert str(caught.value).startswith(place)


def _of_size(size: int, *, indent: int | None = None) -> str:
    policy: dict[str, Any] = {"Version": V, "Statement": [statement(resource=TOPIC)]}
    compact = len("".join(json.dumps(policy).split()))
    policy["Statement"][0]["Resource"] = TOPIC + "x" * (size - compact)
    return json.dumps(policy, indent=indent)


def test_the_limit_counts_bytes_without_white_space() -> None:
    parse_policy(_of_size(DOCUMENT_LIMIT))
    parse_policy(_of_size(DOCUMENT_LIMIT, indent=40))
    with pytest.raises(MalformedPolicyError, match="2049 bytes"):
        parse_policy(_of_size(DOCUMENT_LIMIT + 1))
    with pytest.raises(MalformedPolicyError, match="bytes"):
        parse_policy(document(statement(resource=TOPIC + "ü" * 1500)))


def test_a_document_without_end_is_refused() -> None:
    with pytest.raises(MalformedPolicyError, match="nested too deeply"):
        parse_policy("[" * 20_000, limit=30_000)


def test_the_white_space_is_bounded_too() -> None:
    with pytest.raises(MalformedPolicyError, match="longer than"):
        parse_policy(document(statement()) + " " * 140_000)


def test_names_of_variables_are_known_in_any_case() -> None:
    policy = parse_policy(
        document(
            statement(
                resource=TOPIC + "${IOT:clientid}",
                Condition={"StringEquals": {"IOT:CONNECTION.THING.ATTRIBUTES[Site]": "x"}},
            )
        )
    )
    assert policy.statements[0].resources[0].variables[0].name == "iot:clientid"
    assert policy.statements[0].conditions[0].shown == "iot:Connection.Thing.Attributes[Site]"
    assert policy.keys == {"iot:clientid", "iot:connection.thing.attributes[site]"}
