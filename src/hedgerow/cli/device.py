"""`hedgerow device provision`: a client device, in a group of its own choice."""

from pathlib import Path

import click

from hedgerow.cli.core_provision import device_lines, identity_facts
from hedgerow.cli.output import as_json, print_json, progress
from hedgerow.cli.provision.api import CloudApi
from hedgerow.cli.provision.group import GroupContent, start_deployment
from hedgerow.cli.provision.identity import (
    discarded_on_failure,
    let_core_carry,
    let_core_sync,
    make_device_identity,
)
from hedgerow.cli.provision.row import Row
from hedgerow.contract import CLOUD
from hedgerow.kernel import CallerError, quoted

device = click.Group(name="device", help="Client devices.")


@device.command()
@click.option("--name", required=True, help="The device's thing name.")
@click.option(
    "--dir",
    "folder",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="An empty or new folder for its key and certificate.",
)
@click.option("--group", help="The name of the group to add it to.")
@click.option(
    "--row",
    "rows",
    nargs=3,
    multiple=True,
    metavar="SOURCE TOPIC TARGET",
    help="A row to add to the group's subscription table.",
)
@click.option(
    "--sync-shadow", is_flag=True, help="Let the group's core keep its shadow alike in the cloud."
)
@click.option("--deploy/--no-deploy", default=True, show_default=True, help="Deploy the group.")
@as_json
def provision(
    name: str,
    folder: Path,
    group: str | None,
    rows: tuple[tuple[str, str, str], ...],
    *,
    sync_shadow: bool,
    deploy: bool,
    as_json: bool,
) -> None:
    """Make a device's thing, key, certificate and policy, and add it to a group.

    Needs the environment that 'hedgerow env' prints.
    """
    api = CloudApi()
    if sync_shadow and group is None:
        raise CallerError("--sync-shadow needs a --group: its core does it")
    content = None if group is None else _existing(api, group)
    endpoint = api.device_endpoint()
    with progress(f"Making the identity of {name}"):
        identity = make_device_identity(api, folder, name, endpoint.root_ca_pem)
    if content is not None:
        with discarded_on_failure(api, [identity]):
            synced = [name] if sync_shadow else []
            content = content.with_devices(api, [identity], synced)
            table = [Row(*row) for row in rows]
            content = content.with_rows(api, table)
            if any(CLOUD in (row.source, row.target) for row in table):
                let_core_carry(api, content.core_certificate(api), f"messages-of-{name}", table)
            if synced:
                let_core_sync(api, content.core_certificate(api), f"shadow-of-{name}", synced)
            version = content.save(api)
        if deploy:
            start_deployment(api, content.group_id, version)
    if as_json:
        print_json(identity_facts(identity))
        return
    for line in device_lines([identity], endpoint):
        click.echo(line)


def _existing(api: CloudApi, name: str) -> GroupContent:
    found = GroupContent.find(api, name)
    if found is None:
        raise CallerError(
            f"there is no group named {quoted(name)}; 'aws greengrass list-groups' lists them"
        )
    return found
