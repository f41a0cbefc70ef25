"""A small S3-compatible store: it gives objects to whoever signs for them, and no one else."""

import hashlib
import hmac
import json
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web
from tests.support.pki import new_authority, new_server

from hedgerow.pki import write_private

KEY_ID = "AKIASTOREOFTHEPLANT1"
SECRET = "the-store-s-own-secret"
REGION = "plant-1"
_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/s3/aws4_request, "
    r"SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})"
)

Answer = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


@dataclass
class S3Store:
    """What it holds by raw path, what it was asked for, and how it answers if not as it should."""

    base: str
    ca_pem: str
    objects: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    instead: Answer | None = None

    def write_file(self, path: Path, buckets: dict[str, str], /, **changes: Any) -> Path:
        """Write the operator's `s3.json` for this store; its CA goes beside it."""
        path.parent.chmod(0o700)
        ca = path.with_name("store-ca.pem")
        ca.write_text(self.ca_pem)
        document = {
            "endpoint": self.base,
            "region": REGION,
            "accessKeyId": KEY_ID,
            "secretAccessKey": SECRET,
            "caFile": str(ca),
            "buckets": buckets,
            **changes,
        }
        write_private(path, json.dumps(document).encode())
        return path

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Give an object, in S3's words if there is none or it is not signed for."""
        self.asked.append(request.raw_path)
        if self.instead is not None:
            return await self.instead(request)
        if not _signed(request):
            return _error(403, "SignatureDoesNotMatch")
        content = self.objects.get(request.raw_path)
        return _error(404, "NoSuchKey") if content is None else web.Response(body=content)


@asynccontextmanager
async def s3_store() -> AsyncIterator[S3Store]:
    """Serve a store over TLS until the block ends."""
    authority = new_authority("the store's authority")
    server = new_server(authority)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.key.attach(context, server.certificate_pem)
    store = S3Store("", authority.certificate_pem)
    runner = web.ServerRunner(web.Server(store.answer))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    store.base = f"https://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield store
    finally:
        await runner.cleanup()


def _signed(request: web.BaseRequest) -> bool:
    """Compute the signature from the specification, apart from any library."""
    said = _AUTHORIZATION.fullmatch(request.headers.get("Authorization", ""))
    if said is None or said[1] != KEY_ID or said[3] != REGION:
        return False
    names = said[4].split(";")
    if not {"host", "x-amz-date", "x-amz-content-sha256"} <= set(names):
        return False
    canonical = "\n".join(
        (
            request.method,
            request.raw_path,
            request.query_string,
            *(f"{name}:{request.headers[name].strip()}" for name in names),
            "",
            said[4],
            hashlib.sha256(b"").hexdigest(),
        )
    )
    scope = f"{said[2]}/{REGION}/s3/aws4_request"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    key = f"AWS4{SECRET}".encode()
    for part in (said[2], REGION, "s3", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    text = f"AWS4-HMAC-SHA256\n{request.headers['X-Amz-Date']}\n{scope}\n{digest}"
    return hmac.compare_digest(hmac.digest(key, text.encode(), "sha256").hex(), said[5])


def _error(status: int, code: str) -> web.Response:
    text = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>no</Message></Error>"
    return web.Response(status=status, text=text, content_type="application/xml")
