"""Sign a GET of an S3 object as a client does. Pure: the time comes in, headers go out.

The form is S3's own (Signature Version 4, `AWS4-HMAC-SHA256`): the path is canonical as it stands,
and the digest of the body is a signed header. botocore builds what is signed.
"""

import hashlib
from collections.abc import Mapping
from datetime import datetime

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from hedgerow.kernel import Secret

_SERVICE = "s3"
_NOTHING = hashlib.sha256(b"").hexdigest()


def signed_get(
    url: str,
    *,
    access_key_id: str,
    secret_access_key: Secret[str],
    region: str,
    now: datetime,
    headers: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Return the headers of a signed GET; `url` has its path encoded as it goes on the wire."""
    stamp = f"{now:%Y%m%dT%H%M%SZ}"
    request = AWSRequest(
        "GET", url, {**(headers or {}), "X-Amz-Date": stamp, "X-Amz-Content-SHA256": _NOTHING}
    )
    request.context["timestamp"] = stamp
    key = Credentials(access_key_id, secret_access_key.reveal())
    signer = S3SigV4Auth(key, _SERVICE, region)
    wording = signer.string_to_sign(request, signer.canonical_request(request))
    signed = ";".join(sorted(name.lower() for name in signer.headers_to_sign(request)))
    return {
        **dict(request.headers.items()),
        "Authorization": (
            f"AWS4-HMAC-SHA256 Credential={signer.scope(request)}, SignedHeaders={signed}, "
            f"Signature={signer.signature(wording, request)}"
        ),
    }
