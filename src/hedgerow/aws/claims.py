"""What a request claims about its signature: read from its header or its query, not yet believed.

Source: Signature Version 4, parts `Authorization` header and query string authentication.
"""

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import unquote

from multidict import CIMultiDictProxy

from hedgerow.aws.http import HttpRequest
from hedgerow.aws.signature_errors import SignatureError, SignatureFault
from hedgerow.aws.timestamps import RFC822, read_timestamp
from hedgerow.kernel import Secret, quoted

ALGORITHM = "AWS4-HMAC-SHA256"
SIGNATURE_PARAMETER = "X-Amz-Signature"
TERMINATOR = "aws4_request"
TIMESTAMP_FORMAT = "%Y%m%dT%H%M%SZ"
MAX_EXPIRES = timedelta(days=7)
MAX_ACCESS_KEY_CHARACTERS = 128
_SCOPE_PARTS = 5
_TIMESTAMP_CHARACTERS = 16


@dataclass(frozen=True, slots=True)
class SignatureClaim:
    """Who the request says it is from, and the signature that is to prove it.

    `timestamp_text` is the moment of signing as it stands in the string to sign. `presigned` says
    that the signature stands in the query; `expires` is then how long after that moment the
    request may be used, None if it does not say.
    """

    access_key_id: str
    date: str
    region: str
    service: str
    signed_headers: tuple[str, ...]
    signature: str
    timestamp: datetime
    timestamp_text: str
    session_token: Secret[str] | None
    expires: timedelta | None = None
    presigned: bool = False


def query_pairs(raw_query: str) -> tuple[tuple[str, str], ...]:
    """Split and decode a query string; `+` is a plus sign, since SigV4 has spaces as `%20`.

    Raises `SignatureError` for escapes that are not UTF-8: two of those could look the same.
    """
    if not raw_query:
        return ()
    pairs = [part.partition("=") for part in raw_query.split("&") if part]
    try:
        return tuple(
            (unquote(name, errors="strict"), unquote(value, errors="strict"))
            for name, _, value in pairs
        )
    except UnicodeDecodeError as wrong:
        raise _incomplete("The query string has escapes that are not UTF-8.") from wrong


def read_claim(request: HttpRequest, *, may_omit_expires: bool = False) -> SignatureClaim:
    """Return the claim of a request, or raise `SignatureError` if it has none that reads well.

    `may_omit_expires` is for doors whose clients presign without a lifetime: such a request is as
    short-lived as one that is signed in its header.
    """
    headers = request.headers.getall("authorization", ())
    parameters = _presigned(request.raw_query)
    if len(headers) + (1 if parameters else 0) > 1:
        raise _incomplete("The request has more than one signature; sign it once.")
    if parameters:
        return _from_query(parameters, may_omit_expires=may_omit_expires)
    if not headers:
        raise SignatureError(SignatureFault.MISSING, "Missing Authentication Token")
    return _from_header(headers[0], request)


def _from_header(authorization: str, request: HttpRequest) -> SignatureClaim:
    algorithm, _, rest = authorization.strip().partition(" ")
    if algorithm != ALGORITHM:
        raise _incomplete(f"The Authorization header must begin with {ALGORITHM}.")
    parameters: dict[str, str] = {}
    for part in rest.split(","):
        name, _, value = part.strip().partition("=")
        if name in parameters:
            raise _incomplete(f"The Authorization header has {quoted(name)} twice.")
        parameters[name] = value
    for name in ("Credential", "SignedHeaders", "Signature"):
        if not parameters.get(name):
            raise _incomplete(f"Authorization header requires '{name}' parameter.")
    token = _one(request.headers, "x-amz-security-token")
    return _claim(
        parameters["Credential"],
        parameters["SignedHeaders"],
        parameters["Signature"],
        timestamp=_header_time(request.headers),
        session_token=token,
    )


def _from_query(parameters: dict[str, str], *, may_omit_expires: bool) -> SignatureClaim:
    for name in ("Algorithm", "Credential", "SignedHeaders", "Signature", "Date", "Expires"):
        if name == "Expires" and may_omit_expires:
            continue
        if not parameters.get(f"X-Amz-{name}"):
            raise _incomplete(f"AWS query-string parameters must include 'X-Amz-{name}'.")
    if parameters["X-Amz-Algorithm"] != ALGORITHM:
        raise _incomplete(f"X-Amz-Algorithm must be {ALGORITHM}.")
    return _claim(
        parameters["X-Amz-Credential"],
        parameters["X-Amz-SignedHeaders"],
        parameters[SIGNATURE_PARAMETER],
        timestamp=_basic_time(parameters["X-Amz-Date"]),
        session_token=parameters.get("X-Amz-Security-Token"),
        expires=_lifetime(parameters.get("X-Amz-Expires")),
        presigned=True,
    )


def _lifetime(text: str | None) -> timedelta | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= len("604800")):
        raise _incomplete("X-Amz-Expires must be a number of seconds.")
    expires = timedelta(seconds=int(text))
    if not timedelta(0) < expires <= MAX_EXPIRES:
        raise _incomplete("X-Amz-Expires must be from 1 second to 7 days.")
    return expires


def _claim(
    credential: str,
    signed_headers: str,
    signature: str,
    *,
    timestamp: datetime,
    session_token: str | None,
    expires: timedelta | None = None,
    presigned: bool = False,
) -> SignatureClaim:
    parts = credential.rsplit("/", _SCOPE_PARTS - 1)
    if len(parts) != _SCOPE_PARTS or not all(parts) or len(parts[0]) > MAX_ACCESS_KEY_CHARACTERS:
        raise _incomplete(
            "Credential must have the form key/date/region/service/aws4_request, "
            f"got {quoted(credential)}."
        )
    access_key_id, date, region, service, terminator = parts
    if terminator != TERMINATOR:
        raise SignatureError(
            SignatureFault.WRONG_SCOPE,
            f"Credential should be scoped with a valid terminator: '{TERMINATOR}'.",
        )
    return SignatureClaim(
        access_key_id=access_key_id,
        date=date,
        region=region,
        service=service,
        signed_headers=tuple(signed_headers.split(";")),
        signature=signature,
        timestamp=timestamp,
        timestamp_text=timestamp.strftime(TIMESTAMP_FORMAT),
        session_token=None if session_token is None else Secret(session_token),
        expires=expires,
        presigned=presigned,
    )


def _presigned(raw_query: str) -> dict[str, str]:
    """Return the `X-Amz-…` parameters if the query carries a signature, each at most once."""
    if "X-Amz-" not in raw_query:
        return {}
    parameters: dict[str, str] = {}
    for name, value in query_pairs(raw_query):
        if name.startswith("X-Amz-"):
            if name in parameters:
                raise _incomplete(f"The query string has {quoted(name)} twice.")
            parameters[name] = value
    signs = {"X-Amz-Algorithm", "X-Amz-Credential", SIGNATURE_PARAMETER}
    return parameters if signs & parameters.keys() else {}


def _header_time(headers: CIMultiDictProxy[str]) -> datetime:
    """Return the moment of signing: `X-Amz-Date`, or else `Date` in either of its forms."""
    text = _one(headers, "x-amz-date")
    if text is not None:
        return _basic_time(text)
    text = _one(headers, "date")
    if text is None:
        raise _incomplete("Authorization header requires a 'X-Amz-Date' or a 'Date' header.")
    try:
        return read_timestamp(text, RFC822)
    except ValueError:
        return _basic_time(text)


def _basic_time(text: str) -> datetime:
    """Read `20261124T125415Z`, of exactly this form: every call has one, and `strptime` is slow."""
    day, time = text[:8], text[9:15]
    exact = len(text) == _TIMESTAMP_CHARACTERS and text[8] == "T" and text[15] == "Z"
    if exact and text.isascii() and day.isdecimal() and time.isdecimal():
        date = (int(day[:4]), int(day[4:6]), int(day[6:]))
        with suppress(ValueError):  # the thirteenth month, say
            return datetime(*date, int(time[:2]), int(time[2:4]), int(time[4:]), tzinfo=UTC)
    raise _incomplete(f"Date must be in ISO-8601 'basic format'. Got {quoted(text)}.")


def _one(headers: CIMultiDictProxy[str], name: str) -> str | None:
    values = headers.getall(name, ())
    if len(values) > 1:
        raise _incomplete(f"The request has the header {name} more than once.")
    return values[0].strip() if values else None


def _incomplete(message: str) -> SignatureError:
    return SignatureError(SignatureFault.INCOMPLETE, message)
