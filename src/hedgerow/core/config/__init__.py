"""The administrator's `config.json`, read once at start and checked before anything runs.

In comes the Greengrass root folder; out goes a frozen `CoreConfig` of resolved paths, hosts,
ports and key locations, or a `ConfigurationError` that names the file and the field. It imports
`kernel` and `pki`, opens no socket, and never guesses at a value that is present but wrong. Its
tests are in `tests/unit/core/config`.
"""

from hedgerow.core.config.host import Seccomp, require_link_protection, require_seccomp, seccomp
from hedgerow.core.config.key_uri import FileUri, KeyUri, TokenUri, parse_key_uri
from hedgerow.core.config.last_good import LastGood
from hedgerow.core.config.load import load_config, misspelt_keys
from hedgerow.core.config.unknown_keys import MisspeltKey
from hedgerow.core.config.values import CoreConfig, CoreFolders, CoreOptions, NetworkProxy

__all__ = [
    "CoreConfig",
    "CoreFolders",
    "CoreOptions",
    "FileUri",
    "KeyUri",
    "LastGood",
    "MisspeltKey",
    "NetworkProxy",
    "Seccomp",
    "TokenUri",
    "load_config",
    "misspelt_keys",
    "parse_key_uri",
    "require_link_protection",
    "require_seccomp",
    "seccomp",
]
