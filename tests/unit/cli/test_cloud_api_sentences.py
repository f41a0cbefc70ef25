"""What the commands say when the cloud cannot be called: what is wrong, and what to do."""

from pathlib import Path

import pytest

from hedgerow.cli.provision.api import CloudApi
from hedgerow.cloud.app import Layout
from hedgerow.cloud.app.layout import read_settings
from hedgerow.kernel import ConfigurationError, HedgerowError

ENVIRONMENT = {
    "AWS_ENDPOINT_URL": "https://127.0.0.1:1",  # nothing listens on it
    "AWS_ACCESS_KEY_ID": "AKIAEXAMPLEEXAMPLE12",
    "AWS_SECRET_ACCESS_KEY": "not-a-secret",
    "AWS_DEFAULT_REGION": "eu-west-1",
    "AWS_MAX_ATTEMPTS": "1",
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    "AWS_EC2_METADATA_DISABLED": "true",
}


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("AWS_ENDPOINT_URL", "https://127.0.0.1:1", "start the cloud if it does not run"),
        ("AWS_DEFAULT_REGION", "", "AWS_DEFAULT_REGION is empty"),
        ("AWS_ACCESS_KEY_ID", "", "Unable to locate credentials"),
    ],
)
def test_a_call_that_cannot_be_made_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, words: str
) -> None:
    for name, usual in ENVIRONMENT.items():
        monkeypatch.setenv(name, usual)
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, value)
    with pytest.raises(HedgerowError, match=words) as raised:
        CloudApi().call("sts", "get_caller_identity")
    assert "hedgerow env --data DIR" in str(raised.value)


def test_a_folder_of_something_else_is_not_told_to_be_closed(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    with pytest.raises(ConfigurationError, match="is not a cloud's data folder"):
        read_settings(Layout(tmp_path))
