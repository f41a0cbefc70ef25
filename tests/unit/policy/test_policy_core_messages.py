"""What a core needs to carry messages to and from the cloud, and no more."""

import json

import pytest

from hedgerow.kernel import CallerError
from hedgerow.policy import AccessRequest, NamedPolicy, core_message_policy, decide, parse_policy

IOT = "arn:aws:iot:us-east-1:123456789012:"


def allowed(policy: str, action: str, resource: str) -> bool:
    named = NamedPolicy("messages", parse_policy(policy))
    return decide([named], AccessRequest(action, IOT + resource, {})).allowed


def test_it_allows_what_the_rows_say_and_no_more() -> None:
    policy = core_message_policy(
        region="us-east-1", account="123456789012", to_cloud=["line/+/t"], from_cloud=["cmd/#"]
    )
    assert allowed(policy, "iot:Publish", "topic/line/1/t")
    assert allowed(policy, "iot:Subscribe", "topicfilter/cmd/#")
    assert allowed(policy, "iot:Receive", "topic/cmd/1/2")
    assert not allowed(policy, "iot:Publish", "topic/cmd/1")
    assert not allowed(policy, "iot:Subscribe", "topicfilter/line/+/t")
    assert not allowed(policy, "iot:Publish", "topic/line/1/other")
    assert not allowed(policy, "iot:Connect", "client/line-7")


def test_one_direction_makes_no_statement_for_the_other() -> None:
    policy = core_message_policy(region="us-east-1", account="123456789012", to_cloud=["a"])
    assert [one["Action"] for one in json.loads(policy)["Statement"]] == [["iot:Publish"]]


def test_no_row_makes_no_policy() -> None:
    with pytest.raises(CallerError, match="no row"):
        core_message_policy(region="us-east-1", account="123456789012")


def test_the_other_direction_makes_what_hearing_needs() -> None:
    policy = core_message_policy(region="us-east-1", account="123456789012", from_cloud=["a"])
    actions = [one["Action"] for one in json.loads(policy)["Statement"]]
    assert actions == [["iot:Subscribe"], ["iot:Receive"]]


@pytest.mark.parametrize(
    ("region", "account"), [("*", "123456789012"), ("us-east-1", "*"), ("", "123456789012")]
)
def test_a_name_that_means_more_than_itself_is_refused(region: str, account: str) -> None:
    with pytest.raises(CallerError, match="cannot stand in a policy"):
        core_message_policy(region=region, account=account, to_cloud=["a"])
