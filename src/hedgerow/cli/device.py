"""`hedgerow device provision`: a client device, in a group of its own choice."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from hedgerow.cli.core_provision import device_lines, identity_facts
from hedgerow.cli.output import as_json, print_json, progress
from hedgerow.cli.provision.api import CloudApi
from hedgerow.cli.provision.checks import require_free, require_rows, require_thing_names
from hedgerow.cli.provision.group import GroupContent, start_deployment
from hedgerow.cli.provision.identity import (
    Identity,
    let_core_carry,
    let_core_sync,
    make_device_identity,
)
from hedgerow.cli.provision.row import Row
from hedgerow.cli.provision.undo import Undo, undone_on_failure
from hedgerow.contract import CLOUD
from hedgerow.kernel import CallerError, quoted

device = click.Group(name="device", help="Client devices.")


@dataclass(frozen=True, slots=True)
class _Sync:
    """Whether the core keeps the device's shadow alike in the cloud, and named ones too."""

    shadow: bool
    named: bool


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
    help="A row for the group's subscription table, by thing names, 'cloud' or 'GGShadowService'.",
)
@click.option(
    "--sync-shadow", is_flag=True, help="Let the group's core keep its shadow alike in the cloud."
)
@click.option(
    "--named-shadows",
    is_flag=True,
    help="With --sync-shadow: named shadows too, which takes more rights (docs/options.md).",
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
    named_shadows: bool,
    deploy: bool,
    as_json: bool,
) -> None:
    """Make a device's thing, key, certificate and policy, and add it to a group.

    Needs the environment that 'hedgerow env' prints.
    """
    if sync_shadow and group is None:
        raise CallerError("--sync-shadow needs a --group: its core does it")
    if rows and group is None:
        raise CallerError("--row needs a --group: the table is a group's")
    if named_shadows and not sync_shadow:
        raise CallerError("--named-shadows needs --sync-shadow")
    sync = _Sync(sync_shadow, named_shadows)
    require_thing_names([name])
    require_free(folder, name)
    table = [Row(*row) for row in rows]
    api = CloudApi()
    content = None if group is None else _existing(api, group)
    if content is not None and group is not None:
        _require_newcomer(api, content, group, name)
    endpoint = api.device_endpoint()
    require_rows(api, table, [name])
    with undone_on_failure() as undo:
        with progress(f"Making the identity of {name}"):
            identity = make_device_identity(api, undo, folder, name, endpoint.root_ca_pem)
        if content is not None:
            version = _added(api, undo, content, identity, table, sync)
            content.restored_on_failure(api, undo)
            if deploy:
                start_deployment(api, content.group_id, version)
    if as_json:
        print_json(identity_facts(identity))
        return
    for line in device_lines([identity], endpoint):
        click.echo(line)


def _added(
    api: CloudApi,
    undo: Undo,
    content: GroupContent,
    device: Identity,
    table: Sequence[Row],
    sync: _Sync,
) -> str:
    """Add the device and its rows to the group, and return the new version."""
    name = device.thing_name
    synced = [name] if sync.shadow else []
    content = content.with_devices(api, undo, [device], synced)
    content = content.with_rows(api, undo, table)
    if any(CLOUD in (row.source, row.target) for row in table):
        certificate = content.core_certificate(api)
        let_core_carry(api, undo, certificate, f"messages-of-{name}", table)
    if synced:
        certificate = content.core_certificate(api)
        policy = f"shadow-of-{name}"
        let_core_sync(api, undo, certificate, policy, synced, named=sync.named)
    return content.save(api)


def _existing(api: CloudApi, name: str) -> GroupContent:
    found = GroupContent.find(api, name)
    if found is None:
        raise CallerError(
            f"there is no group named {quoted(name)}; 'aws greengrass list-groups' lists them"
        )
    return found


def _require_newcomer(api: CloudApi, content: GroupContent, group: str, name: str) -> None:
    """Return if no device of that name is in the group, whose content this is."""
    if any(member["ThingArn"].endswith(f":thing/{name}") for member in content.devices(api)):
        raise CallerError(
            f"{quoted(name)} is in the group {quoted(group)} already; leave --group out to renew "
            "its certificate"
        )
