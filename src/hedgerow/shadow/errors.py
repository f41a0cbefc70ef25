"""The one error of the shadow service, with the statuses and sentences that devices know.

Source: AWS IoT's published list of shadow error messages.
"""

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from hedgerow.kernel import CallerError

BAD_REQUEST = 400
NOT_FOUND = 404
CONFLICT = 409
TOO_LARGE = 413
UNSUPPORTED_ENCODING = 415
TOO_MANY_REQUESTS = 429
INTERNAL_FAILURE = 500

EXCEPTION_NAMES: Mapping[int, str] = MappingProxyType(
    {
        BAD_REQUEST: "InvalidRequestException",
        NOT_FOUND: "ResourceNotFoundException",
        CONFLICT: "ConflictException",
        TOO_LARGE: "RequestEntityTooLargeException",
        UNSUPPORTED_ENCODING: "UnsupportedDocumentEncodingException",
        TOO_MANY_REQUESTS: "ThrottlingException",
        INTERNAL_FAILURE: "InternalFailureException",
    }
)
"""What boto3 calls each status of the `iot-data` service."""


class ShadowError(CallerError):
    """A shadow request that is refused; `status` is HTTP's and also stands in MQTT's answer."""

    code = "ShadowRequestRefused"

    def __init__(self, status: int, message: str, client_token: str | None = None) -> None:
        super().__init__(message, code=EXCEPTION_NAMES[status])
        self.status = status
        self.client_token = client_token

    def payload(self, timestamp: int) -> bytes:
        """Return the answer's body, as on the `rejected` topic."""
        body: dict[str, object] = {
            "code": self.status,
            "message": self.message,
            "timestamp": timestamp,
        }
        if self.client_token is not None:
            body["clientToken"] = self.client_token
        return msgspec.json.encode(body)
