"""Topics, paths, resources and client ids are those of the guide."""

import pytest

from hedgerow import contract
from hedgerow.contract import ShadowId, ShadowTopic

CORE_ARN = "arn:aws:iot:us-east-1:123456789012:thing/line-7"


@pytest.mark.parametrize(
    ("topic", "parts"),
    [
        ("$aws/things/a/shadow/get", ShadowTopic("a", "get")),
        ("$aws/things/a/shadow/update/delta", ShadowTopic("a", "update", "delta")),
        ("$aws/things/a/shadow/name/n/get", ShadowTopic("a", "get", shadow_name="n")),
        ("$aws/things/a/shadow/name/name/update", ShadowTopic("a", "update", shadow_name="name")),
        (
            "$aws/things/a/shadow/name/$n:1/update/documents",
            ShadowTopic("a", "update", "documents", "$n:1"),
        ),
        ("$aws/things/a b/shadow/delete/rejected", ShadowTopic("a b", "delete", "rejected")),
    ],
)
def test_a_shadow_topic_reads_and_prints_the_same(topic: str, parts: ShadowTopic) -> None:
    assert contract.parse_shadow_topic(topic) == parts
    assert str(parts) == topic


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "a/b",
        "$aws/things/a/shadow",
        "$aws/things/a/shadow/get/",
        "$aws/things/a/shadow/get/delta",
        "$aws/things/a/shadow/name/x",
        "$aws/things/a/shadow/name//get",
        "$aws/things/a/shadow/name/x/y/get",
        "$aws/things/a/shadow/name/get",
        "$aws/things/a/shadow/name/x/get/delta",
        "$aws/things//shadow/get",
        "$aws/things/a/b/shadow/get",
        "$aws/things/a/shadow/get/accepted/x",
    ],
)
def test_any_other_topic_is_none(topic: str) -> None:
    assert contract.parse_shadow_topic(topic) is None


def test_a_shadow_is_called_as_policies_name_it() -> None:
    assert str(ShadowId("a")) == "a"
    assert str(ShadowId("a", "n")) == "a/n"
    topic = contract.parse_shadow_topic("$aws/things/a/shadow/name/n/get")
    assert topic is not None
    assert topic.shadow == ShadowId("a", "n")


@pytest.mark.spec("D10")
def test_the_status_resource_ends_in_the_encoded_core_arn() -> None:
    arn = contract.deployment_status_arn("us-east-1", "123456789012", "g", "d", CORE_ARN)
    assert arn == (
        "arn:aws:greengrass:us-east-1:123456789012:/greengrass/groups/g/deployments/d/cores/"
        "arn%3Aaws%3Aiot%3Aus-east-1%3A123456789012%3Athing%2Fline-7"
    )


def test_paths_keep_strange_names_in_one_segment() -> None:
    assert contract.discovery_path("a/b c") == "/greengrass/discover/thing/a%2Fb%20c"
    assert contract.shadow_http_path("a", "x&y") == "/things/a/shadow?name=x%26y"
    assert contract.named_shadows_path("a/b", "t+").endswith("/a%2Fb?nextToken=t%2B")
    assert contract.artifact_path("g", "d", "../x").endswith("/artifacts/..%2Fx")


@pytest.mark.spec("H13")
def test_client_ids_are_predictable() -> None:
    assert contract.core_client_id("line-7") == "line-7"
    assert contract.core_client_id("line-7", "other") == "other"
    assert contract.subscription_client_id("line-7", 0) == "line-7-c00"
    assert contract.subscription_client_id("line-7", 250) == "line-7-c250"
    with pytest.raises(ValueError, match="250"):
        contract.subscription_client_id("line-7", 251)
