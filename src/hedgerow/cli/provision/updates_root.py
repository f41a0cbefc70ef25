"""The root of software updates, pinned on a core."""

from pathlib import Path

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, Root

from hedgerow.core.config import CoreFolders
from hedgerow.kernel import ConfigurationError


def read_update_root(path: Path) -> bytes:
    """Return a root of updates, or raise `ConfigurationError` if it is none that signs itself."""
    data = path.read_bytes()
    try:
        root: Metadata[Root] = Metadata.from_bytes(data)
        root.signed.verify_delegate(Root.type, root.signed_bytes, root.signatures)
    except (RepositoryError, AttributeError, ValueError) as error:
        raise ConfigurationError(f"{path} is no root of software updates: {error}") from error
    return data


def updates_root_path(root: Path) -> Path:
    """Return where a core has it."""
    return CoreFolders(root=root, write=root / "ggc").updates_root
