import pytest

from hedgerow.cloud.dataplane.routes import (
    ROUTES,
    UnknownPathError,
    WrongMethodError,
    match,
)
from hedgerow.cloud.home import Home
from hedgerow.contract import (
    CERTIFICATE_PATH,
    artifact_path,
    connectivity_path,
    deployment_arn,
    deployment_path,
    deployment_status_arn,
    deployment_status_path,
    discovery_path,
    shadow_http_path,
)
from hedgerow.kernel import CallerError

HOME = Home(account="123456789012", region="eu-west-1")
THING = "arn:aws:iot:eu-west-1:123456789012:thing/"
CORE = THING + "core"
DEPLOYMENT = deployment_arn("eu-west-1", "123456789012", "g", "d")


@pytest.mark.spec("D05", "D06", "D07", "D08", "D09", "D10", "D11", "D13")
@pytest.mark.parametrize(
    ("method", "path", "action", "resource"),
    [
        ("GET", discovery_path("sensor"), "greengrass:Discover", THING + "sensor"),
        ("GET", deployment_path("g", "d"), "greengrass:GetDeployment", DEPLOYMENT),
        (
            "GET",
            artifact_path("g", "d", "group.json"),
            "greengrass:GetDeploymentArtifacts",
            DEPLOYMENT,
        ),
        (
            "PUT",
            deployment_status_path("g", "d", CORE),
            "greengrass:UpdateCoreDeploymentStatus",
            deployment_status_arn("eu-west-1", "123456789012", "g", "d", CORE),
        ),
        ("POST", CERTIFICATE_PATH, "greengrass:CreateCertificate", "*"),
        ("GET", connectivity_path("core"), "greengrass:GetConnectivityInfo", THING + "core-gci"),
        ("PUT", connectivity_path("core"), "greengrass:UpdateConnectivityInfo", THING + "core-gci"),
        ("GET", shadow_http_path("core-gda"), "iot:GetThingShadow", THING + "core-gda"),
        ("POST", shadow_http_path("core-gda"), "iot:UpdateThingShadow", THING + "core-gda"),
        ("DELETE", shadow_http_path("core-gda"), "iot:DeleteThingShadow", THING + "core-gda"),
    ],
)
def test_every_path_of_the_contract_has_its_documented_action_and_resource(
    method: str, path: str, action: str, resource: str
) -> None:
    found = match(method, path, HOME)
    assert (found.route.action, found.resource) == (action, resource)


def test_the_last_part_of_a_status_resource_is_the_encoded_arn_of_the_core() -> None:
    found = match("PUT", deployment_status_path("g", "d", CORE), HOME)
    assert found.parameters["core"] == CORE
    assert found.resource.endswith(
        "/cores/arn%3Aaws%3Aiot%3Aeu-west-1%3A123456789012%3Athing%2Fcore"
    )


def test_an_encoded_slash_is_part_of_a_name_and_never_a_separator() -> None:
    found = match("GET", "/greengrass/discover/thing/a%2Fb", HOME)
    assert found.parameters["thing"] == "a/b"
    with pytest.raises(UnknownPathError):
        match("GET", "/greengrass%2Fdiscover/thing/a", HOME)


@pytest.mark.parametrize(
    "path", ["", "/", "/nothing", "/greengrass/discover/thing/", "/a" * 100, "/greengrass//thing"]
)
def test_an_unknown_path_is_said_to_be_unknown(path: str) -> None:
    with pytest.raises(UnknownPathError):
        match("GET", path, HOME)


@pytest.mark.parametrize("part", ["%", "%1", "%zz", "%ff%fe", "%00", "%0a", "x" * 600])
def test_a_part_that_is_no_clean_text_is_refused(part: str) -> None:
    with pytest.raises(CallerError):
        match("GET", f"/greengrass/discover/thing/{part}", HOME)


def test_a_known_path_with_another_method_names_the_methods_it_takes() -> None:
    with pytest.raises(WrongMethodError, match="GET, PUT"):
        match("DELETE", connectivity_path("core"), HOME)


def test_no_two_rows_can_match_the_same_request() -> None:
    rows = {(route.method, route.template) for route in ROUTES}
    assert len(rows) == len(ROUTES)
