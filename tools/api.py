"""Write docs/api.md: every operation of the `greengrass` API, and the tests that call it.

`python -m tools.api` writes it, `--check` only says whether it is current. A test says by
`@pytest.mark.operation("CreateGroup")` that it calls an operation and looks at the answer, and by
`@pytest.mark.refusal("CreateGroup")` that it looks at a case that is documented to be refused;
`*` stands for any letters, so that `Create*Definition` is that operation of all seven kinds.
"""

import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

from botocore.model import ServiceModel

from hedgerow.aws.models import load_model
from tools.conformance import is_current
from tools.marks import marks_of

ROOT: Final = Path(__file__).resolve().parent.parent
DOCUMENT: Final = ROOT / "docs" / "api.md"
MODEL: Final = "greengrass"
MARKS: Final = ("operation", "refusal")
_SHOWN_TESTS: Final = 2

_INTRODUCTION: Final = """\
# The greengrass API

Written by `make docs` from the marks on tests; do not edit. These are all {count} operations of
botocore's model `{model}` ({version}). Each is called by boto3, unchanged, over TLS and signed;
`answers` are the tests of its good case, `refuses` those of what is documented to be refused.
What each permission takes is in [permissions.md](permissions.md).

| operation | request | answers | refuses |
| --- | --- | --- | --- |
"""


class UnknownOperationError(Exception):
    """A mark names no operation of the model."""


def main(arguments: list[str]) -> int:
    """Write or check the document; return the exit code."""
    text = document(ROOT)
    if "--check" not in arguments:
        DOCUMENT.write_text(text, encoding="utf-8")
        print(f"wrote {DOCUMENT.relative_to(ROOT)}")
        return 0
    if is_current(DOCUMENT, text):
        return 0
    print(f"{DOCUMENT.relative_to(ROOT)} is not current; run 'make docs'")
    return 1


def document(root: Path) -> str:
    """Return docs/api.md."""
    model = load_model(MODEL)
    answers, refuses = (tests_of(mark, model, root) for mark in MARKS)
    introduction = _INTRODUCTION.format(
        count=len(model.operation_names), model=MODEL, version=model.api_version
    )
    rows = (
        f"| `{name}` | `{_request(model, name)}` | {_links(answers.get(name, ()))} "
        f"| {_links(refuses.get(name, ()))} |\n"
        for name in sorted(model.operation_names)
    )
    return introduction + "".join(rows)


def tests_of(mark: str, model: ServiceModel, root: Path) -> Mapping[str, Sequence[str]]:
    """Return the tests that carry a mark, by the operations that it names."""
    found: dict[str, list[str]] = defaultdict(list)
    for marked in marks_of(mark, root):
        names = [name for name in model.operation_names if fnmatchcase(name, str(marked.value))]
        if not names:
            raise UnknownOperationError(
                f"{marked.test} names {marked.value}, which is no operation of {MODEL}"
            )
        for name in names:
            found[name].append(marked.test)
    return found


def _request(model: ServiceModel, name: str) -> str:
    http = model.operation_model(name).http
    return f"{http['method']} {http['requestUri']}"


def _links(tests: Sequence[str]) -> str:
    shown = [_link(test) for test in tests[:_SHOWN_TESTS]]
    if len(tests) > _SHOWN_TESTS:
        shown.append(f"and {len(tests) - _SHOWN_TESTS} more")
    return "<br>".join(shown)


def _link(test: str) -> str:
    path, _, name = test.partition("::")
    return f"[{name}](../{path})"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
