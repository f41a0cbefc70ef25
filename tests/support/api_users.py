"""Users and roles of a running cloud, made through the API as an administrator makes them."""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.config import Config
from botocore.exceptions import ClientError
from tests.support.access import document
from tests.support.cloud import RunningCloud

_FORBIDDEN = 403


@dataclass
class ApiUser:
    """Somebody with an access key, and the clients that they call with."""

    cloud: RunningCloud
    key: Mapping[str, Any]
    _clients: dict[str, Any] = field(default_factory=dict)

    def client(self, service: str, **changes: Any) -> Any:
        """Return a client of this user, which tries once."""
        if service in self._clients and not changes:
            return self._clients[service]
        settings = {
            "aws_access_key_id": self.key["AccessKeyId"],
            "aws_secret_access_key": self.key["SecretAccessKey"],
            "aws_session_token": self.key.get("SessionToken"),
            "config": Config(retries={"total_max_attempts": 1}, inject_host_prefix=False),
            **changes,
        }
        client = self.cloud.client(service, **settings)
        if not changes:
            self._clients[service] = client
        return client

    def call(self, service: str, operation: str, **members: Any) -> dict[str, Any]:
        """Call an operation by boto3's name of it."""
        answer: dict[str, Any] = getattr(self.client(service), operation)(**members)
        return answer

    def refusal(self, service: str, operation: str, **members: Any) -> str | None:
        """Call an operation and return the sentence of its refusal, None if it was allowed.

        A call that was allowed and failed for another reason counts as allowed.
        """
        return refusal_of(lambda: self.call(service, operation, **members))


def refusal_of(call: Callable[[], Any]) -> str | None:
    """Return the sentence that a call is refused with, None if it is not refused."""
    try:
        call()
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] != _FORBIDDEN:
            return None
        return str(error.response["Error"]["Message"])
    return None


class AccountAdministrator:
    """Makes users and roles. Blocking; tests run it in a thread."""

    def __init__(self, cloud: RunningCloud) -> None:
        self.cloud = cloud
        self.iam = cloud.client("iam")

    def user(self, name: str, *statements: Mapping[str, Any], path: str = "/") -> ApiUser:
        """Make a user with an access key, whose only policy has these statements."""
        self.iam.create_user(UserName=name, Path=path)
        if statements:
            self.rewrite(name, *statements)
        return ApiUser(self.cloud, self.iam.create_access_key(UserName=name)["AccessKey"])

    def rewrite(self, name: str, *statements: Mapping[str, Any]) -> None:
        """Replace the user's policy."""
        self.iam.put_user_policy(
            UserName=name, PolicyName="own", PolicyDocument=document(*statements)
        )

    def role(self, name: str, trust: Mapping[str, Any], *statements: Mapping[str, Any]) -> str:
        """Make a role and return its ARN."""
        role = self.iam.create_role(
            RoleName=name,
            AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
        )["Role"]
        if statements:
            self.iam.put_role_policy(
                RoleName=name, PolicyName="own", PolicyDocument=document(*statements)
            )
        return str(role["Arn"])


async def in_thread(script: Callable[[AccountAdministrator], None], cloud: RunningCloud) -> None:
    """Run a blocking script against the cloud, beside its event loop."""
    await asyncio.to_thread(lambda: script(AccountAdministrator(cloud)))
