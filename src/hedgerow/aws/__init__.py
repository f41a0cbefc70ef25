"""The server side of AWS's wire protocols, driven by botocore's service models.

An HTTP request comes in; it is matched to an operation of a model, its signature proven, its input
parsed and checked by the model, its caller authorised; the operation's result goes out serialised
by the model, and a `CallRecord` of all that goes to whoever keeps records. It imports `kernel`
only and knows no service: how services differ is data that each `Service` subclass declares. An
operation must never see HTTP, and nothing here may act on a request whose signature is not
proven. Its tests are in `tests/unit/aws`, `tests/security/test_sigv4_*`,
`tests/security/test_http_hostile*` and `tests/interop/test_boto3_gateway.py`.
"""

from hedgerow.aws.caller import VerifiedCaller
from hedgerow.aws.credentials import Credential, CredentialSource
from hedgerow.aws.errors import AccessDeniedError, AwsError, InvalidPageTokenError
from hedgerow.aws.gateway import Gateway
from hedgerow.aws.http import (
    HttpAnswer,
    HttpLimits,
    HttpRefusal,
    HttpRequest,
    HttpServer,
    Upgrader,
)
from hedgerow.aws.pagination import decode_token, encode_token
from hedgerow.aws.principal import Principal, PrincipalKind, Session
from hedgerow.aws.service import (
    Answer,
    Asked,
    Authorizer,
    BoundServices,
    Call,
    CallRecord,
    Facts,
    Operation,
    Recorder,
    Service,
    bind,
    operation,
)
from hedgerow.aws.signature_errors import SignatureError
from hedgerow.aws.signed_door import Proven, SignedDoor
from hedgerow.aws.signed_get import signed_get
from hedgerow.aws.sigv4 import Scope
from hedgerow.aws.websocket import Upgrade

__all__ = [
    "AccessDeniedError",
    "Answer",
    "Asked",
    "Authorizer",
    "AwsError",
    "BoundServices",
    "Call",
    "CallRecord",
    "Credential",
    "CredentialSource",
    "Facts",
    "Gateway",
    "HttpAnswer",
    "HttpLimits",
    "HttpRefusal",
    "HttpRequest",
    "HttpServer",
    "InvalidPageTokenError",
    "Operation",
    "Principal",
    "PrincipalKind",
    "Proven",
    "Recorder",
    "Scope",
    "Service",
    "Session",
    "SignatureError",
    "SignedDoor",
    "Upgrade",
    "Upgrader",
    "VerifiedCaller",
    "bind",
    "decode_token",
    "encode_token",
    "operation",
    "signed_get",
]
