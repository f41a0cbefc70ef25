"""`hedgerow why message`: which rows of the deployed table let a message pass."""

from pathlib import Path

import click

from hedgerow.cli.options import root_option
from hedgerow.cli.output import as_json, print_json, print_table
from hedgerow.contract import CLOUD, SHADOW_SERVICE, GroupDeployment
from hedgerow.core.config import load_config
from hedgerow.core.deployment import read_running_group
from hedgerow.core.switchboard import Explanation, explain
from hedgerow.kernel import CallerError, quoted

_OWN_NAMES = frozenset({CLOUD, SHADOW_SERVICE})


@click.command()
@root_option
@click.option("--from", "source", required=True, help="A device's name, an ARN, or 'cloud'.")
@click.option("--to", "target", help="Likewise; without it every target counts.")
@click.option("--topic", required=True, help="The topic of the message.")
@as_json
def message(root: Path, source: str, target: str | None, topic: str, *, as_json: bool) -> None:
    """Say which rows of the core's deployed table let a message pass, or how it fails."""
    group = read_running_group(load_config(root).folders)
    if group is None:
        raise CallerError(f"no group is deployed to {root} yet; 'hedgerow core run' fetches one")
    end = None if target is None else arn_of(group, target)
    found = explain(group, arn_of(group, source), topic, end)
    if as_json:
        print_json(_facts(found))
    else:
        _show(group, found)


def arn_of(group: GroupDeployment, name: str) -> str:
    """Return what the table calls a device, by its thing name; raise if there is none."""
    if name in _OWN_NAMES or name.startswith("arn:"):
        return name
    for device in group.devices:
        if device.thing_name == name:
            return device.thing_arn
    known = ", ".join(sorted(device.thing_name for device in group.devices)) or "none"
    raise CallerError(f"the deployed group has no device {quoted(name)}; it has: {known}")


def _facts(found: Explanation) -> dict[str, object]:
    return {
        "allowed": found.allowed,
        "reason": found.reason,
        "rows": [
            {
                "id": finding.row.id,
                "source": finding.row.source,
                "subject": finding.row.subject,
                "target": finding.row.target,
                "passes": finding.passes,
                "sourceFits": finding.source_fits,
                "subjectFits": finding.subject_fits,
                "targetFits": finding.target_fits,
            }
            for finding in found.rows
        ],
    }


def _show(group: GroupDeployment, found: Explanation) -> None:
    click.echo(f"{'Passes' if found.allowed else 'Does not pass'}: {found.reason}.")
    if found.rows:
        names = {device.thing_arn: device.thing_name for device in group.devices}
        rows = [
            (
                finding.row.id,
                _marked(names.get(finding.row.source, finding.row.source), finding.source_fits),
                _marked(finding.row.subject, finding.subject_fits),
                _marked(names.get(finding.row.target, finding.row.target), finding.target_fits),
            )
            for finding in found.rows
        ]
        print_table(("row", "source", "subject", "target"), rows)


def _marked(text: str, fits: bool) -> str:  # noqa: FBT001 - a mark is what it is about
    return text if fits else f"{text} (differs)"
