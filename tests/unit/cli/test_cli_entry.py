"""The command's own words: help, and errors as one sentence."""

import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from hedgerow.cli import main
from hedgerow.cli.entry import LazyGroup, Place
from hedgerow.kernel import ConfigurationError, DeniedError


def test_help_names_every_command() -> None:
    said = CliRunner().invoke(main, ["--help"])
    assert said.exit_code == 0
    for name in ("demo", "cloud", "env", "core", "device", "why", "trail", "doctor"):
        assert f"  {name} " in said.output


@pytest.mark.parametrize(
    "words", [["cloud"], ["core"], ["device"], ["why"], ["core", "run"], ["why", "message"]]
)
def test_every_command_has_help(words: list[str]) -> None:
    said = CliRunner().invoke(main, [*words, "--help"])
    assert said.exit_code == 0
    assert said.output.startswith(f"Usage: hedgerow {' '.join(words)}")


def test_an_unknown_command_is_a_usage_error() -> None:
    assert CliRunner().invoke(main, ["clod"]).exit_code == 2


@pytest.mark.parametrize(
    "error", [ConfigurationError("the file x is not there"), DeniedError("no")]
)
def test_an_error_is_one_sentence_and_exit_code_1(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setattr(Place, "load", lambda _: click.Command("x", callback=fail))
    group = LazyGroup(name="g", places=[Place("x", "nowhere", "")])
    said = CliRunner().invoke(group, ["x"])
    assert said.exit_code == 1
    assert said.output == f"Error: {error}\n"


def test_a_missing_package_of_an_extra_is_named() -> None:
    group = LazyGroup(name="g", places=[Place("x", "package_that_is_not_installed.x", "")])
    said = CliRunner().invoke(group, ["x"])
    assert said.exit_code == 1
    assert "package_that_is_not_installed" in said.output
    assert "hedgerow[demo]" in said.output


def test_the_daemon_of_the_core_imports_nothing_of_the_cloud() -> None:
    """What it does not import it cannot leak, and need not keep in memory."""
    program = (
        "import sys, hedgerow.cli.core_run\n"
        "rooms = ('hedgerow.cloud', 'hedgerow.aws', 'hedgerow.store', 'botocore')\n"
        "print(*[room for room in rooms if room in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "", "")
