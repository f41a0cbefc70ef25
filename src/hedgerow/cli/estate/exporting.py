"""`hedgerow export`: a group with all that it takes to make it again, as files."""

from pathlib import Path

import click

from hedgerow.cli.output import as_json, print_json, progress
from hedgerow.cli.provision.api import CloudApi
from hedgerow.estate.readers import WRITERS, writer
from hedgerow.estate.wire import unpacked
from hedgerow.kernel import CallerError, ConfigurationError, quoted
from hedgerow.pki import write_private

_DEFAULT = next(iter(WRITERS))


@click.command(name="export")
@click.option("--group", required=True, help="The group's name or id.")
@click.option("--version", "version_id", help="A version's id; without it the newest.")
@click.option(
    "--format",
    "format_name",
    type=click.Choice(list(WRITERS)),
    default=_DEFAULT,
    show_default=True,
    help="What to write.",
)
@click.option(
    "--to",
    "folder",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="A new or empty folder for the files.",
)
@as_json
def command(
    group: str, version_id: str | None, format_name: str, folder: Path, *, as_json: bool
) -> None:
    """Write a group out: definitions, things, certificates, policies; no private key is in it.

    'hedgerow import' reads it back. Needs the environment that 'hedgerow env' prints.
    """
    if folder.exists() and any(folder.iterdir()):
        raise ConfigurationError(f"{folder} is not empty; name a new folder")
    api = CloudApi()
    chosen = {} if version_id is None else {"GroupVersionId": version_id}
    with progress("Exporting"):
        answer = api.call("hedgerow", "export_group", GroupId=_group_id(api, group), **chosen)
        estate = unpacked(answer["Estate"].read())
    files = writer(format_name).write(estate)
    for name, data in files.items():
        # Definitions can hold what functions are told by their environment.
        write_private(folder / name, data)
    written = sorted(str(folder / name) for name in files)
    if as_json:
        print_json({"Files": written})
        return
    for name in written:
        click.echo(name)


def _group_id(api: CloudApi, wanted: str) -> str:
    """Return the id of the only group of that name or id, or raise `CallerError`."""
    groups = list(api.pages("greengrass", "list_groups", "Groups"))
    found = [one["Id"] for one in groups if wanted in (one["Id"], one["Name"])]
    if len(found) == 1:
        return str(found[0])
    if found:
        raise CallerError(f"{len(found)} groups are called {quoted(wanted)}; name one by its id")
    raise CallerError(
        f"there is no group {quoted(wanted)}; 'aws greengrass list-groups' lists them"
    )
