"""The generated documents are current, and count only marks that are true."""

import ast
from pathlib import Path

import pytest
from tools import conformance
from tools.marks import BadMarkError, Marked, marks_in, marks_of

SOURCE = """
import pytest
pytestmark = pytest.mark.spec("A01")

@pytest.mark.spec("A02", "A03")
def test_one(): ...

class TestTwo:
    @pytest.mark.parametrize("x", [pytest.param(1, marks=pytest.mark.spec("A04"))])
    async def test_three(self, x): ...

@pytest.mark.skip(reason="later")
@pytest.mark.spec("A05")
def test_four(): ...

@pytest.mark.xfail
@pytest.mark.spec("A06")
def test_five(): ...
"""


def test_marks_of_functions_classes_parameters_and_modules_are_found() -> None:
    assert set(marks_in("spec", SOURCE, "t.py")) == {
        Marked("A01", "t.py"),
        Marked("A02", "t.py::test_one"),
        Marked("A03", "t.py::test_one"),
        Marked("A04", "t.py::TestTwo::test_three"),
    }


def test_a_mark_that_cannot_be_read_from_the_source_is_an_error() -> None:
    with pytest.raises(BadMarkError, match="test_x"):
        list(marks_in("spec", "@pytest.mark.spec(NAME)\ndef test_x(): ...", "t.py"))


def test_a_mark_for_an_unknown_statement_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "spec").mkdir()
    (tmp_path / "spec" / "statements.toml").write_text(
        '# ---- A. Area\n[[statement]]\nid = "A01"\nlevel = "must"\ntext = "x"\n'
    )
    (tmp_path / "tests").mkdir()
    test = tmp_path / "tests" / "test_a.py"
    test.write_text("@pytest.mark.spec('A01')\ndef test_a(): ...")
    assert "| must | 1 | 1 |" in conformance.conformance(tmp_path)
    test.write_text("@pytest.mark.spec('A99')\ndef test_a(): ...")
    with pytest.raises(conformance.UnknownMarkError, match="A99"):
        conformance.conformance(tmp_path)


@pytest.mark.parametrize("name", ["conformance.md", "promises.md"])
def test_the_committed_documents_are_current(name: str) -> None:
    path = conformance.ROOT / "docs" / name
    wanted = conformance.documents(conformance.ROOT)[path]
    assert conformance.is_current(path, wanted), f"docs/{name} is not current; run 'make docs'"


def test_every_mark_in_this_project_is_readable() -> None:
    marked = marks_of("spec", conformance.ROOT)
    assert marked
    for mark in marked:
        path, *names = mark.test.split("::")
        tree = ast.parse((conformance.ROOT / path).read_text())
        defined = {
            node.name
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        }
        assert defined.issuperset(names)
