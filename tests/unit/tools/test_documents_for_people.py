"""What the documents say about files and commands is so."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from hedgerow.cli import main

ROOT = Path(__file__).resolve().parents[3]
DOCUMENTS = ("README.md", "ARCHITECTURE.md", "THREAT_MODEL.md", "SECURITY.md", "CONTRIBUTING.md")


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_lead_somewhere(name: str) -> None:
    text = (ROOT / name).read_text()
    links = re.findall(r"\]\(([^)#:]+)\)", text)
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_map_names_files_that_exist() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    named = set(re.findall(r"`((?:\w+/)*\w+\.py)`", text))
    there = [f"/{path.relative_to(ROOT).as_posix()}" for path in ROOT.glob("src/**/*.py")]
    assert len(named) > 20
    lost = [name for name in sorted(named) if not any(path.endswith(f"/{name}") for path in there)]
    assert lost == []


def test_the_map_names_every_room() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    rooms = [path.parent.name for path in (ROOT / "src/hedgerow").glob("*/__init__.py")]
    assert [room for room in rooms if f"| `{room}` |" not in text] == []


def test_the_readme_uses_options_that_exist() -> None:
    text = (ROOT / "README.md").read_text()
    commands = re.findall(r"^    hedgerow ((?:.*\\\n)*.*)$", text, re.MULTILINE)
    assert len(commands) >= 6
    for command in commands:
        words = command.replace("\\\n", " ").split("--")[0].split()
        said = CliRunner().invoke(main, [*words, "--help"])
        assert said.exit_code == 0, command
        missing = [
            option for option in re.findall(r"--[a-z-]+", command) if option not in said.output
        ]
        assert missing == [], command
