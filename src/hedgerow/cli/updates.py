"""`hedgerow updates`: the repository of software updates, by those who sign them."""

import platform
from importlib import metadata
from pathlib import Path

import click

from hedgerow.cli.output import as_json, print_json, print_pairs, progress
from hedgerow.cloud.updates import UpdateRepository
from hedgerow.cloud.updates.packing import pack as make_package
from hedgerow.contract.updates import PAIRS, PackageFacts, target_path
from hedgerow.kernel import ConfigurationError, Secret, SystemClock

_FOLDER = click.Path(file_okay=False, path_type=Path)
_SYSTEMS = sorted({system for system, _ in PAIRS})

updates = click.Group(name="updates", help="Software updates: make, sign and publish packages.")
_repository = click.option(
    "--repository",
    required=True,
    envvar="HEDGEROW_UPDATES",
    type=_FOLDER,
    metavar="DIR",
    help="The repository; the cloud serves the one in its data folder, DATA/updates.",
)
_keys = click.option(
    "--keys",
    required=True,
    type=_FOLDER,
    metavar="DIR",
    help="The offline keys (root, targets): on a disk that is taken away afterwards.",
)

_passphrase = click.option(
    "--passphrase-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Its first line closes, or opens, the offline keys.",
)


@updates.command("init")
@_repository
@_keys
@_passphrase
@click.option("--root-keys", type=click.IntRange(1, 9), default=1, show_default=True)
@click.option(
    "--threshold",
    type=click.IntRange(1, 9),
    default=1,
    show_default=True,
    help="How many root keys have to agree on the next root.",
)
def init(
    repository: Path, keys: Path, *, passphrase_file: Path | None, root_keys: int, threshold: int
) -> None:
    """Make keys and an empty repository."""
    root = _of(repository).create(
        keys,
        root_key_count=root_keys,
        threshold=threshold,
        passphrase=_read(passphrase_file),
    )
    click.echo(f"Pin {root} on cores: hedgerow core provision --updates-root {root}")
    click.echo(f"Take {keys} away; whoever has it can publish software for every core.")


@updates.command("pack")
@click.option("--software", type=click.Choice(["core", "ota_agent"]), required=True)
@click.option("--operating-system", type=click.Choice(_SYSTEMS), required=True)
@click.option("--out", required=True, type=click.Path(dir_okay=False, path_type=Path))
def pack(software: str, operating_system: str, out: Path) -> None:
    """Make a package of what is installed on this machine, for machines like it."""
    facts = PackageFacts(
        software="core" if software == "core" else "ota_agent",
        version=metadata.version("hedgerow"),
        operating_system=operating_system,
        architecture=platform.machine(),
    )
    with progress(f"Packing {target_path(facts)}"):
        make_package(facts, out)
    click.echo(str(out))


@updates.command("publish")
@_repository
@_keys
@_passphrase
@click.argument("package", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@as_json
def publish(
    repository: Path, keys: Path, package: Path, *, passphrase_file: Path | None, as_json: bool
) -> None:
    """Sign PACKAGE and make it part of the newest state of the repository."""
    facts = _of(repository).publish(package, keys, _read(passphrase_file))
    shown = {"software": facts.software, "version": facts.version, "target": target_path(facts)}
    if as_json:
        print_json(shown)
    else:
        print_pairs(shown)


@updates.command("withdraw")
@_repository
@_keys
@_passphrase
@click.argument("target")
def withdraw(repository: Path, keys: Path, target: str, *, passphrase_file: Path | None) -> None:
    """Take TARGET (a path that 'list' shows) out: cores refuse it from then on."""
    _of(repository).withdraw(target, keys, _read(passphrase_file))


@updates.command("rotate")
@_repository
@_keys
@_passphrase
@click.option("--new-keys", required=True, type=_FOLDER, metavar="DIR", help="Where new keys go.")
def rotate(repository: Path, keys: Path, *, passphrase_file: Path | None, new_keys: Path) -> None:
    """Replace every key; cores follow from the root they have pinned."""
    version = _of(repository).rotate(keys, new_keys, _read(passphrase_file))
    click.echo(f"The root is version {version} now")


@updates.command("refresh")
@_repository
def refresh(repository: Path) -> None:
    """Sign the short-lived metadata anew if it is due; a running cloud does this by itself."""
    click.echo("signed anew" if _of(repository).refresh() else "not due yet")


@updates.command("list")
@_repository
@as_json
def list_packages(repository: Path, *, as_json: bool) -> None:
    """Show what is published."""
    paths = sorted(target_path(facts) for facts in _of(repository).packages())
    if as_json:
        print_json(paths)
    else:
        click.echo("\n".join(paths) or "nothing is published")


def _of(folder: Path) -> UpdateRepository:
    return UpdateRepository(folder, SystemClock())


def _read(passphrase_file: Path | None) -> Secret[bytes] | None:
    """Return a file's first line, or None without a file."""
    if passphrase_file is None:
        return None
    line = passphrase_file.read_bytes().partition(b"\n")[0].rstrip(b"\r")
    if not line:
        raise ConfigurationError(f"the first line of {passphrase_file} is empty")
    return Secret(line)
