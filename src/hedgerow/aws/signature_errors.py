"""Why a signature is refused, and the code and status that each family of services says it with."""

from collections.abc import Mapping
from enum import Enum, auto

from hedgerow.aws.errors import AwsError
from hedgerow.kernel import DeniedError


class SignatureFault(Enum):
    """The kinds of fault that AWS has different codes for."""

    MISSING = auto()
    INCOMPLETE = auto()
    UNKNOWN_KEY = auto()
    MISMATCH = auto()
    WRONG_SCOPE = auto()
    DATE_SKEW = auto()
    REQUEST_EXPIRED = auto()
    TOKEN_EXPIRED = auto()


class SignatureError(DeniedError):
    """The request is not proven to come from who it says."""

    code = "InvalidSignature"

    def __init__(self, fault: SignatureFault, message: str) -> None:
        super().__init__(message)
        self.fault = fault


_QUERY: Mapping[SignatureFault, tuple[str, int]] = {
    SignatureFault.MISSING: ("MissingAuthenticationToken", 403),
    SignatureFault.INCOMPLETE: ("IncompleteSignature", 400),
    SignatureFault.UNKNOWN_KEY: ("InvalidClientTokenId", 403),
    SignatureFault.MISMATCH: ("SignatureDoesNotMatch", 403),
    SignatureFault.WRONG_SCOPE: ("SignatureDoesNotMatch", 403),
    SignatureFault.DATE_SKEW: ("SignatureDoesNotMatch", 403),
    SignatureFault.REQUEST_EXPIRED: ("RequestExpired", 400),
    SignatureFault.TOKEN_EXPIRED: ("ExpiredToken", 403),
}
_JSON: Mapping[SignatureFault, str] = {
    SignatureFault.MISSING: "MissingAuthenticationTokenException",
    SignatureFault.INCOMPLETE: "IncompleteSignatureException",
    SignatureFault.UNKNOWN_KEY: "UnrecognizedClientException",
    SignatureFault.MISMATCH: "InvalidSignatureException",
    SignatureFault.WRONG_SCOPE: "InvalidSignatureException",
    SignatureFault.DATE_SKEW: "InvalidSignatureException",
    SignatureFault.REQUEST_EXPIRED: "RequestExpired",
    SignatureFault.TOKEN_EXPIRED: "ExpiredTokenException",
}
_JSON_STATUS = {"rest-json": 403, "json": 400}


def aws_signature_error(error: SignatureError, protocol: str) -> AwsError:
    """Put a refused signature in the words of services that speak this protocol."""
    code, status = _QUERY[error.fault]
    if protocol in _JSON_STATUS:
        code = _JSON[error.fault]
        if error.fault is not SignatureFault.REQUEST_EXPIRED:
            status = _JSON_STATUS[protocol]
    return AwsError(code, error.message, http_status=status)


def aws_codes(fault: SignatureFault) -> frozenset[str]:
    """Return every code that a fault is said with, by whatever service."""
    return frozenset({_QUERY[fault][0], _JSON[fault]})
