"""`hedgerow core agent`: the update agent in the foreground."""

import asyncio
import os
import sys
from pathlib import Path

import click

from hedgerow.cli.options import root_option
from hedgerow.core.app.agent_app import DEFAULT_LOG, AgentApp, AgentSettings, run_agent


@click.command()
@root_option
@click.option(
    "--log",
    default=DEFAULT_LOG,
    show_default=True,
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Where the agent writes its log.",
)
@click.option(
    "--poll-seconds",
    type=click.FloatRange(min=1),
    default=30,
    show_default=True,
    help="How often it asks for jobs.",
)
@click.option("-i", "insecure", is_flag=True, help="Start the core with -i (insecure).")
@click.option("--trial", is_flag=True, help="Only check that this agent could do its work here.")
def agent(root: Path, *, log: Path, poll_seconds: float, insecure: bool, trial: bool) -> None:
    """Take jobs of software updates for this core until SIGTERM or Ctrl-C."""
    settings = AgentSettings(
        root=root.absolute(),
        log=log,
        poll_seconds=poll_seconds,
        start_words=("-i",) if insecure else (),
    )
    if trial:
        asyncio.run(AgentApp(settings).check())
        return
    replaced = asyncio.run(run_agent(settings))
    if replaced is not None:
        sys.stderr.flush()
        words = ["--log", str(log), "--poll-seconds", str(poll_seconds)]
        program = str(replaced.program)
        os.execv(program, [program, *words, *settings.start_words])  # noqa: S606 - no shell is wanted
