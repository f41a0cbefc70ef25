"""The command: prepare, try each step, tell what was seen, close with a table."""

import dataclasses
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from hedgerow.cli.demo import steps_changes, steps_messages, steps_refusals
from hedgerow.cli.demo.observation import Observation
from hedgerow.cli.demo.processes import Daemon
from hedgerow.cli.demo.setting_up import build, start_cloud
from hedgerow.cli.demo.site import Site
from hedgerow.cli.output import as_json, print_json
from hedgerow.kernel import SystemClock

Step = Callable[[Site], Observation]

STEPS: tuple[Step, ...] = (
    steps_messages.discovery,
    steps_messages.reaches_device,
    steps_messages.reaches_cloud,
    steps_messages.reaches_no_one_else,
    steps_refusals.registered_while_running,
    steps_refusals.wrong_client_id,
    steps_refusals.other_authority,
    steps_refusals.self_signed,
    steps_refusals.no_certificate,
    steps_changes.rotation,
    steps_changes.local_without_cloud,
    steps_changes.queue_arrives,
    steps_changes.revoked_at_cloud,
    steps_changes.revoked_at_core,
    steps_refusals.expired,
)


@click.command()
@click.option("--keep", is_flag=True, help="Leave cloud and core running, and say how to go on.")
@as_json
def demo(*, keep: bool, as_json: bool) -> None:
    """Show the whole system on this machine: a cloud, a core, three client devices.

    Exit code 0 only if everything that was expected was observed.
    """
    console = Console(stderr=as_json, highlight=False)
    clock = SystemClock()
    start = clock.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="hedgerow-demo-"))
    running: list[Daemon] = []
    observations: list[Observation] = []
    try:
        site = _prepare(folder, console, running)
        observations += [_observe(step, site, console) for step in STEPS]
        site.close()
    finally:
        good = bool(observations) and all(seen.ok for seen in observations)
        if not keep:
            _clean_up(folder, running, console, keep_logs=not good)
    if as_json:
        print_json([dataclasses.asdict(observation) for observation in observations])
    _summary(console, observations, clock.monotonic() - start)
    if keep:
        _how_to_go_on(console, site)
    if not good:
        raise click.exceptions.Exit(1)


def _prepare(folder: Path, console: Console, running: list[Daemon]) -> Site:
    console.rule("Setting up", align="left")

    def say(what: str) -> None:
        console.print(f"  {what}", soft_wrap=True)

    cloud, ports, aws = start_cloud(folder, say, running)
    site = build(folder, cloud, ports, aws, say, running)
    console.rule("Trying it", align="left")
    return site


def _clean_up(
    folder: Path, running: Sequence[Daemon], console: Console, *, keep_logs: bool
) -> None:
    for daemon in reversed(running):
        daemon.stop_if_running()
    if keep_logs:
        console.print(f"The logs of cloud and core are in {folder}", soft_wrap=True)
    else:
        shutil.rmtree(folder, ignore_errors=True)


def _observe(step: Step, site: Site, console: Console) -> Observation:
    """Take one step; whatever goes wrong in it is what was observed."""
    try:
        seen = step(site)
    except Exception as error:  # noqa: BLE001 - SDKs raise anything; the demonstration goes on
        title = step.__name__.replace("_", " ").capitalize()
        doc = (step.__doc__ or "").partition("\n")[0]
        seen = Observation(title, doc, f"{type(error).__name__}: {error}", ok=False)
    mark = "[green]as expected[/]" if seen.ok else "[bold red]NOT AS EXPECTED[/]"
    console.print(f"[bold]{seen.title}[/] - {mark}", soft_wrap=True)
    console.print("  expected:", escape(seen.expected), soft_wrap=True)
    console.print("  observed:", escape(seen.observed), soft_wrap=True)
    return seen


def _summary(console: Console, observations: Sequence[Observation], seconds: float) -> None:
    console.rule("What was observed", align="left")
    table = Table("", "expected", "observed", "", box=None, pad_edge=False, header_style="bold")
    for seen in observations:
        verdict = "[green]yes[/]" if seen.ok else "[bold red]NO[/]"
        table.add_row(
            f"[bold]{seen.title}[/]", escape(seen.expected), escape(seen.observed), verdict
        )
    console.print(table)
    good = sum(seen.ok for seen in observations)
    console.print(f"\n{good} of {len(observations)} as expected, in {seconds:.0f} seconds")


def _how_to_go_on(console: Console, site: Site) -> None:
    console.rule("Still running", align="left")
    data, core = site.folder / "cloud", site.folder / "core"
    for line in (
        f"Everything is in {site.folder}; logs are cloud.log and core.log.",
        f'eval "$(hedgerow env --data {data})"   then e.g.:  aws greengrass list-groups',
        f"hedgerow why message --root {core} --from press --topic line/press/temperature",
        f"Stop with: kill {site.cloud.pid} {site.core.pid}   and remove {site.folder}",
    ):
        console.print(f"  {escape(line)}", soft_wrap=True)
