"""Keys, certificates and TLS: who somebody is, and how a connection proves it.

In come key files, certificate requests, certificates and sockets; out go issued certificates,
contexts, and connections with the certificate their peer has proven to hold. It imports `kernel`
only. A private key never leaves its key object here except as a `Secret` asked for by name, and no
connection reaches a protocol before its handshake is complete. It decides nothing about what a
certificate may do: that is for policies. Its tests are in `tests/unit/pki`, the attacks on it in
`tests/security`.
"""

from hedgerow.pki.authority import CertificateAuthority
from hedgerow.pki.certificates import certificate_id, load_certificate, load_csr
from hedgerow.pki.contexts import Trust, client_context, is_loadable, server_context
from hedgerow.pki.doorway import Doorway, ServerProof, doorway
from hedgerow.pki.exact_clients import ClientList, can_judge_clients
from hedgerow.pki.files import flush, read_private, write_private, write_public
from hedgerow.pki.keys import FileKey, PrivateKey
from hedgerow.pki.listener import TlsListener, TlsPeer
from hedgerow.pki.profiles import (
    Profile,
    device_authority,
    device_certificate,
    general_names,
    group_authority,
    root_authority,
    server_certificate,
    signing_certificate,
)
from hedgerow.pki.rewritten import rewritten_id
from hedgerow.pki.slot import TlsSlot
from hedgerow.pki.suites import OLD_SUITES, OLD_VERSIONS, LegacyTls, is_old
from hedgerow.pki.token_engine import Token
from hedgerow.pki.token_key import Pkcs11Key
from hedgerow.pki.twin_file import TwinFile, TwinRecord

__all__ = [
    "OLD_SUITES",
    "OLD_VERSIONS",
    "CertificateAuthority",
    "ClientList",
    "Doorway",
    "FileKey",
    "LegacyTls",
    "Pkcs11Key",
    "PrivateKey",
    "Profile",
    "ServerProof",
    "TlsListener",
    "TlsPeer",
    "TlsSlot",
    "Token",
    "Trust",
    "TwinFile",
    "TwinRecord",
    "can_judge_clients",
    "certificate_id",
    "client_context",
    "device_authority",
    "device_certificate",
    "doorway",
    "flush",
    "general_names",
    "group_authority",
    "is_loadable",
    "is_old",
    "load_certificate",
    "load_csr",
    "read_private",
    "rewritten_id",
    "root_authority",
    "server_certificate",
    "server_context",
    "signing_certificate",
    "write_private",
    "write_public",
]
