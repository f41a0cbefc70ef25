"""The environment of a command that runs as the group's role."""

import os
from pathlib import Path

import pytest
from tests.support.core import CloudPlace, write_root
from tests.support.pki import new_authority, new_identity

from hedgerow.cli.core_credentials import role_environment
from hedgerow.core.config import CoreConfig, load_config
from hedgerow.core.credentials import CounterAnswer

ANSWER = CounterAnswer(token="name.secret", uri="http://127.0.0.1:8000/2016-11-01/x/")


@pytest.fixture
def config(tmp_path: Path) -> CoreConfig:
    identity = new_identity(new_authority("devices"))
    arn = "arn:aws:iot:eu-west-1:123456789012:thing/core"
    return load_config(write_root(tmp_path, arn, identity, CloudPlace(1, 1, "")))


def test_nothing_of_the_callers_own_credentials_is_left(config: CoreConfig) -> None:
    mine = {
        "AWS_ACCESS_KEY_ID": "AKIA",
        "AWS_SECRET_ACCESS_KEY": "mine",
        "AWS_SESSION_TOKEN": "mine",
        "AWS_PROFILE": "mine",
        "AWS_ROLE_ARN": "mine",
        "AWS_WEB_IDENTITY_TOKEN_FILE": "mine",
        "AWS_SHARED_CREDENTIALS_FILE": "mine",
        "AWS_CONFIG_FILE": "mine",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "mine",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN": "mine",
    }
    made = role_environment({**mine, "PATH": "/bin", "AWS_CA_BUNDLE": "ca.pem"}, ANSWER, config)
    assert "mine" not in made.values()
    assert "AKIA" not in made.values()
    assert made == {
        "PATH": "/bin",
        "AWS_CA_BUNDLE": "ca.pem",
        "AWS_REGION": "eu-west-1",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": ANSWER.uri,
        "AWS_CONTAINER_AUTHORIZATION_TOKEN": ANSWER.token,
    }


@pytest.mark.parametrize("name", ["AWS_REGION", "AWS_DEFAULT_REGION"])
def test_a_region_of_the_callers_own_stays(config: CoreConfig, name: str) -> None:
    made = role_environment({name: "us-east-1"}, ANSWER, config)
    assert made["AWS_REGION"] == made["AWS_DEFAULT_REGION"] == "us-east-1"
