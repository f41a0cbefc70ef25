"""`hedgerow env`: where programs find the API, and with which key."""

import json
from pathlib import Path
from shutil import copytree

import pytest
from tests.support.cloud import ACCOUNT, REGION, born_cloud

from hedgerow.cli.environment import environment
from hedgerow.cloud.app import Endpoints, Layout
from hedgerow.cloud.app.endpoints import PrivateApiEndpoint, write_endpoints
from hedgerow.kernel import ConfigurationError


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    copytree(born_cloud(), tmp_path / "cloud")
    return Layout(tmp_path / "cloud")


def serve(layout: Layout, api_port: int | None, *private: PrivateApiEndpoint) -> None:
    """Leave the file that a running cloud leaves."""
    endpoints = Endpoints(
        host="cloud.example",
        api_port=api_port,
        device_https_port=1,
        device_mqtt_port=2,
        private_apis=private,
        account_id=ACCOUNT,
        region=REGION,
        pid=1,
    )
    write_endpoints(layout.endpoints, endpoints)


def test_programs_use_the_ordinary_door_with_the_administrator_s_key(layout: Layout) -> None:
    serve(layout, 7443, PrivateApiEndpoint(id="vpce-1", host="10.0.0.5", port=7444))
    variables = environment(layout.folder)
    assert variables["AWS_ENDPOINT_URL"] == "https://cloud.example:7443"
    kept = json.loads(layout.administrator.read_text())
    assert variables["AWS_ACCESS_KEY_ID"] == kept["AccessKeyId"]


@pytest.mark.parametrize(
    ("host", "url"), [("10.0.0.5", "https://10.0.0.5:7444"), ("::1", "https://[::1]:7444")]
)
def test_without_it_they_use_the_first_private_one(layout: Layout, host: str, url: str) -> None:
    serve(layout, None, PrivateApiEndpoint(id="vpce-1", host=host, port=7444))
    assert environment(layout.folder)["AWS_ENDPOINT_URL"] == url


def test_a_cloud_that_does_not_run_is_said_to_be_so(layout: Layout) -> None:
    with pytest.raises(ConfigurationError, match="hedgerow cloud run"):
        environment(layout.folder)
