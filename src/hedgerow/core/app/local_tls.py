"""What the configuration says of the local server's TLS, in the server's words."""

from hedgerow.core.config import CoreOptions
from hedgerow.core.server import LocalTls
from hedgerow.pki import LegacyTls


def local_tls(options: CoreOptions) -> LocalTls:
    """Return what the local server negotiates."""
    old = options.legacy_tls
    return LocalTls(
        resume=options.session_resumption,
        legacy=LegacyTls(old.until, old.suites, old.versions) if old is not None else None,
    )
