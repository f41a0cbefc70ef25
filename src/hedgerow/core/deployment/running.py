"""Read the group of a root folder without its keys and roots: for tools that explain."""

from pathlib import Path

import msgspec

from hedgerow.contract import ARTIFACT_GROUP, GroupDeployment, Membership, SignedDocument, decode
from hedgerow.core.config import CoreFolders
from hedgerow.core.deployment.folder import membership_path
from hedgerow.kernel import PeerError


def read_running_group(folders: CoreFolders) -> GroupDeployment | None:
    """Return the group that lies at the documented path, or None without one.

    It is what the file says: only the core checks it against its signature, and only the core's
    own reading is ever run.
    """
    data = _read(folders.deployment / "group" / ARTIFACT_GROUP)
    if data is None or data.strip() in {b"", b"{}"}:
        return None
    return decode(data, GroupDeployment)


def read_membership(folders: CoreFolders, group_id: str) -> Membership | None:
    """Return the newest list of certificates that came for a group, or None without one.

    It is what the file says, as with `read_running_group`.
    """
    path = membership_path(folders.deployment, group_id)
    data = _read(path)
    if data is None:
        return None
    try:
        signed = msgspec.json.decode(data, type=SignedDocument)
    except msgspec.DecodeError as error:
        raise PeerError(f"{path} is not in the form of a signed document") from error
    return decode(signed.payload, Membership)


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise PeerError(f"cannot read {path}: {error.strerror}") from error
