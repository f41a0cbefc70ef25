"""Read the group of a root folder without its keys and roots: for tools that explain."""

from hedgerow.contract import ARTIFACT_GROUP, GroupDeployment, decode
from hedgerow.core.config import CoreFolders
from hedgerow.kernel import PeerError


def read_running_group(folders: CoreFolders) -> GroupDeployment | None:
    """Return the group that lies at the documented path, or None without one.

    It is what the file says: only the core checks it against its signature, and only the core's
    own reading is ever run.
    """
    path = folders.deployment / "group" / ARTIFACT_GROUP
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise PeerError(f"cannot read {path}: {error.strerror}") from error
    if data.strip() in {b"", b"{}"}:
        return None
    return decode(data, GroupDeployment)
