"""`hedgerow core run`: the daemon in the foreground."""

from pathlib import Path

import click
import uvloop

from hedgerow.cli.options import root_option
from hedgerow.core.app import run_core


@click.command()
@root_option
@click.option(
    "-i",
    "insecure",
    is_flag=True,
    help="Start although this system protects no links or has no seccomp filters (insecure).",
)
def run(root: Path, *, insecure: bool) -> None:
    """Serve client devices until SIGTERM or Ctrl-C; local work needs no cloud."""
    uvloop.run(run_core(root, insecure_skip_link_protection=insecure))
