"""Where the peers of the benchmarks live: an environment of their own, made when it is needed.

Nothing of theirs is ever imported by Hedgerow; they run as processes.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

_ROOT = Path(__file__).resolve().parent.parent
_LOCK = _ROOT / "requirements" / "peers.txt"
_NODE_LOCK = _ROOT / "requirements" / "mqtt-peers"
FOLDER = Path(os.environ.get("HEDGEROW_BENCH_PEERS", _ROOT / ".bench-peers"))


class PeerMissingError(Exception):
    """A peer cannot be had here; the sentence says why."""


def python() -> Path:
    """Return the Python of the peers' environment, made from its lock if it is not there."""
    environment = FOLDER / "venv"
    stamp = environment / ".made-from"
    wanted = hashlib.sha256(_LOCK.read_bytes()).hexdigest()
    if not stamp.exists() or stamp.read_text() != wanted:
        print("setting up the peers' environment (once) …", flush=True)
        shutil.rmtree(environment, ignore_errors=True)
        _run(sys.executable, "-m", "venv", str(environment))
        _run(
            *(str(environment / "bin" / "pip"), "install", "--quiet"),
            *("--disable-pip-version-check", "--require-hashes", "-r", str(_LOCK)),
        )
        stamp.write_text(wanted)
    return environment / "bin" / "python"


def node_folder() -> Path:
    """Return the folder of the peers that run on node, made from its lock if it is not there."""
    folder = FOLDER / "node"
    stamp = folder / ".made-from"
    wanted = hashlib.sha256((_NODE_LOCK / "package-lock.json").read_bytes()).hexdigest()
    if not stamp.exists() or stamp.read_text() != wanted:
        npm = shutil.which("npm")
        if npm is None:
            raise PeerMissingError("npm is not installed")
        print("setting up the peers that run on node (once) …", flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(_NODE_LOCK, folder)
        quiet = ("--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
        _run(npm, "ci", "--prefix", str(folder), *quiet)
        stamp.write_text(wanted)
    return folder


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        last = done.stderr.strip().splitlines()[-1:] or ["it said nothing"]
        raise PeerMissingError(f"{Path(command[0]).name} failed: {last[0]}")
