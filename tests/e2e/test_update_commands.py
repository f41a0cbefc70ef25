"""The commands of software updates, as those run them who publish and those who have cores."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.support.core import CloudPlace, write_root
from tests.support.pki import new_authority, new_identity
from tests.support.updates import make_package

from hedgerow.cli.entry import main

pytestmark = pytest.mark.timeout(120)
_THING = "arn:aws:iot:eu-west-1:123456789012:thing/edge"


def hedgerow(*words: object) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    done = subprocess.run(
        [sys.executable, "-m", "hedgerow.cli", *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return done


def invoke(*words: object) -> Result:
    """Run a command in this process."""
    return CliRunner().invoke(main, list(map(str, words)))


def test_a_repository_is_made_published_to_and_rotated(tmp_path: Path) -> None:
    words = ("--repository", tmp_path / "updates", "--keys", tmp_path / "keys")
    made = invoke("updates", "init", *words)
    assert made.exit_code == 0, made.output
    assert "--updates-root" in made.output
    published = invoke("updates", "publish", *words, "--json", make_package(tmp_path))
    assert json.loads(published.output)["target"] == "core/1.1.0/ubuntu-x86_64.tar.gz"
    again = invoke("updates", "publish", *words, make_package(tmp_path))
    assert again.exit_code == 1
    assert "published already" in again.output
    rotated = invoke("updates", "rotate", *words, "--new-keys", tmp_path / "new")
    assert "version 2" in rotated.output
    listed = invoke("updates", "list", *words[:2])
    assert listed.output.split() == ["core/1.1.0/ubuntu-x86_64.tar.gz"]


def _root(folder: Path) -> Path:
    identity = new_identity(new_authority("somebody"))
    place = CloudPlace(1, 1, identity.certificate_pem)
    return write_root(folder / "root", _THING, identity, place)


@pytest.mark.spec("T01")
def test_two_agents_on_one_core_are_refused(tmp_path: Path) -> None:
    root, log = _root(tmp_path), tmp_path / "ota/ggc_ota.txt"
    words = ("core", "agent", "--root", root, "--log", log)
    first = subprocess.Popen(
        [sys.executable, "-m", "hedgerow.cli", *map(str, words)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert first.stderr is not None
    try:
        assert "the update agent runs" in first.stderr.readline()
        second = hedgerow(*words)
        assert second.returncode == 1
        assert "another update agent runs on this root already" in second.stderr
    finally:
        first.send_signal(signal.SIGTERM)
        first.stderr.read()
        first.stderr.close()
    assert first.wait() == 0
    assert "the update agent runs" in log.read_text()
    assert log.stat().st_mode & 0o077 == 0


def test_a_core_that_does_not_run_is_stopped_already(tmp_path: Path) -> None:
    assert invoke("core", "stop", "--root", _root(tmp_path)).exit_code == 0


def test_a_trial_says_what_is_in_the_way(tmp_path: Path) -> None:
    done = invoke("core", "agent", "--root", _root(tmp_path), "--trial")
    assert done.exit_code == 1
    assert "localhost:1" in done.output
