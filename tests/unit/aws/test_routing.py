"""Which operation a method and a path are for."""

from typing import Any

import pytest
from botocore.model import ServiceModel

from hedgerow.aws.models import load_model
from hedgerow.aws.routing import Route, UriRouter
from hedgerow.kernel import ConfigurationError


def router(**uris: str) -> UriRouter:
    """Return a router for operations with these methods and paths."""
    operations: dict[str, Any] = {}
    for name, uri in uris.items():
        method, _, path = uri.partition(" ")
        operations[name] = {"name": name, "http": {"method": method, "requestUri": path}}
    return UriRouter(
        ServiceModel(
            {"metadata": {"protocol": "rest-json"}, "operations": operations, "shapes": {}}
        )
    )


def found(table: UriRouter, method: str, path: str, *query: tuple[str, str]) -> Route | None:
    return table.route(method, path, query)


def test_method_and_path_decide() -> None:
    table = router(Read="GET /things/{name}", Make="POST /things/{name}", List="GET /things")
    assert found(table, "GET", "/things/lamp") == Route("Read", {"name": "lamp"})
    assert found(table, "POST", "/things/lamp") == Route("Make", {"name": "lamp"})
    assert found(table, "GET", "/things") == Route("List", {})
    assert found(table, "PUT", "/things") is None
    assert found(table, "GET", "/other") is None
    assert found(table, "GET", "/things/lamp/shade") is None


def test_a_literal_wins_over_a_label_but_does_not_hide_it() -> None:
    table = router(
        Literal="GET /jobs/$next", Label="GET /jobs/{id}", Below="GET /jobs/{id}/executions"
    )
    assert found(table, "GET", "/jobs/$next") == Route("Literal", {})
    assert found(table, "GET", "/jobs/%24next") == Route("Literal", {})
    assert found(table, "GET", "/jobs/7") == Route("Label", {"id": "7"})
    assert found(table, "GET", "/jobs/$next/executions") == Route("Below", {"id": "$next"})


def test_a_label_is_decoded_after_matching() -> None:
    table = router(Tags="GET /tags/{arn}", Deep="GET /tags/{arn}/{key}")
    arn = "arn:aws:greengrass:eu-west-1:123456789012:/greengrass/groups/g"
    encoded = arn.replace(":", "%3A").replace("/", "%2F")
    assert found(table, "GET", f"/tags/{encoded}") == Route("Tags", {"arn": arn})
    assert found(table, "GET", "/tags/a%2Fb/c") == Route("Deep", {"arn": "a/b", "key": "c"})
    assert found(table, "GET", "/tags/a%252Fb") == Route("Tags", {"arn": "a%2Fb"})
    assert found(table, "GET", "/tags/a+b") == Route("Tags", {"arn": "a+b"})


def test_a_greedy_label_takes_the_rest() -> None:
    table = router(Destination="GET /destinations/{arn+}", List="GET /destinations")
    assert found(table, "GET", "/destinations/a/b%2Fc") == Route("Destination", {"arn": "a/b/c"})
    assert found(table, "GET", "/destinations") == Route("List", {})


def test_a_demanded_query_chooses_between_alike_paths() -> None:
    table = router(All="GET /configs/{name}?List=ALL", One="GET /configs/{name}")
    assert found(table, "GET", "/configs/f", ("List", "ALL")) == Route("All", {"name": "f"})
    assert found(table, "GET", "/configs/f", ("List", "one")) == Route("One", {"name": "f"})
    assert found(table, "GET", "/configs/f") == Route("One", {"name": "f"})


@pytest.mark.parametrize(
    "path", ["/things//", "/things/..", "/./things", "//things", "/things/%ff", "/things/../things"]
)
def test_a_path_that_could_be_read_in_two_ways_matches_nothing(path: str) -> None:
    table = router(Read="GET /things/{name}", List="GET /things", Deep="GET /{a}/{b}/{c}")
    assert found(table, "GET", path) is None


def test_a_greedy_label_in_the_middle_is_refused_when_the_model_is_read() -> None:
    with pytest.raises(ConfigurationError, match="greedy"):
        router(Bad="GET /a/{rest+}/b")


def test_the_dollar_operations_of_greengrass() -> None:
    table = UriRouter(load_model("greengrass"))
    reset = found(table, "POST", "/greengrass/groups/g/deployments/$reset")
    assert reset == Route("ResetDeployments", {"GroupId": "g"})
    stop = found(table, "PUT", "/greengrass/bulk/deployments/b/$stop")
    assert stop == Route("StopBulkDeployment", {"BulkDeploymentId": "b"})
    plain = found(table, "GET", "/greengrass/groups/g/deployments/d/status")
    assert plain == Route("GetDeploymentStatus", {"GroupId": "g", "DeploymentId": "d"})
