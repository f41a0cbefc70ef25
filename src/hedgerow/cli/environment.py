"""`hedgerow env`: what a shell needs so that boto3 and the AWS CLI talk to this cloud."""

import shlex
from pathlib import Path

import click
import msgspec

from hedgerow.cli.account_session import entered
from hedgerow.cli.options import data_option
from hedgerow.cli.output import as_json, print_json
from hedgerow.cloud.app import Endpoints, Layout, read_administrator
from hedgerow.cloud.organizations import DEFAULT_ROLE
from hedgerow.kernel import ConfigurationError


def environment(data: Path) -> dict[str, str]:
    """Return the variables for the running cloud of this data folder.

    The access key is left out once its file was moved away.

    Raises `ConfigurationError` if the cloud does not run, the folder is not a cloud's, or others
    can read the key.
    """
    layout = Layout(data)
    if not layout.settings.exists():
        raise ConfigurationError(
            f"{data} is not a cloud's data folder; make one with: hedgerow cloud init --data {data}"
        )
    endpoints = _endpoints(
        layout.endpoints,
        f"the cloud does not run; start it with: hedgerow cloud run --data {data}",
    )
    return {
        "AWS_ENDPOINT_URL": endpoints.api_url,
        "AWS_CA_BUNDLE": str(layout.root_certificate.absolute()),
        **_access_key(layout.administrator),
        "AWS_DEFAULT_REGION": endpoints.region,
        "HEDGEROW_DEVICE_HTTPS_PORT": str(endpoints.device_https_port),
        "HEDGEROW_DEVICE_MQTT_PORT": str(endpoints.device_mqtt_port),
    }


def _access_key(path: Path) -> dict[str, str]:
    """Return the administrator's access key; nothing if it is kept elsewhere by now."""
    administrator = read_administrator(path)
    if administrator is None:
        return {}
    return {
        "AWS_ACCESS_KEY_ID": administrator.access_key_id,
        "AWS_SECRET_ACCESS_KEY": administrator.secret_access_key,
    }


def _endpoints(path: Path, without: str) -> Endpoints:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Endpoints)
    except FileNotFoundError:
        raise ConfigurationError(f"there is no {path}: {without}") from None
    except (OSError, msgspec.DecodeError) as error:
        raise ConfigurationError(f"cannot read {path}: {error}") from error


@click.command()
@data_option
@click.option("--account", metavar="ID", help="Enter this account of the cloud, for an hour.")
@click.option("--role", default=DEFAULT_ROLE, show_default=True, help="By this role of it.")
@as_json
def env(data: Path, account: str | None, role: str, *, as_json: bool) -> None:
    """Print shell exports; use them with: eval "$(hedgerow env --data DIR)".

    The output holds the administrator's secret key, or the temporary one of a role.
    """
    variables = environment(data)
    if account is not None:
        variables = entered(variables, account, role)
    if as_json:
        print_json(variables)
        return
    for name, value in variables.items():
        click.echo(f"export {name}={shlex.quote(value)}")
    unset = [name for name in ("AWS_SESSION_TOKEN", "AWS_PROFILE") if name not in variables]
    click.echo(f"unset {' '.join(unset)}")
