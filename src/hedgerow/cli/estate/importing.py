"""`hedgerow import`: what there is of an estate, into this cloud, as one change."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from hedgerow.cli.estate.files import source_of
from hedgerow.cli.output import as_json, print_json, progress
from hedgerow.cli.provision.api import CloudApi
from hedgerow.cli.provision.group import start_deployment
from hedgerow.cli.provision.service_role import ensure_service_role
from hedgerow.estate import WEIGHTS, Estate, Finding
from hedgerow.estate.readers import READERS, read
from hedgerow.estate.wire import packed

_BLOCKED = 1
_SHOWN = 20
"""Of findings with the same code; `--json` has all."""

_HEADINGS = {
    "blocks": "In the way",
    "unsafe": "Unsafe: taken over, to be mended",
    "changes": "Not as it was",
    "maps": "To know",
}


@click.command(name="import")
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--format",
    "format_name",
    type=click.Choice([reader.name for reader in READERS]),
    help="What the files are; without it they are looked at.",
)
@click.option(
    "--device",
    "devices",
    multiple=True,
    metavar="NAME=FILE",
    help="The certificate of a thing, in PEM form.",
)
@click.option(
    "--devices-dir",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A folder of further certificates, found by their ids or by the things' names.",
)
@click.option(
    "--parameter",
    "parameters",
    multiple=True,
    metavar="NAME=VALUE",
    help="The value of a template's parameter.",
)
@click.option("--group-name", default="", help="The group's name, where the files do not say it.")
@click.option(
    "--leave-out", is_flag=True, help="Go on without things that have no usable certificate."
)
@click.option(
    "--deploy", is_flag=True, help="Deploy what was made, with a service role if there is none yet."
)
@click.option("--dry-run", is_flag=True, help="Say what would be done, and write nothing.")
@as_json
def command(
    path: Path,
    format_name: str | None,
    devices: tuple[str, ...],
    devices_dir: Path | None,
    parameters: tuple[str, ...],
    group_name: str,
    *,
    leave_out: bool,
    deploy: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Bring an estate into this cloud: things, certificates, policies, definitions and groups.

    PATH is a folder of saved answers of the AWS CLI, the root folder of a core, or a file. All of
    it is made, or nothing. Needs the environment that 'hedgerow env' prints.
    """
    source = source_of(
        path,
        devices=devices,
        beside=devices_dir,
        parameters=parameters,
        group_name=group_name,
    )
    reading = read(source, format_name or "")
    said = [_as_members(finding) for finding in reading.findings]
    if reading.estate is None or any(one["Weight"] == "blocks" for one in said):
        _show({"Applied": False, "Findings": said}, as_json=as_json)
        sys.exit(_BLOCKED)
    api = CloudApi()
    with progress("Planning"):
        answer = _call(api, reading.estate, dry_run=True, leave_out=leave_out)
    blocked = any(one["Weight"] == "blocks" for one in answer["Findings"])
    if not dry_run and not blocked:
        with progress("Importing"):
            answer = _call(api, reading.estate, dry_run=False, leave_out=leave_out)
    if deploy and answer["Applied"]:
        answer["Deployments"] = _deployed(api, answer["Groups"])
    answer["Findings"] = sorted(
        [*said, *answer["Findings"]], key=lambda one: WEIGHTS.index(one["Weight"])
    )
    _show(answer, as_json=as_json)
    if blocked:
        sys.exit(_BLOCKED)


def _call(api: CloudApi, estate: Estate, *, dry_run: bool, leave_out: bool) -> dict[str, Any]:
    return api.call(
        "hedgerow", "import_estate", Estate=packed(estate), DryRun=dry_run, LeaveOut=leave_out
    )


def _deployed(api: CloudApi, groups: Sequence[Mapping[str, Any]]) -> list[str]:
    """Deploy the new groups, and return the deployments' ids."""
    ensure_service_role(api)
    return [
        start_deployment(api, group["Id"], group["LatestVersion"])
        for group in groups
        if "LatestVersion" in group
    ]


def _as_members(finding: Finding) -> dict[str, Any]:
    return {
        "Weight": finding.weight,
        "Code": finding.code,
        "Place": finding.place,
        "Message": finding.message,
    }


def _show(answer: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(answer)
        return
    for weight in WEIGHTS:
        _show_findings(weight, [one for one in answer["Findings"] if one["Weight"] == weight])
    for heading, counts in (("make", answer.get("Made")), ("keep", answer.get("Kept"))):
        if counts:
            click.echo(f"{heading}  {_counted(counts)}")
    if answer["Applied"]:
        for group in answer.get("Groups", ()):
            click.echo(f"\nThe group {group['Name']} is {group['Id']}")
            if "LatestVersion" in group and "Deployments" not in answer:
                click.echo(_next_step(group))
    else:
        click.echo("\nNothing was written.")


def _show_findings(weight: str, findings: Sequence[Mapping[str, Any]]) -> None:
    if not findings:
        return
    click.echo(f"{_HEADINGS[weight]}:")
    shown: dict[str, int] = {}
    for finding in findings:
        code = finding["Code"]
        shown[code] = shown.get(code, 0) + 1
        if shown[code] <= _SHOWN:
            place = f"{finding['Place']}: " if finding["Place"] else ""
            click.echo(f"  {code}  {place}{finding['Message']}")
    for code, count in shown.items():
        if count > _SHOWN:
            click.echo(f"  {code}  … and {count - _SHOWN} more (--json has all)")
    click.echo()


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in counts.items())


def _next_step(group: Mapping[str, Any]) -> str:
    return (
        "Next: aws greengrass create-deployment --deployment-type NewDeployment "
        f"--group-id {group['Id']} --group-version-id {group['LatestVersion']}"
    )
