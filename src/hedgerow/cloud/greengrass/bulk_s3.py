"""Input files from an S3-compatible store, at the one endpoint that the cloud's operator names.

`DIR/s3.json` says where it is, which key opens it, and which bucket is whose: a bucket is read for
its own account only, and whether a caller's role may read the object is decided before anything is
sent (`ExecutionRole.require_input`). No address in a request chooses the host, no redirect is
followed, and nothing larger than an input file may be is taken in.
"""

import ipaddress
import re
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self
from urllib.parse import quote, urlsplit

import aiohttp
import msgspec
from yarl import URL

from hedgerow.aws import AwsError, signed_get
from hedgerow.cloud.cloudtrail.naming import checked_bucket
from hedgerow.cloud.greengrass.bulk_buckets import InputObject, missing_object, too_large
from hedgerow.cloud.greengrass.bulk_input import MAX_INPUT_BYTES
from hedgerow.cloud.greengrass.faults import bad_request
from hedgerow.kernel import (
    Clock,
    ConfigurationError,
    DeniedError,
    HedgerowError,
    Secret,
    UnavailableError,
    quoted,
)
from hedgerow.pki import read_private

CONNECT_SECONDS = 10.0
TOTAL_SECONDS = 120.0
"""A file that is not here by then is asked for again."""

_ACCOUNT = re.compile(r"[0-9]{12}")
_CODE = re.compile(rb"<Code>([A-Za-z]{1,64})</Code>")
_ERROR_BYTES = 4096
_OK, _NOT_FOUND, _TOO_MANY = 200, 404, 429
_REFUSED = frozenset({401, 403})
_SERVER_ERRORS = 500


class _File(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """`s3.json`."""

    endpoint: str
    region: str
    access_key_id: str
    secret_access_key: str
    buckets: dict[str, str]
    ca_file: str = ""

    def __repr__(self) -> str:
        """Show no key."""
        return f"_File({self.endpoint!r})"


@dataclass(frozen=True, slots=True)
class S3Endpoint:
    """Where buckets are, the key that opens them, and whose each is.

    INVARIANT: made by `S3Endpoint.read` only: HTTPS, or HTTP to this very machine.
    """

    base: str
    region: str
    access_key_id: str
    secret_access_key: Secret[str]
    accounts: dict[str, str]
    tls: ssl.SSLContext | None = field(repr=False)

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """Read the operator's file; None if there is none, `ConfigurationError` if it is wrong."""
        if not path.exists():
            return None
        try:
            said = msgspec.json.decode(read_private(path), type=_File)
        except msgspec.DecodeError as error:
            raise ConfigurationError(f"{path}: {error}") from None  # it would show the key
        for bucket, account in said.buckets.items():
            _require_bucket(path, bucket, account)
        base = _checked_base(path, said.endpoint)
        return cls(
            base=base,
            region=said.region,
            access_key_id=said.access_key_id,
            secret_access_key=Secret(said.secret_access_key),
            accounts=dict(said.buckets),
            tls=_context(path, said.ca_file) if base.startswith("https:") else None,
        )


class S3Buckets:
    """The buckets of one account at the endpoint."""

    def __init__(self, endpoint: S3Endpoint, account: str, clock: Clock) -> None:
        self._endpoint = endpoint
        self._account = account
        self._clock = clock

    def has(self, bucket: str) -> bool:
        """Tell whether the operator gave this bucket to this account."""
        return self._endpoint.accounts.get(bucket) == self._account

    async def read(self, wanted: InputObject) -> bytes:
        """Return an object, which may be as large as inputs may be.

        Raises `NoInputFileError` if there is none, `BadRequestException` if it is too large,
        `DeniedError` if the store refuses, `UnavailableError` if trying again can help.
        """
        if not self.has(wanted.bucket):
            raise missing_object(wanted)
        url = f"{self._endpoint.base}/{wanted.bucket}/{quote(wanted.key, safe='/-_.~')}"
        headers = signed_get(
            url,
            access_key_id=self._endpoint.access_key_id,
            secret_access_key=self._endpoint.secret_access_key,
            region=self._endpoint.region,
            now=self._clock.now(),
        )
        try:
            return await self._fetched(wanted, url, headers)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise UnavailableError(
                f"{wanted} cannot be fetched from {self._endpoint.base}: "
                f"{str(error) or type(error).__name__}"
            ) from error

    async def _fetched(self, wanted: InputObject, url: str, headers: dict[str, str]) -> bytes:
        limits = aiohttp.ClientTimeout(total=TOTAL_SECONDS, sock_connect=CONNECT_SECONDS)
        async with (
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=self._endpoint.tls or True),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=limits,
                auto_decompress=False,
            ) as session,
            session.get(
                URL(url, encoded=True),
                headers={**headers, "Accept-Encoding": "identity"},
                allow_redirects=False,
            ) as response,
        ):
            if response.status != _OK:
                said = await response.content.read(_ERROR_BYTES)
                raise self._refusal(wanted, response.status, said)
            if (response.content_length or 0) >= MAX_INPUT_BYTES:
                raise too_large(wanted)
            content = bytearray()
            async for chunk in response.content.iter_any():
                content += chunk
                if len(content) >= MAX_INPUT_BYTES:
                    raise too_large(wanted)
            return bytes(content)

    def _refusal(self, wanted: InputObject, status: int, said: bytes) -> HedgerowError:
        code = _CODE.search(said)
        word = f"{status} {code[1].decode()}" if code else str(status)
        if status == _NOT_FOUND:
            return missing_object(wanted)
        if status in _REFUSED:
            return DeniedError(
                f"The S3 endpoint {self._endpoint.base} does not give {wanted} to the key in "
                f"s3.json ({word}); let that key read the bucket."
            )
        if status == _TOO_MANY or status >= _SERVER_ERRORS:
            return UnavailableError(f"{self._endpoint.base} answered {word} for {wanted}")
        return bad_request(f"The S3 endpoint answered {word} for {wanted}.")


def _require_bucket(path: Path, bucket: str, account: str) -> None:
    try:
        checked_bucket(bucket)
    except AwsError as error:
        raise ConfigurationError(f"{path}: {error.message}") from error
    if not _ACCOUNT.fullmatch(account):
        raise ConfigurationError(
            f"{path}: bucket {quoted(bucket)} belongs to {quoted(account)}; give the 12 digits of "
            "an account"
        )


def _checked_base(path: Path, endpoint: str) -> str:
    """Return scheme, host and port of the endpoint; nothing else may be in it."""
    wrong = ConfigurationError(
        f"{path}: the endpoint {quoted(endpoint)} is not of the form https://HOST[:PORT]; plain "
        "http is for a store on this machine (http://127.0.0.1:PORT)"
    )
    try:
        parts = urlsplit(endpoint)
        port = parts.port
    except ValueError:
        raise wrong from None
    if parts.path not in {"", "/"} or parts.query or parts.fragment or "@" in parts.netloc:
        raise wrong
    if not parts.hostname or not endpoint.isprintable() or port == 0:
        raise wrong
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_here(parts.hostname)):
        raise wrong
    return f"{parts.scheme}://{parts.netloc}"


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _context(path: Path, ca_file: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file or None)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(f"{path}: caFile {quoted(ca_file)}: {error}") from error
