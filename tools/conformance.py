"""Write docs/conformance.md and docs/promises.md from the marks on tests.

`python -m tools.conformance` writes them, `--check` only says whether they are current.
"""

import re
import sys
import tomllib
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from tools.marks import Marked, marks_of

ROOT = Path(__file__).resolve().parent.parent
_SHOWN_TESTS = 3
_AREA = re.compile(r"^# ---- ([A-Z])\. (.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Statement:
    """One row of spec/statements.toml."""

    id: str
    level: str
    first: bool
    text: str


class UnknownMarkError(Exception):
    """A test names a statement or promise that does not exist."""


def main(arguments: list[str]) -> int:
    """Write or check both documents; return the exit code."""
    wanted = documents(ROOT)
    if "--check" not in arguments:
        for path, text in wanted.items():
            path.write_text(text, encoding="utf-8")
            print(f"wrote {path.relative_to(ROOT)}")
        return 0
    stale = [path for path in wanted if not is_current(path, wanted[path])]
    for path in stale:
        print(f"{path.relative_to(ROOT)} is not current; run 'make docs'")
    return 1 if stale else 0


def documents(root: Path) -> dict[Path, str]:
    """Return what each generated document should say."""
    return {
        root / "docs" / "conformance.md": conformance(root),
        root / "docs" / "promises.md": promises(root),
    }


def is_current(path: Path, wanted: str) -> bool:
    """Tell whether the file says what it should."""
    return path.is_file() and path.read_text(encoding="utf-8") == wanted


def conformance(root: Path) -> str:
    """Return docs/conformance.md."""
    source = (root / "spec" / "statements.toml").read_text(encoding="utf-8")
    statements = [
        Statement(row["id"], row["level"], row.get("first", False), row["text"])
        for row in tomllib.loads(source)["statement"]
    ]
    tests = _by_value(marks_of("spec", root), {statement.id for statement in statements})
    lines = [
        "# Conformance",
        "",
        "Written by `make docs` from the `spec` marks on tests; do not edit. A statement is one",
        "fact that an unmodified Greengrass V1 client, tool or operator relies on",
        "([spec/statements.toml](../spec/statements.toml)). It counts as proven when at least one",
        "test that fails without the behaviour names it. 'First' marks what a client would notice",
        "at once.",
        "",
        "| | statements | proven |",
        "| --- | ---: | ---: |",
        _count("first", [s for s in statements if s.first], tests),
        *(
            _count(level, [s for s in statements if s.level == level], tests)
            for level in ("must", "should", "could")
        ),
        _count("all", statements, tests),
    ]
    for letter, title in _AREA.findall(source):
        rows = [statement for statement in statements if statement.id.startswith(letter)]
        proven = sum(statement.id in tests for statement in rows)
        lines += [
            "",
            f"## {letter}. {title} ({proven} of {len(rows)})",
            "",
            "| | | statement | proven by |",
            "| --- | --- | --- | --- |",
            *(_row(statement, tests.get(statement.id, [])) for statement in rows),
        ]
    return "\n".join(lines) + "\n"


def promises(root: Path) -> str:
    """Return docs/promises.md."""
    source = (root / "spec" / "promises.toml").read_text(encoding="utf-8")
    rows = tomllib.loads(source)["promise"]
    tests = _by_value(marks_of("promise", root), {row["number"] for row in rows})
    lines = [
        "# Promises and the tests that attack them",
        "",
        "Written by `make docs` from the `promise` marks on tests; do not edit. What the promises",
        "protect, and from whom, stands in [THREAT_MODEL.md](../THREAT_MODEL.md).",
    ]
    for row in rows:
        attacks = tests.get(row["number"], [])
        lines += ["", f"## {row['number']}. {row['text']}", ""]
        lines += [f"- {_link(test)}" for test in attacks] or ["No test attacks it yet."]
    return "\n".join(lines) + "\n"


def _by_value(marked: list[Marked], known: set[str] | set[int]) -> dict[str | int, list[str]]:
    tests: dict[str | int, list[str]] = defaultdict(list)
    for mark in marked:
        if mark.value not in known:
            raise UnknownMarkError(f"{mark.test} names {mark.value}, which is not in spec/")
        tests[mark.value].append(mark.test)
    return tests


def _count(name: str, rows: list[Statement], tests: dict[str | int, list[str]]) -> str:
    return f"| {name} | {len(rows)} | {sum(row.id in tests for row in rows)} |"


def _row(statement: Statement, tests: list[str]) -> str:
    shown = "<br>".join(_link(test) for test in tests[:_SHOWN_TESTS])
    if len(tests) > _SHOWN_TESTS:
        shown += f"<br>and {len(tests) - _SHOWN_TESTS} more"
    grade = "first" if statement.first else statement.level
    text = statement.text.replace("|", "\\|")
    return f"| {statement.id} | {grade} | {text} | {shown} |"


def _link(test: str) -> str:
    path, _, name = test.partition("::")
    return f"[{name or Path(path).name}](../{path})"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
