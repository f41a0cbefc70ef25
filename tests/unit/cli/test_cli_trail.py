"""`hedgerow trail`: what it says when it is asked wrongly."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.support.pki import new_key
from tests.support.trail import signing_key
from tests.support.trail_morning import a_morning

from hedgerow.cli import main


def run(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(main, ["trail", *arguments])
    return done.exit_code, done.output


@pytest.fixture
def public_key(tmp_path: Path) -> str:
    path = tmp_path / "public.pem"
    path.write_text(signing_key().public_pem())
    return str(path)


def test_a_folder_that_is_no_clouds_has_no_key(tmp_path: Path) -> None:
    code, output = run("key", "--data", str(tmp_path))
    assert code == 1
    assert "cannot read the public key" in output
    assert "when it is first run" in output


def test_a_file_that_is_no_key_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    path.write_text("no key")
    code, output = run("verify", str(tmp_path), "--public-key", str(path))
    assert (code, "is not a public key in PEM form" in output) == (1, True)


def test_a_key_that_is_not_rsa_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    path.write_text(new_key().public_pem())
    code, output = run("verify", str(tmp_path), "--public-key", str(path))
    assert (code, "not an RSA key" in output) == (1, True)


def test_a_time_that_is_none_is_refused(public_key: str) -> None:
    bucket = str(a_morning())
    code, output = run("verify", bucket, "--public-key", public_key, "--end", "yesterday")
    assert (code, "is not a time" in output) == (2, True)


def test_a_time_without_a_zone_is_utc(public_key: str) -> None:
    command = ["verify", str(a_morning()), "--public-key", public_key]
    assert run(*command, "--end", "2026-10-07T16:30:00")[0] == 0
    code, output = run(*command, "--end", "2026-10-07T18:30:00")
    assert (code, "OverdueDigest" in output) == (1, True)


def test_a_part_of_the_record_can_be_verified(public_key: str) -> None:
    command = ["verify", str(a_morning()), "--public-key", public_key]
    command += ["--end", "2026-10-07T16:30:00"]
    code, output = run(*command, "--start", "2026-10-07T14:30:00Z")
    assert (code, output.splitlines()[0].startswith("2 digests")) == (0, True)
    code, output = run(*command, "--account", "999999999999")
    assert (code, "NoDigests" in output) == (1, True)
