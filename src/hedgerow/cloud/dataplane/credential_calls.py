"""Credentials over HTTPS: a device asks for those of a role, by the alias that stands for it.

Source: AWS IoT Core Developer Guide, "Authorizing direct calls to AWS services using AWS IoT Core
credential provider": `GET /role-aliases/<alias>/credentials`, the form of its answer, and the
header that names the thing.
"""

import msgspec

from hedgerow.aws import HttpAnswer
from hedgerow.cloud.dataplane.answers import ok
from hedgerow.cloud.dataplane.authorized import Authorized
from hedgerow.cloud.iot import CredentialProvider


class CredentialCalls:
    """The call of devices for credentials, after their policy allowed the alias."""

    def __init__(self, provider: CredentialProvider) -> None:
        self._provider = provider

    async def get(self, request: Authorized) -> HttpAnswer:
        """Return credentials; `expiration` is in whole seconds."""
        keys = await self._provider.credentials(
            request.device, request.parameters["alias"], request.thing_name
        )
        given = {
            "accessKeyId": keys.access_key_id,
            "secretAccessKey": keys.secret_access_key.reveal(),
            "sessionToken": keys.session_token.reveal(),
            "expiration": f"{keys.expires_at:%Y-%m-%dT%H:%M:%SZ}",
        }
        return ok(msgspec.json.encode({"credentials": given}))
