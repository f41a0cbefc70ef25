"""Credentials of the group's role, for the processes of this core and nobody else.

In come the cloud's temporary credentials, held in memory only and renewed ahead of their end, and
questions of SDKs over the loopback interface; out go the same credentials, to the process whose
token it is. It imports `kernel` and `contract`, and reads `/proc`. What must never happen here: a
key or token in a log, an error or a file, an answer to a process that is not the token's, or
credentials of a group that no longer runs. Its tests are in `tests/unit/core/credentials`,
`tests/security/test_core_credentials.py` and `tests/interop/test_core_role_credentials.py`.
"""

from hedgerow.core.credentials.counter import CounterAnswer, TokenCounter, fetch_token
from hedgerow.core.credentials.credentials import Credentials, OtherProcessError
from hedgerow.core.credentials.endpoint import CREDENTIALS_PATH, CredentialsEndpoint
from hedgerow.core.credentials.keeper import NoGroupError, RoleKeeper, RoleService
from hedgerow.core.credentials.processes import Process, process_of
from hedgerow.core.credentials.tokens import TokenBook, UnknownTokenError
from hedgerow.core.credentials.values import RoleCredentials

__all__ = [
    "CREDENTIALS_PATH",
    "CounterAnswer",
    "Credentials",
    "CredentialsEndpoint",
    "NoGroupError",
    "OtherProcessError",
    "Process",
    "RoleCredentials",
    "RoleKeeper",
    "RoleService",
    "TokenBook",
    "TokenCounter",
    "UnknownTokenError",
    "fetch_token",
    "process_of",
]
