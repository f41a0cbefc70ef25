"""`hedgerow core credentials`: run a command as the group's role."""

import os
from collections.abc import Mapping
from pathlib import Path

import click

from hedgerow.cli.options import root_option
from hedgerow.core.config import CoreConfig, load_config
from hedgerow.core.credentials import CounterAnswer, fetch_token
from hedgerow.kernel import ConfigurationError, quoted

_OF_OTHERS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
)
"""What SDKs look at before, or instead of, the core's own endpoint."""

_REGIONS = ("AWS_REGION", "AWS_DEFAULT_REGION")
_FILES_OF_OTHERS = ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE")


@click.command(context_settings={"ignore_unknown_options": True})
@root_option
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def credentials(root: Path, command: tuple[str, ...]) -> None:
    """Run COMMAND as the group's role, like code of the core: aws, boto3, any AWS SDK.

    The command gets a token of its own in its environment; it is good for the command and what
    it starts, as long as it runs. Put -- before COMMAND. Where the APIs are still comes from
    AWS_ENDPOINT_URL and AWS_CA_BUNDLE.
    """
    config = load_config(root)
    answer = fetch_token(config.folders.credentials_socket)
    environment = role_environment(os.environ, answer, config)
    try:
        os.execvpe(command[0], command, environment)  # noqa: S606 - no shell is wanted
    except OSError as error:
        raise ConfigurationError(f"cannot run {quoted(command[0])}: {error.strerror}") from error


def role_environment(
    environment: Mapping[str, str], answer: CounterAnswer, config: CoreConfig
) -> dict[str, str]:
    """Return the environment in which an SDK finds the role's credentials and no others."""
    kept = {name: value for name, value in environment.items() if name not in _OF_OTHERS}
    chosen = (environment.get(name) for name in _REGIONS)
    region = next((each for each in chosen if each), config.thing_arn.region)
    return {
        **kept,
        **dict.fromkeys(_REGIONS, region),
        **dict.fromkeys(_FILES_OF_OTHERS, os.devnull),
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": answer.uri,
        "AWS_CONTAINER_AUTHORIZATION_TOKEN": answer.token,
    }
