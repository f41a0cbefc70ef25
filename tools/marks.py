"""Which test carries which mark, read from the sources of the tests without running them."""

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

_NOT_RUN = frozenset({"skip", "xfail"})
_Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True, order=True)
class Marked:
    """One argument of one mark: `value` is e.g. `"E01"`; `test` is e.g. `tests/x.py::test_y`."""

    value: str | int
    test: str


class BadMarkError(Exception):
    """A mark that cannot be read from the source: its arguments must be literals."""


def marks_of(mark: str, root: Path) -> list[Marked]:
    """Return every use of `@pytest.mark.<mark>(…)` in the test files below `root/tests`.

    A mark of a class or a module (`pytestmark`) counts for the class or the module. Tests that
    are marked `skip` or `xfail` are left out: they prove nothing.
    """
    found: set[Marked] = set()
    for path in sorted((root / "tests").rglob("test_*.py")):
        place = path.relative_to(root).as_posix()
        found.update(marks_in(mark, path.read_text(encoding="utf-8"), place))
    return sorted(found, key=lambda marked: (str(marked.value), marked.test))


def marks_in(mark: str, source: str, place: str) -> Iterator[Marked]:
    """Yield the uses of a mark in one file's source."""
    yield from _in_body(mark, ast.parse(source).body, place)


def _in_body(mark: str, body: list[ast.stmt], place: str) -> Iterator[Marked]:
    for statement in body:
        decorators: Sequence[ast.AST]
        if isinstance(statement, _Function) and statement.name.startswith("test_"):
            where = f"{place}::{statement.name}"
            decorators = statement.decorator_list
        elif isinstance(statement, ast.ClassDef) and statement.name.startswith("Test"):
            where = f"{place}::{statement.name}"
            decorators = statement.decorator_list
            yield from _in_body(mark, statement.body, where)
        else:
            where, decorators = place, [statement]
        if not any(_is_call_or_mark(name, decorators) for name in _NOT_RUN):
            yield from _arguments(mark, decorators, where)


def _arguments(mark: str, trees: Sequence[ast.AST], where: str) -> Iterator[Marked]:
    for call in _nodes(trees):
        if not (isinstance(call, ast.Call) and _names_mark(call.func, mark)):
            continue
        for argument in call.args:
            if not (isinstance(argument, ast.Constant) and isinstance(argument.value, str | int)):
                raise BadMarkError(f"{where}: give pytest.mark.{mark} literals only")
            yield Marked(argument.value, where)


def _is_call_or_mark(mark: str, decorators: Sequence[ast.AST]) -> bool:
    heads = [item.func if isinstance(item, ast.Call) else item for item in decorators]
    return any(_names_mark(head, mark) for head in heads)


def _names_mark(node: ast.AST, mark: str) -> bool:
    return (
        isinstance(node, ast.Attribute)
        and node.attr == mark
        and isinstance(node.value, ast.Attribute)
        and node.value.attr == "mark"
    )


def _nodes(trees: Sequence[ast.AST]) -> Iterator[ast.AST]:
    for tree in trees:
        yield from ast.walk(tree)
