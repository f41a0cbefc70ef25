"""Entering another account of the cloud: its administrator role, assumed by the administrator."""

from collections.abc import Mapping
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import Session

from hedgerow.kernel import ConfigurationError, DeniedError, UnavailableError

SESSION_NAME = "administrator"
_NO_PROFILE: dict[str, tuple[Any, ...]] = {"profile": (None, [], None, None)}
"""Whatever profile this shell has set is for other places."""


def entered(variables: Mapping[str, str], account: str, role: str) -> dict[str, str]:
    """Return the variables of `hedgerow env` with temporary credentials of a role in `account`.

    Raises `DeniedError` if the role cannot be assumed, `UnavailableError` if the cloud does not
    answer, `ConfigurationError` if the administrator's key is not in the data folder.
    """
    if "AWS_ACCESS_KEY_ID" not in variables:
        raise ConfigurationError(
            "the administrator's access key was moved out of the data folder; use it with: aws sts "
            f"assume-role --role-arn arn:aws:iam::{account}:role/{role} --role-session-name NAME"
        )
    client = Session(session_vars=_NO_PROFILE).create_client(
        "sts",
        region_name=variables["AWS_DEFAULT_REGION"],
        endpoint_url=variables["AWS_ENDPOINT_URL"],
        verify=variables["AWS_CA_BUNDLE"],
        aws_access_key_id=variables["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=variables["AWS_SECRET_ACCESS_KEY"],
        config=Config(retries={"total_max_attempts": 1}),
    )
    try:
        answer = client.assume_role(
            RoleArn=f"arn:aws:iam::{account}:role/{role}", RoleSessionName=SESSION_NAME
        )
    except ClientError as error:
        raise DeniedError(
            f"{error.response['Error']['Message']}; there may be no such account or role: see aws "
            "organizations list-accounts"
        ) from error
    except BotoCoreError as error:
        raise UnavailableError(f"the cloud does not answer: {error}") from error
    finally:
        client.close()
    credentials = answer["Credentials"]
    return {
        **variables,
        "AWS_ACCESS_KEY_ID": credentials["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": credentials["SecretAccessKey"],
        "AWS_SESSION_TOKEN": credentials["SessionToken"],
    }
