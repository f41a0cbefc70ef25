"""Write docs/why.md: every fault that tests put in, and what `hedgerow why` answered.

`python -m tools.why` runs a cloud and every fault (half a minute); the tests of the faults compare
what they hear with what is written.
"""

import re
import shlex
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "docs" / "why.md"

INTRODUCTION = """\
# Why?

When something is refused, ask. Which command depends on what you have in hand:

| in hand | ask |
| --- | --- |
| a message that does not arrive behind a core | `hedgerow why message` on the core's machine |
| a core that does not run its last deployment | `hedgerow why deployment` on the core's machine |
| a device that cannot connect, publish, hear or discover in the cloud | `hedgerow why device` |
| a person's or program's call that would be refused | `hedgerow why access` |
| a deployment or a core without its role, or a role that cannot be assumed | `hedgerow why role` |
| a request id from an error, or a line of a log | `hedgerow why call ID` |
| nothing but the feeling that something was refused | `hedgerow why refusals` |

All but the first two need the environment that `hedgerow env` prints. An answer is every step of
the way in its order, up to the first that fails; that one is the cause, with the smallest change
that would let it pass. With `--json`, `cause.name` and `cause.code` are stable words for programs.
The exit code is 0 whenever there is an answer, whatever it is.

Below stands what was answered to {count} faults, each put alone into a sound state by a test, that
then demands this very cause at the first try. Written by `python -m tools.why`; do not edit.
"""

_UNSTABLE: Sequence[tuple[re.Pattern[str], str]] = (
    (re.compile(r"/\S*/root--\d+|/\S*/core(?= )"), "/greengrass"),
    (re.compile(r"/\S*/identity--\d+/"), ""),
    (re.compile(r"/\S*/(?=policy--\d+\.json)"), ""),
    (re.compile(r"--\d+\b"), ""),
    (re.compile(r"\b[0-9a-f]{64}\b"), "CERTIFICATE"),
    (re.compile(r"\b[0-9a-f]{10}…"), "…"),
    (re.compile(r"(?<=why call )[0-9a-f-]{36}"), "ID"),
    (re.compile(r"(?<=deployments/)[0-9a-f-]{36}"), "DEPLOYMENT"),
    (re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"), "GROUP"),
    (re.compile(r"\brow-\d+\b"), "row-1"),
    (re.compile(r"\b(AKIA|ASIA)[A-Z2-7]{16}\b"), r"\1…"),
    (re.compile(r"\b\d{4}-\d{2}-\d{2} \d{2}:\d{2} UTC"), "DATE"),
    (re.compile(r"'\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z'"), "now"),
)
"""What differs from run to run, and what stands for it."""


@dataclass(frozen=True, slots=True)
class Told:
    """One fault with the question and the cause that was named."""

    about: str
    fault: str
    words: Sequence[str]
    cause: Mapping[str, Any]

    def lines(self) -> Iterator[str]:
        """Return what stands in the document."""
        cause = self.cause
        yield f"**{self.fault}**"
        yield ""
        yield f"    hedgerow {_stable(shlex.join(self.words))}"
        yield ""
        yield f"- cause: `{cause['name']}`, `{cause['code']}`: {_escaped(cause['says'])}."
        if cause["change"]:
            yield f"- to change it: {_escaped(cause['change'])}."
        yield ""

    def __str__(self) -> str:
        return "\n".join(self.lines())


def document(told: Sequence[Told]) -> str:
    """Return docs/why.md."""
    parts = [INTRODUCTION.format(count=len(told))]
    for about, faults in groupby(told, key=lambda one: one.about):
        parts += [f"## {about}\n", *map(str, faults)]
    return "\n".join(parts).rstrip() + "\n"


def main() -> int:
    """Put every fault in, ask, and write the document."""
    from tests.support.why.fault import asked  # noqa: PLC0415 - only writing needs the tests
    from tests.support.why.faults import FAULTS  # noqa: PLC0415
    from tests.support.why.plant import running_plant  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as folder, running_plant(Path(folder)) as plant:
        told = []
        for fault in FAULTS:
            _, after = asked(fault, plant)
            told.append(Told(fault.about, fault.says, after.words, after.answer["cause"]))
    DOCUMENT.write_text(document(told), encoding="utf-8")
    print(f"wrote {DOCUMENT.relative_to(ROOT)}")
    return 0


def _stable(text: str) -> str:
    for pattern, stands in _UNSTABLE:
        text = pattern.sub(stands, text)
    return text


def _escaped(text: str) -> str:
    """Return text as it is shown, whatever Markdown would make of it."""
    return re.sub(r"([*_<>|`])", r"\\\1", _stable(text))


if __name__ == "__main__":
    sys.exit(main())
