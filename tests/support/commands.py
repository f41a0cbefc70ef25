"""The `hedgerow` command in this process, in the environment that `hedgerow env` prints."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.support.cloud import RunningCloud, running_cloud

from hedgerow.cli.entry import main
from hedgerow.cli.environment import environment


@asynccontextmanager
async def commanded_cloud(
    folder: Path, monkeypatch: pytest.MonkeyPatch, *, combined: bool = True
) -> AsyncIterator[RunningCloud]:
    """Run a cloud that commands find by the environment, as its administrator."""
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    async with running_cloud(folder, combined=combined) as made:
        for name, value in environment(made.data_dir).items():
            monkeypatch.setenv(name, value)
        yield made


async def hedgerow(*words: str | Path) -> Result:
    """Run a command."""
    return await asyncio.to_thread(CliRunner().invoke, main, [str(word) for word in words])
