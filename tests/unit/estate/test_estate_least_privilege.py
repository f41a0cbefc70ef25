"""Who has no known policy gets the least one, and nobody who has one gets another."""

import json

import pytest
from tests.support.v1_estate import GROUP_ID, OLD_ACCOUNT, OLD_REGION, iot_arn

from hedgerow.estate import (
    Certificate,
    Definition,
    Estate,
    Group,
    Origin,
    Policy,
    Thing,
    ThingGroup,
)
from hedgerow.estate.least_privilege import with_least_privilege
from hedgerow.policy import DOCUMENT_LIMIT, document_size, parse_policy
from hedgerow.policy.analysis import overly_permissive

ORIGIN = Origin(account=OLD_ACCOUNT, region=OLD_REGION)


def estate(
    *,
    rows: int = 0,
    synced: int = 0,
    held: tuple[str, ...] = (),
    policies: tuple[Policy, ...] = (),
    thing_groups: tuple[ThingGroup, ...] = (),
    core: str = "core",
) -> Estate:
    """Return a core with so many rows to the cloud and so many devices with a shadow."""
    names = [core, *(f"device-{number}" for number in range(synced))]
    members = [
        {"Id": name, "ThingArn": iot_arn(f"thing/{name}"), "SyncShadow": True} for name in names
    ]
    table = [
        {"Id": f"{n}", "Source": "cloud", "Subject": f"plant/{n:04}/of/many", "Target": "cloud"}
        for n in range(rows)
    ]
    return Estate(
        origin=ORIGIN,
        things=tuple(
            Thing(name=name, certificates=(name,), thing_groups=tuple(g.name for g in thing_groups))
            for name in names
        ),
        certificates=tuple(Certificate(id=name, policies=held) for name in names),
        policies=policies,
        thing_groups=thing_groups,
        groups=(
            Group(
                id=GROUP_ID,
                name="plant",
                definitions=(
                    Definition(kind="Core", content={"Cores": members[:1]}),
                    Definition(kind="Device", content={"Devices": members[1:]}),
                    Definition(kind="Subscription", content={"Subscriptions": table}),
                ),
            ),
        ),
    )


def test_every_policy_that_is_made_is_one_and_is_not_too_broad() -> None:
    made, findings = with_least_privilege(estate(rows=40, synced=30))
    assert {one.code for one in findings} == {"POLICY_MADE"}
    for policy in made.policies:
        assert document_size(policy.document) <= DOCUMENT_LIMIT
        assert overly_permissive(parse_policy(policy.document)) == ()
    core = next(one for one in made.certificates if one.id == "core")
    assert len(core.policies) <= 10
    text = "".join(one.document for one in made.policies if one.name in core.policies)
    for number in range(40):
        assert iot_arn(f"topic/plant/{number:04}/of/many") in text
    for number in range(30):
        assert f"thing/device-{number}" in text


def test_more_topics_than_policies_can_list_are_said_and_give_none() -> None:
    made, findings = with_least_privilege(estate(rows=2_000))
    assert [(one.code, one.place) for one in findings] == [("POLICY_NOT_MADE", "core")]
    assert made.policies == ()


def test_a_name_that_no_policy_can_hold_is_said() -> None:
    _, findings = with_least_privilege(estate(core="co*re"))
    assert [one.code for one in findings] == ["POLICY_NOT_MADE"]


@pytest.mark.parametrize("by", ["certificate", "thing group"])
def test_who_has_a_policy_keeps_it_alone(by: str) -> None:
    policy = Policy(name="own", document=json.dumps({"Version": "2012-10-17", "Statement": []}))
    given = (
        estate(held=("own",), policies=(policy,))
        if by == "certificate"
        else estate(policies=(policy,), thing_groups=(ThingGroup(name="g", policies=("own",)),))
    )
    made, findings = with_least_privilege(given)
    assert made == given
    assert findings == ()


def test_a_policy_of_the_same_name_that_says_something_else_stays_beside_the_one_that_is_made() -> (
    None
):
    other = Policy(name="core-policy", document="{}")
    made, _ = with_least_privilege(estate(policies=(other,)))
    assert other in made.policies
    core = next(one for one in made.certificates if one.id == "core")
    assert "core-policy-least" in core.policies
    assert "core-policy" not in core.policies
