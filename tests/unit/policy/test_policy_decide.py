"""Default is no, deny wins, and what is unknown never helps to get in."""

from typing import Any

import pytest
from tests.support.policies import CLIENT, FILTER, TOPIC, named, publish, statement

from hedgerow.policy import AccessRequest, Context, connection_variables, decide, parse_policy

THING = "iot:Connection.Thing.ThingName"


def test_without_a_policy_nothing_is_allowed() -> None:
    decision = decide([], publish("a"))
    assert not decision.allowed
    assert decision.effect == "implicit-deny"
    assert decision.policy is None
    assert decision.statement is None
    assert decision.reason == f"no policy is attached, so none allows iot:Publish on {TOPIC}a"


def test_what_no_statement_allows_is_denied_and_the_reason_names_action_and_resource() -> None:
    decision = decide([named(statement(resource=TOPIC + "b"))], publish("a"))
    assert decision.effect == "implicit-deny"
    assert decision.reason == f"no policy allows iot:Publish on {TOPIC}a"


def test_an_allow_names_its_policy_and_statement() -> None:
    policies = [
        named(statement(resource=TOPIC + "b"), name="first"),
        named(statement(action="iot:Connect"), statement(resource=TOPIC + "a"), name="second"),
    ]
    decision = decide(policies, publish("a"))
    assert decision.allowed
    assert (decision.effect, decision.policy, decision.statement) == (
        "allow",
        "second",
        "Statement[1]",
    )
    assert decision.reason == "allowed by Statement[1] of policy second"


def test_a_statement_is_named_by_its_sid_if_it_has_one() -> None:
    assert decide([named(statement(Sid="Mine"))], publish("a")).statement == "Mine"


@pytest.mark.parametrize("order", [1, -1])
def test_an_explicit_deny_wins_wherever_it_stands(order: int) -> None:
    policies = [
        named(statement(action="*"), name="open"),
        named(statement(), statement("Deny", resource=TOPIC + "a*", Sid="NoA"), name="closed"),
    ]
    decision = decide(policies[::order], publish("abc"))
    assert not decision.allowed
    assert (decision.effect, decision.policy, decision.statement) == (
        "explicit-deny",
        "closed",
        "NoA",
    )
    assert decision.reason == (f"explicit deny by NoA of policy closed: iot:Publish on {TOPIC}abc")
    assert decide(policies, publish("b")).allowed


@pytest.mark.parametrize(
    ("pattern", "allowed"),
    [
        ("iot:Publish", True),
        ("IOT:PUBLISH", True),
        ("iot:publish", True),
        ("iot:*", True),
        ("iot:Pub*", True),
        ("iot:P?blish", True),
        ("*", True),
        ("iot:Publis", False),
        ("iot:Publishh", False),
        ("iot:Receive", False),
        ("greengrass:*", False),
    ],
)
def test_actions_match_in_any_case_and_by_wildcard(pattern: str, *, allowed: bool) -> None:
    policies = [named(statement(action=["iot:Connect", pattern]))]
    assert decide(policies, publish("a")).allowed is allowed


@pytest.mark.spec("D02")
@pytest.mark.parametrize(
    ("resource", "subject", "allowed"),
    [
        (FILTER + "a/*", FILTER + "a/#", True),
        (FILTER + "a/*", FILTER + "a/+/c", True),
        (FILTER + "a/+/c", FILTER + "a/+/c", True),
        (FILTER + "a/+/c", FILTER + "a/b/c", False),
        (FILTER + "a/#", FILTER + "a/b", False),
        (FILTER + "#", FILTER + "a", False),
        (FILTER + "a/?/c", FILTER + "a/+/c", True),
        (TOPIC + "+/x", TOPIC + "a/x", False),
        (TOPIC + "a/*/c", TOPIC + "a/b/b/c", True),
        (TOPIC + "a/*/c", TOPIC + "a/c", False),
        (TOPIC + "*", FILTER + "a", False),
        (TOPIC + "A", TOPIC + "a", False),
        ("*", FILTER + "#", True),
    ],
)
def test_the_star_is_a_wildcard_and_mqtt_s_own_wildcards_are_plain_characters(
    resource: str, subject: str, *, allowed: bool
) -> None:
    request = AccessRequest("iot:Subscribe", subject, {})
    policies = [named(statement(action="iot:Subscribe", resource=resource))]
    assert decide(policies, request).allowed is allowed


def test_a_variable_takes_the_value_of_the_request() -> None:
    policies = [named(statement(resource=TOPIC + "${iot:ClientId}/up/*"))]
    assert decide(policies, publish("lamp/up/1", ClientId="lamp")).allowed
    assert not decide(policies, publish("door/up/1", ClientId="lamp")).allowed


def test_a_variable_without_a_value_lets_an_allow_statement_match_nothing() -> None:
    policies = [named(statement(resource=TOPIC + "${iot:Connection.Thing.ThingName}*"))]
    assert decide(policies, publish("lamp", ThingName="lamp")).allowed
    for topic in ("lamp", "", "${iot:Connection.Thing.ThingName}", "*"):
        assert not decide(policies, publish(topic)).allowed
        assert not decide(policies, publish(topic, ThingName="")).allowed


def test_a_variable_without_a_value_lets_a_deny_statement_match_what_it_could() -> None:
    policies = [
        named(statement(), statement("Deny", resource=TOPIC + "${iot:ClientId}/secret")),
    ]
    assert not decide(policies, publish("anything/secret")).allowed
    assert decide(policies, publish("anything/else")).allowed
    assert decide(policies, publish("anything/secret", ClientId="lamp")).allowed
    assert not decide(policies, publish("lamp/secret", ClientId="lamp")).allowed


def test_in_the_old_version_a_variable_is_plain_text() -> None:
    policies = [named(statement(resource=TOPIC + "${iot:ClientId}"), version="2008-10-17")]
    assert not decide(policies, publish("lamp", ClientId="lamp")).allowed
    assert decide(policies, publish("${iot:ClientId}", ClientId="lamp")).allowed


def test_escaped_characters_are_themselves() -> None:
    policies = [named(statement(resource=TOPIC + "a${*}b${?}c${$}d"))]
    assert decide(policies, publish("a*b?c$d")).allowed
    assert not decide(policies, publish("axxbxc$d")).allowed


def test_one_of_several_resources_is_enough() -> None:
    policies = [named(statement(resource=[TOPIC + "${iot:ClientId}", TOPIC + "b"]))]
    assert decide(policies, publish("b")).allowed


ATTACHED = {"Bool": {"iot:Connection.Thing.IsAttached": "true"}}
DETACHED = {"Bool": {"iot:Connection.Thing.IsAttached": [False]}}


@pytest.mark.parametrize(
    ("condition", "variables", "allow", "deny"),
    [
        # value given: what the operator says, for both effects alike
        ({"StringEquals": {"iot:ClientId": "a"}}, {"ClientId": "a"}, True, True),
        ({"StringEquals": {"iot:ClientId": "a"}}, {"ClientId": "A"}, False, False),
        ({"StringEquals": {"iot:ClientId": ["b", "a"]}}, {"ClientId": "a"}, True, True),
        ({"StringEquals": {"iot:ClientId": "a*"}}, {"ClientId": "ab"}, False, False),
        ({"StringEquals": {"iot:ClientId": "a*"}}, {"ClientId": "a*"}, True, True),
        ({"StringNotEquals": {"iot:ClientId": "a"}}, {"ClientId": "b"}, True, True),
        ({"StringNotEquals": {"iot:ClientId": ["b", "a"]}}, {"ClientId": "a"}, False, False),
        ({"StringEqualsIgnoreCase": {"iot:ClientId": "a"}}, {"ClientId": "A"}, True, True),
        ({"StringNotEqualsIgnoreCase": {"iot:ClientId": "a"}}, {"ClientId": "A"}, False, False),
        ({"StringLike": {"iot:ClientId": "a*"}}, {"ClientId": "ab"}, True, True),
        ({"StringLike": {"iot:ClientId": "a?"}}, {"ClientId": "a"}, False, False),
        ({"StringNotLike": {"iot:ClientId": "a*"}}, {"ClientId": "ab"}, False, False),
        (ATTACHED, {"IsAttached": "true"}, True, True),
        (ATTACHED, {"IsAttached": "false"}, False, False),
        (DETACHED, {"IsAttached": "false"}, True, True),
        # two keys or two operators: both must hold
        ({**ATTACHED, "StringEquals": {"iot:ClientId": "a"}},
         {"IsAttached": "true", "ClientId": "a"}, True, True),
        ({**ATTACHED, "StringEquals": {"iot:ClientId": "a"}},
         {"IsAttached": "true", "ClientId": "b"}, False, False),
        ({"StringEquals": {"iot:ClientId": "a", THING: "a"}},
         {"ClientId": "a", "ThingName": "b"}, False, False),
        # no value for the key
        ({"StringEquals": {THING: "a"}}, {}, False, False),
        ({"StringNotEquals": {THING: "a"}}, {}, False, True),
        ({"StringEqualsIfExists": {THING: "a"}}, {}, True, True),
        ({"StringNotEqualsIfExists": {THING: "a"}}, {}, True, True),
        ({"StringEqualsIfExists": {THING: "a"}}, {"ThingName": "b"}, False, False),
        (ATTACHED, {}, False, True),
        # no value for a variable among the values
        ({"StringEquals": {"iot:ClientId": "${iot:Connection.Thing.ThingName}"}},
         {"ClientId": "a", "ThingName": "a"}, True, True),
        ({"StringEquals": {"iot:ClientId": "${iot:Connection.Thing.ThingName}"}},
         {"ClientId": "a"}, False, True),
        ({"StringNotEquals": {"iot:ClientId": "${iot:Connection.Thing.ThingName}"}},
         {"ClientId": "a"}, False, True),
        ({"StringEquals": {"iot:ClientId": ["a", "${iot:Connection.Thing.ThingName}"]}},
         {"ClientId": "a"}, True, True),
        ({"StringNotEquals": {"iot:ClientId": ["a", "${iot:Connection.Thing.ThingName}"]}},
         {"ClientId": "a"}, False, False),
    ],
)  # fmt: skip
def test_conditions(condition: Any, variables: dict[str, str], *, allow: bool, deny: bool) -> None:
    request = publish("a", **variables)
    allowing = [named(statement(Condition=condition))]
    assert decide(allowing, request).allowed is allow
    denying = [named(statement(), statement("Deny", Condition=condition))]
    assert decide(denying, request).allowed is not deny


def test_the_thing_is_known_only_if_attached_and_connected_by_its_name() -> None:
    def of(client_id: str, thing_name: str | None, *, attached: bool) -> Context:
        return connection_variables(
            client_id=client_id,
            thing_name=thing_name,
            certificate_id="c1",
            attached=attached,
            thing_type_name="lamps",
            attributes={"site": "north"},
        )

    assert of("lamp", "lamp", attached=True) == {
        "iot:clientid": "lamp",
        "iot:certificateid": "c1",
        "iot:connection.thing.isattached": "true",
        "iot:connection.thing.thingname": "lamp",
        "iot:connection.thing.thingtypename": "lamps",
        "iot:connection.thing.attributes[site]": "north",
    }
    for variables in (
        of("door", "lamp", attached=True),
        of("lamp", "lamp", attached=False),
        of("lamp", None, attached=True),
        of("", "", attached=True),
    ):
        assert not [name for name in variables if "attributes" in name or "name" in name]
    assert of("lamp", "lamp", attached=False)["iot:connection.thing.isattached"] == "false"


def test_a_policy_that_is_used_cannot_be_changed() -> None:
    policy = parse_policy('{"Version":"2012-10-17","Statement":'
                          '{"Effect":"Deny","Action":"*","Resource":"*"}}')  # fmt: skip
    with pytest.raises(AttributeError, match="immutable"):
        policy.statements = ()  # type: ignore[misc]
    with pytest.raises(AttributeError, match="immutable"):
        policy.statements[0].effect = "Allow"  # type: ignore[misc]


def test_connecting_as_oneself_needs_the_client_s_resource() -> None:
    policies = [named(statement(action="iot:Connect", resource=CLIENT + "${iot:ClientId}"))]
    variables = {"iot:ClientId": "lamp"}
    assert decide(policies, AccessRequest("iot:Connect", CLIENT + "lamp", variables)).allowed
    assert not decide(policies, AccessRequest("iot:Connect", CLIENT + "door", variables)).allowed


@pytest.mark.parametrize(
    "condition",
    [
        {"StringEquals": {"iot:CertificateId": "0" * 64}},
        {"Bool": {"iot:Connection.Thing.IsAttached": "true"}},
    ],
)
def test_a_deny_on_what_every_connection_has_denies_one_that_lacks_it(condition: Any) -> None:
    policies = [named(statement(), statement("Deny", Condition=condition))]
    assert decide(policies, publish("a")).effect == "explicit-deny"
