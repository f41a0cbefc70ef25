"""`hedgerow core provision`: everything a new core needs, in one step."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from hedgerow.cli.options import PORT, root_option
from hedgerow.cli.output import as_json, print_json, print_pairs, progress
from hedgerow.cli.provision.api import CloudApi, DeviceEndpoint
from hedgerow.cli.provision.checks import require_free, require_rows, require_thing_names
from hedgerow.cli.provision.config_file import config_bytes, config_document, config_path
from hedgerow.cli.provision.group import GroupContent, start_deployment
from hedgerow.cli.provision.identity import (
    Identity,
    let_core_carry,
    let_core_sync,
    let_core_update,
    make_core_identity,
    make_device_identity,
)
from hedgerow.cli.provision.row import Row
from hedgerow.cli.provision.service_role import ensure_service_role
from hedgerow.cli.provision.undo import Undo, undone_on_failure
from hedgerow.cli.provision.updates_root import read_update_root, updates_root_path
from hedgerow.kernel import CallerError, ConfigurationError, quoted
from hedgerow.pki import write_public


@dataclass(frozen=True, slots=True)
class Made:
    """What provisioning made."""

    core: Identity
    devices: tuple[Identity, ...]
    group_id: str
    group_version: str
    deployment_id: str | None
    endpoint: DeviceEndpoint


@dataclass(frozen=True, slots=True)
class Wanted:
    """What provisioning is to make."""

    root: Path
    name: str
    devices: tuple[str, ...]
    devices_dir: Path
    rows: tuple[Row, ...]
    synced: tuple[str, ...]
    named_shadows: bool
    updates_root: bytes | None


@click.command()
@root_option
@click.option("--name", required=True, help="The core's thing name.")
@click.option("--group", help="The group's name; without it NAME-group.")
@click.option("--device", "devices", multiple=True, metavar="NAME", help="A client device to make.")
@click.option(
    "--devices-dir",
    default="devices",
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Where each device's files go, in a folder of its name.",
)
@click.option(
    "--row",
    "rows",
    nargs=3,
    multiple=True,
    metavar="SOURCE TOPIC TARGET",
    help="A row of the subscription table, by thing names, 'cloud' or 'GGShadowService'.",
)
@click.option(
    "--sync-shadow",
    "synced",
    multiple=True,
    metavar="NAME",
    help="The core or one of the devices, whose shadow the core keeps alike in the cloud.",
)
@click.option(
    "--named-shadows",
    is_flag=True,
    help="With --sync-shadow: named shadows too, which takes more rights (docs/options.md).",
)
@click.option(
    "--updates-root",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Let the core take software updates of this root (1.root.json of the repository).",
)
@click.option(
    "--mqtt-port", default=8883, type=PORT, show_default=True, help="ggMqttPort (0: any free one)."
)
@click.option(
    "--daemon-port", default=8000, type=PORT, show_default=True, help="ggDaemonPort (likewise)."
)
@click.option("--deploy/--no-deploy", default=True, show_default=True, help="Deploy the group.")
@as_json
def provision(
    root: Path,
    name: str,
    group: str | None,
    devices: tuple[str, ...],
    devices_dir: Path,
    rows: tuple[tuple[str, str, str], ...],
    mqtt_port: int,
    daemon_port: int,
    *,
    synced: tuple[str, ...],
    named_shadows: bool,
    updates_root: Path | None,
    deploy: bool,
    as_json: bool,
) -> None:
    """Make a core's thing, key, certificate, policy, group and config.json.

    Needs the environment that 'hedgerow env' prints.
    """
    wanted = Wanted(
        root,
        name,
        devices,
        devices_dir,
        tuple(Row(*row) for row in rows),
        synced,
        named_shadows,
        read_update_root(updates_root) if updates_root else None,
    )
    _check(wanted)
    api = CloudApi()
    endpoint = api.device_endpoint()
    require_rows(api, wanted.rows, (name, *devices))
    there = _coreless(api, group or f"{name}-group")
    with undone_on_failure() as undo:
        content = there or GroupContent.create(api, undo, group or f"{name}-group")
        with progress(f"Making the identity of {name}"):
            core = make_core_identity(
                api, undo, root / "certs", name, content.group_id, endpoint.root_ca_pem
            )
        made_devices = [_device(api, undo, devices_dir, device, endpoint) for device in devices]
        with progress("Making the group"):
            version = _filled(api, undo, content, wanted, core, made_devices)
            _pin_updates(api, undo, wanted, core)
            if there is not None:
                there.restored_on_failure(api, undo)
        undo.will_make(config_path(root).parent)
        undo.wrote(config_path(root))
        document = config_document(
            core,
            endpoint,
            mqtt_port=mqtt_port,
            daemon_port=daemon_port,
            named_shadows=named_shadows,
        )
        write_public(config_path(root), config_bytes(document))
        deployment = _deploy(api, content.group_id, version) if deploy else None
    result = Made(core, tuple(made_devices), content.group_id, version, deployment, endpoint)
    if as_json:
        print_json(facts(result))
    else:
        _show(root, result)


def _check(wanted: Wanted) -> None:
    """Return if nothing speaks against it on this machine."""
    if config_path(wanted.root).exists():
        raise ConfigurationError(
            f"{config_path(wanted.root)} exists; this root belongs to a core already"
        )
    require_thing_names((wanted.name, *wanted.devices))
    _require_members(wanted.synced, (wanted.name, *wanted.devices))
    if wanted.named_shadows and not wanted.synced:
        raise CallerError("--named-shadows needs a --sync-shadow NAME: whose they are")
    require_free(wanted.root / "certs", wanted.name)
    for device in wanted.devices:
        require_free(wanted.devices_dir / device, device)


def _require_members(synced: Sequence[str], members: Sequence[str]) -> None:
    for name in synced:
        if name not in members:
            raise CallerError(
                f"--sync-shadow {quoted(name)} is neither the core nor a --device of this command"
            )


def _coreless(api: CloudApi, name: str) -> GroupContent | None:
    """Return the group of that name to fill, or None; `CallerError` if it has a core already."""
    found = GroupContent.find(api, name)
    if found is not None and found.has_core:
        raise CallerError(f"the group {quoted(name)} has a core already; a group has exactly one")
    return found


def _device(
    api: CloudApi, undo: Undo, folder: Path, name: str, endpoint: DeviceEndpoint
) -> Identity:
    with progress(f"Making the identity of {name}"):
        return make_device_identity(api, undo, folder / name, name, endpoint.root_ca_pem)


def _filled(
    api: CloudApi,
    undo: Undo,
    content: GroupContent,
    wanted: Wanted,
    core: Identity,
    devices: Sequence[Identity],
) -> str:
    """Fill the group, let its core do what that needs, and return the new version."""
    content = content.with_core(api, undo, core, wanted.synced)
    content = content.with_devices(api, undo, devices, wanted.synced)
    content = content.with_rows(api, undo, wanted.rows)
    certificate, name = core.certificate_arn, wanted.name
    let_core_carry(api, undo, certificate, f"{name}-messages", wanted.rows)
    let_core_sync(
        api,
        undo,
        certificate,
        f"{name}-shadows",
        sorted(set(wanted.synced)),
        named=wanted.named_shadows,
    )
    return content.save(api)


def _pin_updates(api: CloudApi, undo: Undo, wanted: Wanted, core: Identity) -> None:
    """Pin the root of software updates, and let the core fetch them, if that is wanted."""
    if wanted.updates_root is None:
        return
    let_core_update(api, undo, core.certificate_arn, f"{wanted.name}-updates", wanted.name)
    path = updates_root_path(wanted.root)
    undo.wrote(path)
    write_public(path, wanted.updates_root)


def _deploy(api: CloudApi, group_id: str, version: str) -> str:
    ensure_service_role(api)
    return start_deployment(api, group_id, version)


def facts(made: Made) -> dict[str, object]:
    """Return what was made, for programs."""
    return {
        "core": identity_facts(made.core),
        "devices": [identity_facts(device) for device in made.devices],
        "groupId": made.group_id,
        "groupVersionId": made.group_version,
        "deploymentId": made.deployment_id,
        "host": made.endpoint.host,
        "httpsPort": made.endpoint.https_port,
        "mqttPort": made.endpoint.mqtt_port,
    }


def identity_facts(identity: Identity) -> dict[str, str]:
    """Return one identity, for programs."""
    return {
        "thingName": identity.thing_name,
        "thingArn": identity.thing_arn,
        "certificateArn": identity.certificate_arn,
        "certificateId": identity.certificate_id,
        "certificate": str(identity.certificate_path),
        "privateKey": str(identity.key_path),
        "rootCa": str(identity.root_ca_path),
    }


def device_lines(devices: Sequence[Identity], endpoint: DeviceEndpoint) -> list[str]:
    """Return what a person needs to point a device SDK at its core."""
    lines: list[str] = []
    discovery = f"https://{endpoint.host}:{endpoint.https_port}/greengrass/discover/thing"
    for device in devices:
        lines += [
            f"\n{device.thing_name}",
            f"  certificate  {device.certificate_path}",
            f"  private key  {device.key_path}",
            f"  root CA      {device.root_ca_path}",
            f"  discovery    {discovery}/{device.thing_name}",
        ]
    return lines


def _show(root: Path, made: Made) -> None:
    print_pairs(
        {
            "core": made.core.thing_arn,
            "group": made.group_id,
            "version": made.group_version,
            "deployment": made.deployment_id or "none yet",
            "config": str(config_path(root)),
        }
    )
    for line in device_lines(made.devices, made.endpoint):
        click.echo(line)
    click.echo(f"\nNext: hedgerow core run --root {root}")
