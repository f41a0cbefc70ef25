"""Programs that speak MQTT over WebSocket at a running cloud, under IAM identities of their own."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urlsplit

from botocore.auth import SIGV4_TIMESTAMP, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from tests.support.cloud import ACCOUNT, REGION, RunningCloud
from tests.support.cloud_edge import MqttDevice

from hedgerow.kernel import SystemClock

SIGNING_NAME = "iotdevicegateway"


@dataclass(frozen=True)
class Keys:
    """What a program signs with."""

    id: str
    secret: str = field(repr=False)
    token: str | None = field(default=None, repr=False)

    @classmethod
    def of(cls, credentials: Mapping[str, Any]) -> "Keys":
        """Return the keys in an answer of STS or of CreateAccessKey."""
        return cls(
            credentials["AccessKeyId"],
            credentials["SecretAccessKey"],
            credentials.get("SessionToken"),
        )


def iam_policy(*statements: Mapping[str, Any]) -> str:
    """Return the text of an IAM policy."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def may(action: str | list[str], *resources: str) -> dict[str, Any]:
    """Return an allow; resources are what follows `arn:aws:iot:<region>:<account>:`, or `*`."""
    prefix = f"arn:aws:iot:{REGION}:{ACCOUNT}:"
    named = [one if one == "*" else prefix + one for one in resources]
    return {"Effect": "Allow", "Action": action, "Resource": named}


async def iam_user(cloud: RunningCloud, name: str, policy: str) -> Keys:
    """Make a user with one inline policy (named `its`) and an access key."""
    await cloud.call("iam", "create_user", UserName=name)
    await put_policy(cloud, name, policy)
    made = await cloud.call("iam", "create_access_key", UserName=name)
    return Keys.of(made["AccessKey"])


async def put_policy(cloud: RunningCloud, name: str, policy: str) -> None:
    """Put another inline policy in force for a user of `iam_user`."""
    await cloud.call(
        "iam", "put_user_policy", UserName=name, PolicyName="its", PolicyDocument=policy
    )


def presigned_path(
    cloud: RunningCloud,
    keys: Keys,
    *,
    service: str = SIGNING_NAME,
    region: str = REGION,
    expires_s: int = 300,
    ago: timedelta = timedelta(0),
    path: str = "/mqtt",
    port: int | None = None,
) -> str:
    """Return path and query as AWS's SDKs presign them: the token stands behind the signature."""
    url = f"https://localhost:{port or cloud.endpoints.api_port}{path}"
    request = AWSRequest("GET", url)
    signer = _At(Credentials(keys.id, keys.secret), service, region, expires=expires_s)
    signer.moment = SystemClock().now() - ago
    signer.add_auth(request)
    signed = urlsplit(request.url)
    token = "" if keys.token is None else f"&X-Amz-Security-Token={quote(keys.token, safe='')}"
    return f"{signed.path}?{signed.query}{token}"


class _At(SigV4QueryAuth):  # type: ignore[misc]  # botocore has no types
    """botocore's own signer, at a moment of the test's choice."""

    moment: datetime

    def add_auth(self, request: Any) -> None:
        request.context["timestamp"] = self.moment.strftime(SIGV4_TIMESTAMP)
        self._inject_signature_to_request(request, self._signed(request))

    def _signed(self, request: Any) -> str:
        self._modify_request_before_signing(request)
        canonical = self.canonical_request(request)
        return str(self.signature(self.string_to_sign(request, canonical), request))


@asynccontextmanager
async def mqtt_program(
    cloud: RunningCloud, keys: Keys, client_id: str, **options: Any
) -> AsyncIterator[MqttDevice]:
    """Give a program that is connected over a WebSocket, and close it at the end."""
    program = unconnected(cloud, presigned_path(cloud, keys), client_id, **options)
    try:
        code, reason = await program.connect()
        assert code == 0, reason
        yield program
    finally:
        await program.close()


def unconnected(
    cloud: RunningCloud, path: str, client_id: str, *, port: int | None = None, **options: Any
) -> MqttDevice:
    """Return a program that has not connected yet."""
    port = port or cloud.endpoints.api_port
    assert port is not None
    return MqttDevice(port, None, client_id, roots=cloud.roots_pem, websocket_path=path, **options)


async def gone(program: MqttDevice) -> float:
    """Return when a program's connection has ended (monotonic time)."""
    async with asyncio.timeout(10):
        return (await program.goodbye).at
