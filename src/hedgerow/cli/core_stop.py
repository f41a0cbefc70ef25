"""`hedgerow core stop`: end the core of a root folder."""

import asyncio
from pathlib import Path

import click

from hedgerow.cli.options import root_option
from hedgerow.core.config import load_config
from hedgerow.core.updates import CoreProcess, Timing


@click.command()
@root_option
def stop(root: Path) -> None:
    """Stop the core that runs on a root folder, if one does, and return when it is gone."""
    asyncio.run(CoreProcess(load_config(root).folders, Timing(health_seconds=0)).stop())
