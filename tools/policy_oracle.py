"""Where the independent judge of IAM policies is installed; it is run as a process of its own.

It is npm's `@cloud-copilot/iam-simulate`, under the AGPL: it is never imported, shipped or copied,
and lives in a cache folder outside the repository, in the versions that
`requirements/policy-oracle/package-lock.json` pins by hash.
"""

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

FOLDER_VARIABLE: Final = "HEDGEROW_POLICY_ORACLE"
"""Names a folder whose `node_modules` holds the package already; nothing is installed then."""

PACKAGE: Final = Path("node_modules", "@cloud-copilot", "iam-simulate")

_LOCK: Final = Path(__file__).parents[1] / "requirements" / "policy-oracle"
_INSTALL_SECONDS: Final = 45


class OracleAbsentError(Exception):
    """The oracle cannot be run here; the text says why, and what to do."""


def oracle_folder() -> Path:
    """Return the folder that holds the oracle, installing it on first use.

    Raises `OracleAbsentError` if node or npm is not there or the package cannot be had.
    """
    if shutil.which("node") is None:
        raise OracleAbsentError("node is not installed")
    named = os.environ.get(FOLDER_VARIABLE)
    if named:
        if not (Path(named) / PACKAGE).is_dir():
            raise OracleAbsentError(f"{FOLDER_VARIABLE} names a folder without {PACKAGE}")
        return Path(named)
    cached = _cache() / f"policy-oracle-{_lock_digest()}"
    if not (cached / PACKAGE).is_dir():
        _install(cached)
    return cached


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "hedgerow-tests"


def _lock_digest() -> str:
    return hashlib.sha256((_LOCK / "package-lock.json").read_bytes()).hexdigest()[:12]


def _install(folder: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise OracleAbsentError(
            f"npm is not installed, and {FOLDER_VARIABLE} names no folder with {PACKAGE}"
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="installing-") as temporary:
        made = Path(temporary) / "made"
        shutil.copytree(_LOCK, made)
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        try:
            subprocess.run(
                command, cwd=made, check=True, capture_output=True, timeout=_INSTALL_SECONDS
            )
        except (subprocess.SubprocessError, OSError) as error:
            raise OracleAbsentError(
                f"npm could not install {PACKAGE.name}; {FOLDER_VARIABLE} may name a folder with it"
            ) from error
        try:
            made.rename(folder)
        except OSError:
            # Another test process was quicker; what it installed is the same.
            if not (folder / PACKAGE).is_dir():
                raise
