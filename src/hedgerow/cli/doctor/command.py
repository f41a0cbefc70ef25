"""The command: look, tell, and fail if something needed is missing."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import click

from hedgerow.cli.doctor.core_root import core_findings
from hedgerow.cli.doctor.finding import Finding
from hedgerow.cli.doctor.host import host_findings
from hedgerow.cli.doctor.roles import role_findings
from hedgerow.cli.output import as_json, print_json
from hedgerow.cli.provision.api import CloudApi
from hedgerow.kernel import SystemClock

_WORD_WIDTH = 7


@click.command()
@click.option(
    "--root",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Look at this core's Greengrass root folder as well.",
)
@click.option(
    "--account",
    is_flag=True,
    help="Look at the roles that Greengrass uses, as the caller that 'hedgerow env' prints.",
)
@as_json
def doctor(root: Path | None, *, account: bool, as_json: bool) -> None:
    """Say what this host has and lacks; exit code 1 if something that is needed is missing."""
    findings = list(host_findings())
    if root is not None:
        findings += core_findings(root, SystemClock())
    if account:
        findings += role_findings(CloudApi())
    if as_json:
        print_json([dataclasses.asdict(finding) for finding in findings])
    else:
        _show(findings)
    if any(not finding.ok and not finding.optional for finding in findings):
        raise click.exceptions.Exit(1)


def _show(findings: Sequence[Finding]) -> None:
    width = max(len(finding.subject) for finding in findings)
    for finding in findings:
        word = _word(finding)
        click.echo(f"{word:<{_WORD_WIDTH}}  {finding.subject:<{width}}  {finding.found}")
        if not finding.ok:
            click.echo(f"{'':<{_WORD_WIDTH}}  {'':<{width}}  to do: {finding.advice}")


def _word(finding: Finding) -> str:
    if finding.ok:
        return "ok"
    return "without" if finding.optional else "LACKS"
