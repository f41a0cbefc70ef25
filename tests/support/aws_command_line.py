"""The AWS CLI, unchanged, in one process for many lines: starting it takes longer than a line.

Run as a program it reads command lines from its standard input, a JSON list of words each, and
writes what each has printed and how it ended.
"""

import asyncio
import contextlib
import importlib
import io
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]
_LINE_LIMIT = 1 << 22


@dataclass(frozen=True)
class Printed:
    """What a command line came to."""

    code: int
    out: str
    error: str


class CommandLine:
    """A process that runs command lines, one after the other."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def run(self, words: Sequence[str]) -> Printed:
        """Run `aws` with these words."""
        writer, reader = self._process.stdin, self._process.stdout
        assert writer is not None
        assert reader is not None
        writer.write(json.dumps(list(words)).encode() + b"\n")
        await writer.drain()
        return Printed(**json.loads(await reader.readline()))


@contextlib.asynccontextmanager
async def command_line(environment: Mapping[str, str]) -> AsyncIterator[CommandLine]:
    """Have the AWS CLI with this environment beside the test's own."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.support.aws_command_line",
        cwd=_ROOT,
        env={**os.environ, "AWS_PAGER": "", **environment},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=_LINE_LIMIT,
    )
    try:
        yield CommandLine(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()


def main() -> None:
    """Run each line that comes."""
    module = importlib.import_module("awscli.clidriver")  # not for those who import this module
    driver = module.create_clidriver()

    answers = sys.stdout
    for line in sys.stdin:
        out, error = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
            try:
                code = driver.main(json.loads(line))
            except SystemExit as stopped:
                code = int(stopped.code or 0)
        printed = {"code": code, "out": out.getvalue(), "error": error.getvalue()}
        print(json.dumps(printed), file=answers, flush=True)


if __name__ == "__main__":
    main()
