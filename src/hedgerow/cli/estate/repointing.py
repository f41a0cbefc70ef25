"""`hedgerow core repoint`: an old core's folder, turned towards this cloud."""

import json
from pathlib import Path

import click

from hedgerow.cli.options import root_option
from hedgerow.cli.output import print_pairs
from hedgerow.cli.provision.api import CloudApi
from hedgerow.core.app.lock import RootLock
from hedgerow.core.config import load_config
from hedgerow.estate import Origin
from hedgerow.estate.core_folder import CONFIG_FILES
from hedgerow.estate.members import parsed_object
from hedgerow.estate.repointing import ROOT_CA_FILE, Destination, repointed
from hedgerow.kernel import CallerError, ConfigurationError
from hedgerow.pki import write_private, write_public

_DEPLOYMENTS = ("ggc/deployment", "ggc/deployments")
_KEPT = ".before"
_OTHERS = 0o077


@click.command(name="repoint")
@root_option
def command(root: Path) -> None:
    """Turn an old core's folder towards this cloud; its key and certificate stay.

    config.json gets the new endpoints and root certificate, and what it was is kept beside it, as
    is the old deployment. The core has to be stopped. Needs the environment that 'hedgerow env'
    prints.
    """
    path = next((root / name for name in CONFIG_FILES if (root / name).is_file()), None)
    if path is None:
        raise ConfigurationError(f"there is no {root / CONFIG_FILES[0]}")
    before = path.read_bytes()
    config = parsed_object(before)
    if config is None:
        raise ConfigurationError(f"{path} is not a JSON object")
    api = CloudApi()
    endpoint = api.device_endpoint()
    certs = root.absolute() / "certs"
    to = Destination(
        origin=Origin(account=api.account, region=api.region),
        host=endpoint.host,
        https_port=endpoint.https_port,
        mqtt_port=endpoint.mqtt_port,
        certs=str(certs),
    )
    try:
        after = repointed(config, to)
    except CallerError as error:
        raise ConfigurationError(f"{path}: {error.message}") from error
    if after == config:
        click.echo(f"{path} names this cloud already.")
        return
    lock = RootLock(load_config(root).folders.state)
    lock.take()
    try:
        kept = _free(path.with_name(f"{path.name}{_KEPT}"))
        write_private(kept, before)
        for name in _DEPLOYMENTS:
            if (root / name).is_dir():
                (root / name).rename(_free(root / f"{name}{_KEPT}"))
        write_public(certs / ROOT_CA_FILE, endpoint.root_ca_pem.encode())
        _replace(path, (json.dumps(after, indent=2) + "\n").encode())
    finally:
        lock.release()
    print_pairs({"config": str(path), "before": str(kept), "cloud": endpoint.host})
    click.echo(f"\nNext: hedgerow core run --root {root}")


def _replace(path: Path, data: bytes) -> None:
    """Write a file anew; one that only its owner could read stays so."""
    (write_public if path.stat().st_mode & _OTHERS else write_private)(path, data)


def _free(path: Path) -> Path:
    """Return the path, with a number after it if there is something already."""
    candidate, number = path, 1
    while candidate.exists():
        number += 1
        candidate = path.with_name(f"{path.name}-{number}")
    return candidate
